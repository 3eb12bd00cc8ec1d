"""The words of a conversation as a mail: in its thread, for people and machines to tell whose it is."""

import re
from collections.abc import Sequence
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from html import escape

from app.accounts.service.confirming import Due
from app.conversations.schemas import CitationOut, MessageOut
from app.core.settings import MailSettings
from app.models.conversation import Speaker

REFERENCES_MOST = 12
_POLICY = SMTP.clone(max_line_length=998)
"""The most that servers take. Within the usual 78 a long Message-ID is written as encoded words, which nobody reads."""
_RE = re.compile(r"^\s*(?:(?:re|aw|sv|rv|fwd?|wg)\s*(?:\[\d{1,3}\])?\s*:\s*)+", re.IGNORECASE)
_LINK = re.compile(r"https?://[^\s<>\"]+")


def replying(subject: str) -> str:
    """One "Re:", whatever the customer's program has piled up; no line break can get in."""
    plain = " ".join(_RE.sub("", subject).split())[:200]
    return f"Re: {plain or 'Your request'}"


def chain(references: Sequence[str], last: str | None) -> list[str]:
    """Of a reply (RFC 5322 §3.6.4), with the middle of a very long one left out."""
    ids = [*dict.fromkeys((*references, *([last] if last else [])))]
    return ids if len(ids) <= REFERENCES_MOST else [ids[0], *ids[1 - REFERENCES_MOST :]]


def composed(
    said: MessageOut,
    settings: MailSettings,
    *,
    recipient: str,
    reply_to: str,
    message_id: str,
    subject: str,
    in_reply_to: str | None,
    references: Sequence[str],
    at: datetime,
) -> EmailMessage:
    """The same for the same message, so that an attempt after a crash sends no other mail."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _named(settings.name, settings.address or "")
    mail["To"] = _named("", recipient)
    mail["Subject"] = subject
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = f"<{message_id}>"
    if in_reply_to is not None and _fits(in_reply_to):
        mail["In-Reply-To"] = f"<{in_reply_to}>"
    if fitting := [f"<{one}>" for one in references if _fits(one)]:
        mail["References"] = " ".join(fitting)
    mail["Reply-To"] = _named(settings.name, reply_to)
    mail["X-Evidesk-Session"] = str(said.session_id)
    if said.role is not Speaker.AGENT:
        mail["Auto-Submitted"] = "auto-replied"
        mail["X-Auto-Response-Suppress"] = "All"
    mail.set_content(_plain(said))
    mail.add_alternative(_html(said), subtype="html")
    # By number, not by chance: see above.
    mail.set_boundary(f"=_{said.message_id.hex}")
    return mail


def asking_to_confirm(due: Due, settings: MailSettings) -> EmailMessage:
    """A code, to whoever reads the mail of an address. The same for the same one."""
    mail = EmailMessage(policy=_POLICY)
    mail["From"] = _named(settings.name, settings.address or "")
    mail["To"] = _named("", due.email)
    mail["Subject"] = f"Confirm your address: {due.username}"
    mail["Date"] = format_datetime(due.created_at)
    mail["Message-ID"] = f"<confirm.{due.id.hex}@{settings.domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    place = f"Or open: {settings.confirm_url.replace('{token}', due.token)}\n\n" if settings.confirm_url else ""
    mail.set_content(
        f"Somebody has asked to confirm that the account {due.username} is yours.\n\n"
        f"Your code, for when you are logged in to it:\n\n{due.token}\n\n{place}"
        f"It is good once, until {due.expires_at:%Y-%m-%d %H:%M} UTC. If it was not you who asked, do nothing: "
        "without the code nobody can say that they read your mail.\n"
    )
    return mail


def _named(name: str, address: str) -> Address:
    local, _, domain = address.rpartition("@")
    return Address(display_name=" ".join(name.split()), username=local, domain=domain)


def _fits(message_id: str) -> bool:
    """What others have called their mail goes into a header of ours only as printable ASCII."""
    return message_id.isascii() and message_id.isprintable() and not set(message_id) & set("<> ")


def sources_of(said: MessageOut) -> list[CitationOut]:
    """Each document and passage once, in the order of the sentences."""
    return [*{(one.doc_id, one.version, one.title, one.uri): one for one in said.citations}.values()]


def _plain(said: MessageOut) -> str:
    lines = [said.content]
    if sources := sources_of(said):
        lines += ["", "Sources:"]
        lines += [f"[{n}] {one.title}{_place(one.uri)}" for n, one in enumerate(sources, start=1)]
    return "\n".join(lines).replace("\r", "") + "\n"


def _place(uri: str | None) -> str:
    return f" <{uri}>" if uri and _LINK.fullmatch(uri) else ""


def _html(said: MessageOut) -> str:
    paragraphs = "".join(
        f"<p>{escape(part.strip()).replace(chr(10), '<br>')}</p>" for part in said.content.split("\n\n") if part.strip()
    )
    items = "".join(f"<li>{_linked(one)}</li>" for one in sources_of(said))
    listed = f"<p>Sources:</p><ol>{items}</ol>" if items else ""
    return f"<!doctype html><html><body>{paragraphs}{listed}</body></html>\n"


def _linked(one: CitationOut) -> str:
    if one.uri and _LINK.fullmatch(one.uri):
        return f'<a href="{escape(one.uri, quote=True)}">{escape(one.title)}</a>'
    return escape(one.title)
