"""Whether a person wrote a mail, as far as its headers say. What a machine wrote is never answered (RFC 3834)."""

from typing import Final

from app.mail.parsing.mail import ParsedMail
from app.models.mail import MailKind

_BULK: Final = frozenset({"bulk", "junk", "list", "auto_reply"})
_AUTOMATIC: Final = ("x-auto-response-suppress", "x-autoreply", "x-autorespond", "x-loop")
_LISTS: Final = ("list-id", "list-unsubscribe", "list-post")
_DAEMONS: Final = frozenset({"mailer-daemon", "postmaster", "double-bounce"})


def kind_of(mail: ParsedMail, *, envelope_from: str | None, own_addresses: frozenset[str]) -> MailKind:
    """`envelope_from` is empty for a mail that wants no report, None where the road does not tell it."""
    local = (mail.from_address or "").partition("@")[0]
    nobody = envelope_from == "" or "<>" in (value.strip() for value in mail.headers.get("return-path", ()))
    if mail.report is not None or (nobody and local in _DAEMONS) or local == "mailer-daemon":
        return MailKind.BOUNCE
    if mail.from_address in own_addresses or "x-evidesk-session" in mail.headers:
        return MailKind.OWN
    if any(name in mail.headers for name in _LISTS):
        return MailKind.LIST
    submitted = mail.headers.get("auto-submitted", ("no",))[0].partition(";")[0].strip().lower()
    precedence = mail.headers.get("precedence", ("",))[0].strip().lower()
    report = mail.headers.get("content-type", ("",))[0].lower().startswith("multipart/report")
    if nobody or report or submitted != "no" or precedence in _BULK or any(name in mail.headers for name in _AUTOMATIC):
        return MailKind.AUTOMATIC
    return MailKind.MESSAGE
