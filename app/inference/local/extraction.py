"""Takes facts out of free text, OCR text or a transcript: each with the place it was read from.

Every pattern is bounded, so the time is linear in the length of the text whatever the text is. Where recognition
confuses O with 0 and l with 1, the value is corrected and the span still covers what is really written there.
Nothing is ever interpreted: an instruction in a text is only text.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from app.inference.local import patterns
from app.inference.local.headline import headline
from app.inference.local.sections import outcomes, stack_frames, steps
from app.inference.local.spans import Line, Span, lines_of

MAX_CHARS: Final = 1_000_000
MAX_FINDINGS: Final = 50
"""Of each kind: a log of a million lines must not become a million facts."""


class FindingKind(StrEnum):
    TITLE = "title"
    ERROR_CODE = "error_code"
    URL = "url"
    VERSION = "version"
    EMAIL = "email"
    PHONE = "phone"
    MONEY = "money"
    ACCOUNT = "account"
    STEP = "step"
    STACK_FRAME = "stack_frame"
    EXPECTED = "expected"
    ACTUAL = "actual"


@dataclass(frozen=True, slots=True)
class Finding:
    kind: FindingKind
    value: str
    """Cleaned and corrected; `text[start:end]` is what is written."""
    start: int
    end: int

    def quote(self, text: str) -> str:
        return text[self.start : self.end]


@dataclass(frozen=True, slots=True)
class Extraction:
    title: Finding | None
    error_codes: tuple[Finding, ...]
    urls: tuple[Finding, ...]
    versions: tuple[Finding, ...]
    emails: tuple[Finding, ...]
    phones: tuple[Finding, ...]
    money: tuple[Finding, ...]
    accounts: tuple[Finding, ...]
    steps: tuple[Finding, ...]
    stack_frames: tuple[Finding, ...]
    expected: Finding | None
    actual: Finding | None

    @property
    def facts(self) -> tuple[Finding, ...]:
        """What proves something about the report: everything but the title and addresses of people."""
        ends = tuple(finding for finding in (self.expected, self.actual) if finding)
        return (*self.error_codes, *self.urls, *self.versions, *self.stack_frames, *self.steps, *ends)


def extract(text: str) -> Extraction:
    """Reads at most the first million characters. A value met twice is reported once, where it first occurs."""
    text = text[:MAX_CHARS]
    lines = lines_of(text)
    urls = _distinct(FindingKind.URL, patterns.urls(text))
    expected, actual = outcomes(lines)
    title = headline(lines)
    return Extraction(
        title=_finding(FindingKind.TITLE, title) if title else None,
        error_codes=_distinct(FindingKind.ERROR_CODE, patterns.error_codes(text)),
        urls=urls,
        versions=_distinct(FindingKind.VERSION, _outside(patterns.versions(text), urls)),
        emails=_distinct(FindingKind.EMAIL, patterns.emails(text)),
        phones=_distinct(FindingKind.PHONE, _outside(patterns.phones(text), urls)),
        money=_distinct(FindingKind.MONEY, patterns.money(text)),
        accounts=_distinct(FindingKind.ACCOUNT, patterns.accounts(text)),
        steps=tuple(_finding(FindingKind.STEP, span) for span in steps(lines)[:MAX_FINDINGS]),
        stack_frames=_distinct(FindingKind.STACK_FRAME, stack_frames(lines)),
        expected=_finding(FindingKind.EXPECTED, expected) if expected else None,
        actual=_finding(FindingKind.ACTUAL, actual) if actual else None,
    )


def line_around(text: str, finding: Finding) -> Line:
    """The whole line a finding stands in: a quote a reader can understand by itself."""
    start = text.rfind("\n", 0, finding.start) + 1
    end = text.find("\n", finding.end)
    return Line(text[start : end if end >= 0 else len(text)], start)


def _finding(kind: FindingKind, span: Span) -> Finding:
    return Finding(kind, span.value, span.start, span.end)


def _distinct(kind: FindingKind, spans: Iterator[Span]) -> tuple[Finding, ...]:
    found: dict[str, Finding] = {}
    for span in spans:
        found.setdefault(span.value, _finding(kind, span))
        if len(found) == MAX_FINDINGS:
            break
    return tuple(sorted(found.values(), key=lambda finding: finding.start))


def _outside(spans: Iterator[Span], taken: tuple[Finding, ...]) -> Iterator[Span]:
    """A number inside an address is part of the address."""
    return (span for span in spans if not any(other.start <= span.start < other.end for other in taken))
