"""What a mail says, and what it says of itself."""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from typing import Final

from app.accounts.schemas import normal_email
from app.mail.parsing import tnef
from app.mail.parsing.attachment import Attachment
from app.mail.parsing.folding import Folded, fold
from app.mail.parsing.structure import (
    DELIVERY_STATUS,
    HEADER_CHARS,
    LEAVES_MOST,
    content_of,
    headers_of,
    leaves,
    parts_of,
)
from app.mail.parsing.texts import decoded, header_text, storable, text_of_html, tidy

ATTACHMENTS_MOST: Final = 50
REFERENCES_MOST: Final = 50
SUBJECT_CHARS: Final = 300
_ID_CHARS: Final = 300
_ID: Final = re.compile(r"<([^<>\s]{1,2000})>")
_TO: Final = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-forwarded-to")
_FAILED: Final = re.compile(r"^action:\s*failed\s*$", re.IGNORECASE | re.MULTILINE)
_STATUS: Final = re.compile(r"^(?:status|diagnostic-code):\s*(.{1,300})$", re.IGNORECASE | re.MULTILINE)

Headers = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Report:
    """Of a server about a mail of ours. `failed`: it did not arrive, and will not."""

    failed: bool
    reason: str
    about: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ParsedMail:
    headers: Headers
    message_id: str
    has_id: bool
    in_reply_to: tuple[str, ...]
    references: tuple[str, ...]
    from_address: str | None
    from_name: str
    recipients: tuple[str, ...]
    """Of all headers that name some."""
    copied: tuple[str, ...]
    subject: str
    dated_at: datetime | None
    text: str
    folded: Folded
    attachments: tuple[Attachment, ...]
    report: Report | None
    fingerprint: str
    """Equal for two mails that say the same, whatever road they took."""
    defects: tuple[str, ...] = field(default=())


def parse(raw: bytes) -> ParsedMail:
    """Raises Unreadable."""
    root = parts_of(raw)
    headers = headers_of(root)
    defects: list[str] = []
    if root.defects:
        defects += sorted({type(defect).__name__ for defect in root.defects})
    texts, attachments = _contents(root, defects)
    text = tidy("\n\n".join(texts))
    own = ids_in(headers.get("message-id", ()))
    author, name = _author(headers)
    content = hashlib.sha256(
        "\n".join([*own, author or "", *headers.get("date", ())[:1], *headers.get("subject", ())[:1], text]).encode(
            "utf-8", "replace"
        )
    )
    for one in attachments:
        content.update(hashlib.sha256(one.content).digest())
    digest = hashlib.sha256(raw).hexdigest()
    return ParsedMail(
        headers=headers,
        message_id=own[0] if own else f"{digest}@no-message-id.invalid",
        has_id=bool(own),
        in_reply_to=tuple(ids_in(headers.get("in-reply-to", ()))),
        references=tuple(ids_in(headers.get("references", ()))),
        from_address=author,
        from_name=name,
        recipients=tuple(addresses_in(value for header in _TO for value in headers.get(header, ()))),
        copied=tuple(addresses_in([*headers.get("to", ()), *headers.get("cc", ())])),
        subject=header_text(next(iter(headers.get("subject", ())), ""), most=SUBJECT_CHARS),
        dated_at=_date(headers),
        text=text,
        folded=fold(text),
        attachments=tuple(attachments),
        report=_report(root),
        fingerprint=content.hexdigest(),
        defects=tuple(defects),
    )


def ids_in(values: Iterable[str]) -> list[str]:
    """Message-IDs without their brackets, each once; the first and the last ones of very many."""
    found: list[str] = []
    for given in values:
        # Some programs write long ones as encoded words, though nobody should.
        value = header_text(given, most=HEADER_CHARS) if "=?" in given else given
        ids = _ID.findall(value) or [word for word in value.split()[:1] if "@" in word]
        found += [_short(storable(one)) for one in ids]
    found = list(dict.fromkeys(found))
    return found if len(found) <= REFERENCES_MOST else [*found[:5], *found[5 - REFERENCES_MOST :]]


def addresses_in(values: Iterable[str]) -> list[str]:
    """In lower case, each once; what is none is left out."""
    found = []
    for value in values:
        for _, address in _addresses(value):
            try:
                found.append(normal_email(address))
            except ValueError:
                continue
    return list(dict.fromkeys(found))[:200]


def _short(message_id: str) -> str:
    if len(message_id) <= _ID_CHARS:
        return message_id
    return f"{hashlib.sha256(message_id.encode()).hexdigest()}@long-message-id.invalid"


def _addresses(value: str) -> list[tuple[str, str]]:
    try:
        return getaddresses([value])
    except Exception:  # noqa: BLE001 - an old parser by hand, which names no errors
        return []


def _author(headers: Headers) -> tuple[str | None, str]:
    """None unless exactly one person is named: whoever is shown by one reader must be who is shown by another."""
    named = [pair for value in headers.get("from", ()) for pair in _addresses(value) if any(pair)]
    if len(named) != 1:
        return None, ""
    name, address = named[0]
    try:
        return normal_email(storable(address))[:320], header_text(name, most=SUBJECT_CHARS)
    except ValueError:
        return None, header_text(name, most=SUBJECT_CHARS)


def _date(headers: Headers) -> datetime | None:
    try:
        found = parsedate_to_datetime(next(iter(headers.get("date", ())), ""))
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _contents(root: Message, defects: list[str]) -> tuple[list[str], list[Attachment]]:
    texts: list[str] = []
    attachments: list[Attachment] = []
    # Of each multipart/alternative: the place of its text, and whether that came from HTML.
    alternatives: dict[str, tuple[int, bool]] = {}
    for number, (inside, part) in enumerate(leaves(root)):
        if number >= LEAVES_MOST:
            defects.append("TooManyParts")
            break
        # What calls itself parts and has none is text.
        kind = "text/plain" if part.get_content_maintype() == "multipart" else part.get_content_type()
        if part.get_content_disposition() == "attachment" or kind not in ("text/plain", "text/html") or _name(part):
            if kind != DELIVERY_STATUS:
                attachments.append(_attachment(part, kind))
            continue
        text = decoded(content_of(part), _charset(part))
        text = text_of_html(text) if kind == "text/html" else text
        place = _alternative(inside)
        if not text.strip():
            continue
        if place is None or place not in alternatives:
            if place is not None:
                alternatives[place] = (len(texts), kind == "text/html")
            texts.append(text)
        elif alternatives[place][1] and kind == "text/plain":
            texts[alternatives[place][0]] = text
            alternatives[place] = (alternatives[place][0], False)
    attachments = _opened(attachments, texts, defects)
    if len(attachments) > ATTACHMENTS_MOST:
        defects.append("TooManyAttachments")
    return texts, attachments[:ATTACHMENTS_MOST]


def _opened(attachments: Sequence[Attachment], texts: list[str], defects: list[str]) -> list[Attachment]:
    """With what Outlook has packed, in the place of the pack if all of it could be read, else before it."""
    found: list[Attachment] = []
    for one in attachments:
        name = (one.filename or "").lower()
        if one.media_type not in tnef.TYPES and not (name.endswith(".dat") and one.content.startswith(tnef.SIGNATURE)):
            found.append(one)
            continue
        pack = tnef.opened(one.content)
        found += pack.files
        if not texts and pack.text.strip():
            texts.append(pack.text)
        if not pack.whole:
            defects.append("TnefNotWhole")
        if not pack.whole or (pack.unread and not texts):
            found.append(one)
    return found


def _alternative(inside: Sequence[str]) -> str | None:
    """A name for the innermost multipart/alternative around a part."""
    for depth in range(len(inside), 0, -1):
        if inside[depth - 1].startswith("alternative#"):
            return "/".join(inside[: depth - 1]) + "/alternative"
    return None


def _name(part: Message) -> str:
    try:
        return header_text(part.get_filename() or "", most=255)
    except Exception:  # noqa: BLE001 - RFC 2231 by hand, which names no errors
        return ""


def _charset(part: Message) -> str | None:
    try:
        return part.get_content_charset()
    except Exception:  # noqa: BLE001 - as above
        return None


def _attachment(part: Message, kind: str) -> Attachment:
    name = _name(part)
    if part.get_content_maintype() == "message" and part.is_multipart():
        inner = part.get_payload(0)
        subject = headers_of(inner).get("subject", [""])[0] if isinstance(inner, Message) else ""
        name = name or f"{header_text(subject, most=100) or 'mail'}.eml"
    return Attachment(name or None, storable(kind)[:255], content_of(part))


def _report(root: Message) -> Report | None:
    if root.get_content_type() != "multipart/report":
        return None
    status, about = "", []
    for _, part in leaves(root):
        kind = part.get_content_type()
        if kind == DELIVERY_STATUS:
            status += decoded(content_of(part), "utf-8")[:10_000]
        elif kind in ("text/rfc822-headers", "message/rfc822"):
            inner = parts_of(content_of(part)[:200_000])
            about += ids_in(headers_of(inner).get("message-id", ()))
    if not status:
        return None
    reason = "; ".join(" ".join(found.split()) for found in _STATUS.findall(status)[:2])
    return Report(bool(_FAILED.search(status)), reason[:500], tuple(about))
