"""A mail server on aiosmtpd: says its port, then a line of JSON for each mail, as Python's own parser reads it."""
import email
import email.policy
import email.utils
import json
import socket
import sys

from aiosmtpd.controller import Controller


def pairs(header):
    return [[address.display_name, address.addr_spec] for address in header.addresses] if header else []


def defects(message):
    return [str(defect) for part in message.walk() for defect in part.defects]


class Handler:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        text, html = message.get_body(("plain",)), message.get_body(("html",))
        told = {
            "mail_from": envelope.mail_from,
            "rcpt_tos": envelope.rcpt_tos,
            "subject": str(message["Subject"]),
            "from": pairs(message["From"]),
            "to": pairs(message["To"]),
            "text": text.get_content().replace("\r\n", "\n") if text else None,
            "html": html.get_content().replace("\r\n", "\n") if html else None,
            "files": [[part.get_filename(), part.get_content().hex()] for part in message.iter_attachments()],
            "defects": defects(message),
        }
        print(json.dumps(told), flush=True)
        return "250 2.0.0 taken"


with socket.socket() as probe:
    probe.bind(("127.0.0.1", 0))
    port = probe.getsockname()[1]
controller = Controller(Handler(), hostname="127.0.0.1", port=port)
controller.start()
print(port, flush=True)
sys.stdin.read()
controller.stop()
