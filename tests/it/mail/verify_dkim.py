"""Verifies signatures of mail with dkimpy: reads lines of JSON with a mail and the records of the DNS, and writes for each
line which of its signatures are good, and what the first one signs."""
import base64
import json
import sys

import dkim

for line in sys.stdin:
    asked = json.loads(line)
    source = base64.b64decode(asked["source"])

    def record(name, timeout=5):
        return asked["dns"].get(name.decode().rstrip(".").lower(), "").encode()

    verifier = dkim.DKIM(source, minkey=1024)
    try:
        good = verifier.verify(dnsfunc=record)
    except dkim.DKIMException:
        # That is how it says that a mail is not as it should be, or that there is no such key.
        good = False
    told = {
        "good": good,
        "domain": verifier.domain.decode() if verifier.domain else None,
        "selector": verifier.selector.decode() if verifier.selector else None,
        "signed": [name.decode().lower() for name, _ in verifier.signed_headers or []],
        "listed": [name.decode().lower() for name in verifier.include_headers or []],
    }
    print(json.dumps(told), flush=True)
