"""Whether the sender's domain stands behind a mail, by the word of the one server that is trusted (RFC 8601).

That server must remove headers that claim to be its own, as the RFC asks. Even so only the topmost header counts, and
SPF alone does not, since it says nothing of the address that people see.
"""

import re
from typing import Final

from app.mail.parsing.mail import ParsedMail

_COMMENT: Final = re.compile(r"\([^()]{0,500}\)")
_WORD: Final = re.compile(r"([a-z-]{1,40}(?:\.[a-z0-9-]{1,40})?)\s*=\s*\"?@?([a-z0-9._@+-]{1,300})", re.IGNORECASE)


def authenticated(mail: ParsedMail, trusted: str | None) -> bool:
    found = mail.headers.get("authentication-results", ())
    if trusted is None or mail.from_address is None or not found:
        return False
    server, *results = _COMMENT.sub(" ", found[0]).split(";")
    if server.split()[:1] != [trusted]:
        return False
    domain = mail.from_address.rpartition("@")[2]
    return any(_passes(result, domain) for result in results)


def _passes(result: str, domain: str) -> bool:
    words = {name.lower(): value.lower() for name, value in _WORD.findall(result)}
    if words.get("dmarc") == "pass":
        return words.get("header.from") == domain
    return words.get("dkim") == "pass" and words.get("header.d", "").rpartition("@")[2] == domain
