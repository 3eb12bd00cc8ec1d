"""What is told by lines: steps to reproduce, expected and actual outcome, stack frames."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from app.inference.local.spans import Line, Span

_LINE_CHARS: Final = 2000
_MAX_STEP_CHARS: Final = 500
_MAX_SECTION_LINES: Final = 200

_STEPS_HEADER = re.compile(
    r"\s{0,8}(?:#{1,4} )?(?:steps(?: to (?:reproduce|repro))?|(?:how )?to reproduce|repro(?:duction)?(?: steps)?|"
    r"schritte(?: zum nachstellen| zur reproduktion)?|pasos(?: para reproducir)?|[ée]tapes(?: pour reproduire)?)"
    r"\s{0,3}(?:[:.-]\s{0,3}(?P<rest>.{0,500})|)$",
    re.IGNORECASE,
)
_ITEM = re.compile(r"\s{0,8}(?:(?P<number>\d{1,2}|[lIi])\s?[.):]|[-*•])\s{1,4}(?P<step>\S.{0,500})")
_OUTCOME = re.compile(
    r"\s{0,8}(?:[-*•#]{1,4} ?)?(?:(?P<expected>expected|erwartet|erwartetes|esperado|attendu)"
    r"|(?P<actual>actual|actually|observed|instead|tatsächlich(?:es)?|stattdessen|obtenido|resultado real|obtenu))"
    r"(?: (?:result|results|behaviou?r|outcome|ergebnis|verhalten|resultado|résultat))?"
    r"\s{0,3}[:–-]\s{0,3}(?P<rest>.{0,500})",
    re.IGNORECASE,
)
_FRAMES = (
    re.compile(r"\s{0,12}File \"[^\"\n]{1,300}\", line \d{1,7}(?:, in [^\n]{1,120})?"),
    re.compile(r"\s{0,12}at [^\n()]{1,240}\([^\n()]{0,240}\)(?: in [^\n]{1,240}:line \d{1,7})?"),
    re.compile(r"\s{0,12}at [^\n]{0,10}\S{1,240}:\d{1,7}(?::\d{1,7})?\s{0,4}$"),
)


def steps(lines: Sequence[Line]) -> list[Span]:
    """Items under a heading such as "Steps to reproduce", or else a list numbered 1, 2, … of its own."""
    for index, line in enumerate(lines):
        header = _STEPS_HEADER.match(line.text[:_LINE_CHARS])
        if header:
            inline = [line.part(header.start("rest"), header.end("rest"))] if header["rest"] else []
            found = _items(lines, index + 1, numbered=False)
            if inline or found:
                return inline + found
    for index, line in enumerate(lines):
        item = _ITEM.match(line.text[:_LINE_CHARS])
        if item and item["number"] in ("1", "l", "I", "i"):
            found = _items(lines, index, numbered=True)
            if len(found) >= 2:
                return found
    return []


def _items(lines: Sequence[Line], first: int, *, numbered: bool) -> list[Span]:
    found: list[Span] = []
    for index in range(first, min(len(lines), first + _MAX_SECTION_LINES)):
        line = lines[index]
        if not line.text.strip():
            if found:
                break
            continue
        item = _ITEM.match(line.text[:_LINE_CHARS])
        if item is None or _OUTCOME.match(line.text[:_LINE_CHARS]) or (numbered and not item["number"]):
            break
        found.append(line.part(item.start("step"), min(item.end("step"), item.start("step") + _MAX_STEP_CHARS)))
    return found


def outcomes(lines: Sequence[Line]) -> tuple[Span | None, Span | None]:
    """The expected and the actual outcome; a label alone on its line takes the line below it."""
    found: dict[str, Span] = {}
    for index, line in enumerate(lines):
        match = _OUTCOME.match(line.text[:_LINE_CHARS])
        if match is None:
            continue
        kind = "expected" if match["expected"] else "actual"
        span = line.part(match.start("rest"), match.end("rest"))
        if not span.value and index + 1 < len(lines):
            below = lines[index + 1]
            span = below.part(0, min(len(below.text), _MAX_STEP_CHARS))
        if span.value:
            found.setdefault(kind, span)
    return found.get("expected"), found.get("actual")


def stack_frames(lines: Sequence[Line]) -> Iterator[Span]:
    """Frames as Python, the JVM, .NET and JavaScript print them."""
    for line in lines:
        text = line.text[:_LINE_CHARS]
        for pattern in _FRAMES:
            match = pattern.match(text)
            if match:
                yield line.part(0, match.end())
                break
