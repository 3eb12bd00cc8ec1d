"""Personal data and secrets in a text, by form and check digit: what can be known without understanding the text.

Names and postal addresses are not found: that would need a model, and would be a guess.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import phonenumbers

from app.core.redaction import secrets_in
from app.inference.privacy import national_ids

Kind = Literal["placeholder", "secret", "email", "iban", "card", "national_id", "phone"]

PLACEHOLDER = re.compile(r"\[(?:PLACEHOLDER|SECRET|EMAIL|IBAN|CARD|NATIONAL_ID|PHONE)_\d{1,9}\]")

# Every repetition is bounded: the texts are others'.
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?(?![A-Za-z0-9])")
_CARD = re.compile(r"(?<![\d.-])[2-6]\d{3}(?:[ -]?\d){9,15}(?![\d-])")
_PHONE = re.compile(r"(?<![\w.,:/-])(?:\+|00)?\(?\d(?:[ ()./-]{0,3}\d){6,16}(?![\w-]|[.,:]\d)")
_DATE = re.compile(r"(?:19|20)\d\d([./-])\d{1,2}\1\d{1,2}(?!\d)")
_FIRST = re.compile(r"\D*\d+")
_SEPARATED = re.compile(r"[ ()/-]")


@dataclass(frozen=True, slots=True)
class Finding:
    kind: Kind
    start: int
    end: int


def findings(text: str, *, regions: Sequence[str]) -> list[Finding]:
    """In the order of the text, none overlapping another; where two would, the one named first below counts."""
    taken: list[Finding] = []
    for kind, detect in _DETECTORS:
        for start, end in detect(text):
            if start < end and all(end <= other.start or start >= other.end for other in taken):
                taken.append(Finding(kind, start, end))
    for start, end in _phones(text, regions):
        if all(end <= other.start or start >= other.end for other in taken):
            taken.append(Finding("phone", start, end))
    return sorted(taken, key=lambda finding: finding.start)


def without_personal_data(text: str, *, regions: Sequence[str]) -> str:
    """Each finding replaced by what it was: [EMAIL], [PHONE], [CARD], …"""
    parts, position = [], 0
    for finding in findings(text, regions=regions):
        parts += [text[position : finding.start], f"[{finding.kind.upper()}]"]
        position = finding.end
    return "".join([*parts, text[position:]])


def _placeholders(text: str) -> Iterator[tuple[int, int]]:
    """What only looks like one of ours: replaced too, so that nobody can write one and have it filled in."""
    return (match.span() for match in PLACEHOLDER.finditer(text))


def _emails(text: str) -> Iterator[tuple[int, int]]:
    return (match.span() for match in _EMAIL.finditer(text)) if "@" in text else iter(())


def _ibans(text: str) -> Iterator[tuple[int, int]]:
    for match in _IBAN.finditer(text):
        plain = match[0].replace(" ", "")
        if 15 <= len(plain) <= 34 and national_ids.iban(plain):
            yield match.span()


def _cards(text: str) -> Iterator[tuple[int, int]]:
    for match in _CARD.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if 13 <= len(digits) <= 19 and national_ids.luhn(digits):
            yield match.span()


def _phones(text: str, regions: Sequence[str]) -> Iterator[tuple[int, int]]:
    match = _PHONE.search(text)
    while match is not None:
        good = not _DATE.match(match[0]) and _is_phone(match[0], regions)
        if good:
            yield match.span()
        # A row of numbers may begin with one that belongs to something else.
        match = _PHONE.search(text, match.end() if good else match.start() + _first_length(match[0]))


def _first_length(written: str) -> int:
    first = _FIRST.match(written)
    return 1 if first is None else first.end()


def _is_phone(written: str, regions: Sequence[str]) -> bool:
    """With a country's code it must be a valid number; without, valid in a region and written as numbers are: a plain
    row of digits that begins with none is an order, an account or a time."""
    if written.startswith(("+", "00")):
        return _valid("+" + written.removeprefix("00").removeprefix("+"), None)
    if not (written.startswith(("0", "(")) or _SEPARATED.search(written)):
        return False
    return any(_valid(written, region) for region in regions)


def _valid(written: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_valid_number(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False


_DETECTORS: tuple[tuple[Kind, Callable[[str], Iterator[tuple[int, int]]]], ...] = (
    ("placeholder", _placeholders),
    ("secret", secrets_in),
    ("email", _emails),
    ("iban", _ibans),
    ("card", _cards),
    ("national_id", national_ids.found),
)
