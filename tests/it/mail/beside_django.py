"""Compares mails that Callboard built with those that Django builds of the same parts.

Reads a list of {"mail": parts, "source": our bytes in base64} and prints a list of lists of differences. Both are read
by Python's own parser; compared are the structure and the content of each part. Headers must decode to what was put in.
"""
import base64
import email
import email.policy
import json
import sys

from django.conf import settings

settings.configure(DEFAULT_CHARSET="utf-8", USE_I18N=False, EMAIL_USE_LOCALTIME=False)

from django.core.mail import EmailMultiAlternatives  # noqa: E402


def address(parts):
    """An address as Django wants it: one text, quoted by the library and not by hand."""
    from email.headerregistry import Address

    name, addr = parts
    return str(Address(display_name=name, addr_spec=addr)) if name else addr


def django(parts):
    message = EmailMultiAlternatives(
        subject=parts["subject"],
        body=parts["text"],
        from_email=address(parts["from"]),
        to=[address(to) for to in parts["to"]],
        cc=[address(cc) for cc in parts["cc"]],
        bcc=[address(bcc) for bcc in parts["bcc"]],
        reply_to=[address(reply) for reply in parts["reply_to"]],
        headers={**dict(parts["headers"]), "Message-ID": "<x@example.com>"},
    )
    if parts["html"] is not None:
        message.attach_alternative(parts["html"], "text/html")
    for name, mime, content in parts["attachments"]:
        message.attach(name, base64.b64decode(content), mime)
    return message.message().as_bytes()


def content(part):
    payload = part.get_content()
    if isinstance(payload, bytes):
        return payload.hex()
    if not isinstance(payload, str):
        return tree(payload)
    # Whether the last line has its end is a matter of taste: Django 6 writes one, Django 5 does not.
    lines = payload.replace("\r\n", "\n")
    return lines[:-1] if lines.endswith("\n") else lines


def tree(part):
    """A part as plain data."""
    node = {"type": part.get_content_type()}
    if part.is_multipart() and part.get_content_type() != "message/rfc822":
        node["parts"] = [tree(child) for child in part.iter_parts()]
        return node
    node["content"] = content(part)
    node["file"] = part.get_filename()
    if part.get_content_type().startswith("text/"):
        node["charset"] = part.get_content_charset()
    node["disposition"] = part.get_content_disposition()
    return node


def addresses(header):
    return [[address.display_name, address.addr_spec] for address in header.addresses] if header else []


def read(source):
    message = email.message_from_bytes(source, policy=email.policy.default)
    told = {name: addresses(message[name]) for name in ("From", "To", "Cc", "Reply-To")}
    told["Subject"] = str(message["Subject"])
    told["Bcc"] = message["Bcc"]
    told["tree"] = tree(message)
    for name in message.keys():
        if name.startswith("X-"):
            told[name] = str(message[name])
    told["defects"] = [str(defect) for part in message.walk() for defect in part.defects]
    return told


def wanted_of(parts):
    """What the headers must decode to: what was put in."""
    lists = (("To", "to"), ("Cc", "cc"), ("Reply-To", "reply_to"))
    wanted = {name: parts[field] for name, field in lists}
    return {"Subject": parts["subject"], "From": [parts["from"]], **wanted, **dict(parts["headers"])}


def differences(case):
    ours = base64.b64decode(case["source"])
    found = []
    if not all(byte < 128 for byte in ours):
        found.append("ours is not ASCII")
    if any(len(line) > 998 for line in ours.split(b"\r\n")):
        found.append("ours has a line that is too long")
    ours, theirs, wanted = read(ours), read(django(case["mail"])), wanted_of(case["mail"])
    for name in sorted(set(ours) | set(theirs)):
        ours_is, theirs_is = ours.get(name), theirs.get(name)
        if name in wanted and ours_is != wanted[name]:
            found.append(f"{name}: ours {ours_is!r}, wanted {wanted[name]!r}")
        # Django 5 puts a space before some long subjects, and lets a text that looks encoded be decoded.
        elif ours_is != theirs_is and name not in wanted:
            found.append(f"{name}: ours {ours_is!r}, Django's {theirs_is!r}")
    return found


print(json.dumps([differences(case) for case in json.load(sys.stdin)]))
