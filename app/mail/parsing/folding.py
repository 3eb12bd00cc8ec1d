"""What is new in a mail, and what it repeats. Line by line, so that time grows with the length and no faster.

When in doubt nothing is folded: the whole text is kept beside it in any case. Forwarded mail is not folded, since it
is what the sender wants to show.
"""

import re
from dataclasses import dataclass
from typing import Final

GAP: Final = "[…]"
_LINE_CHARS: Final = 400
_ATTRIBUTION_LINES: Final = 4
_HEADER_LINES: Final = 6

_ORIGINAL: Final = re.compile(
    r"[-_*\s]{0,20}(?:original message|original appointment|ursprüngliche nachricht|originalnachricht|mensaje "
    r"original|message d['’]origine|message original|mensagem original|messaggio originale|oorspronkelijk "
    r"bericht)[-_*\s:]{0,20}",
    re.IGNORECASE,
)
_RULE: Final = re.compile(r"_{8,}|-{20,}")
_FROM: Final = re.compile(r"\*?(?:from|von|de|da|van)\s?:\*?\s?\S.*", re.IGNORECASE)
_ABOUT: Final = re.compile(
    r"\*?(?:sent|gesendet|enviado(?: el)?|envoyé|enviada(?: em)?|inviato|verzonden|date|datum|fecha|data|to|an|para|à|"
    r"a|aan|subject|betreff|asunto|objet|assunto|oggetto|onderwerp|cc)\s?:\*?\s?\S.*",
    re.IGNORECASE,
)
_BEGINS: Final = re.compile(r"(?:on|am|el|le|em|il|op|den|a)\s\S.*|.*<[^<>\s]+@[^<>\s]+>.*", re.IGNORECASE)
_ENDS: Final = re.compile(
    r".*(?:\bwrote|\bschrieb(?:en)?|\bescribi[óo]|\ba écrit|\bescreveu|\bha scritto|\bschreef)\b.{0,120}:\s*",
    re.IGNORECASE,
)
_SIGNATURE: Final = re.compile(r"--\s?")
_DEVICE: Final = re.compile(
    r"(?:sent from (?:my|outlook|mail)|get outlook for|von meinem .{0,30} gesendet|gesendet von|enviado desde|"
    r"envoyé (?:de|depuis)|enviado d[oe]) ?.{0,60}",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Folded:
    visible: str
    quoted: str


def fold(text: str) -> Folded:
    """`visible` is never blank where the text is not."""
    lines = text.split("\n")
    end, after = _separator(lines)
    shown = lines[:end] if after is None else _between(lines, end, after)
    folded = lines[end:]
    if after is None and end == len(lines):
        shown, folded = _without_last_quote(lines)
    shown = _without_signature(shown)
    visible = "\n".join(shown).strip()
    if not visible.replace(GAP, "").strip():
        return Folded(text.strip(), "")
    return Folded(visible, "\n".join(folded).strip())


def _separator(lines: list[str]) -> tuple[int, int | None]:
    """Where the first separator stands, and, if quoted lines follow it, where they begin."""
    for number, line in enumerate(lines):
        stripped = line.strip()
        if not stripped or len(stripped) > _LINE_CHARS:
            continue
        if _ORIGINAL.fullmatch(stripped) or _header_block(lines, number):
            return number, None
        if _RULE.fullmatch(stripped) and _header_block(lines, number + 1):
            return number, None
        if _BEGINS.fullmatch(stripped) and (after := _attribution(lines, number)) is not None:
            return number, (after if _next_said(lines, after).startswith(">") else None)
    return len(lines), None


def _header_block(lines: list[str], start: int) -> bool:
    if start >= len(lines) or not _FROM.fullmatch(lines[start].strip()[:_LINE_CHARS]):
        return False
    following = [line.strip()[:_LINE_CHARS] for line in lines[start + 1 : start + 1 + _HEADER_LINES]]
    return sum(bool(_ABOUT.fullmatch(line)) for line in following) >= 2


def _attribution(lines: list[str], start: int) -> int | None:
    """The line behind "On … wrote:", which may take several."""
    said = ""
    for number in range(start, min(start + _ATTRIBUTION_LINES, len(lines))):
        line = lines[number].strip()
        if not line or line.startswith(">") or len(line) > _LINE_CHARS:
            return None
        said = f"{said} {line}".strip()
        if _ENDS.fullmatch(said[: 2 * _LINE_CHARS]) and re.search(r"[\d@]", said):
            return number + 1
    return None


def _next_said(lines: list[str], start: int) -> str:
    return next((line.strip() for line in lines[start:] if line.strip()), "")


def _between(lines: list[str], end: int, after: int) -> list[str]:
    """What stands above the quote, and, where somebody answers below or in it, that too."""
    below: list[str] = []
    gap = False
    for line in lines[after:]:
        if line.lstrip().startswith(">"):
            gap = True
        elif line.strip():
            if gap:
                below += ["", GAP]
                gap = False
            below.append(line)
        elif below and not gap:
            below.append(line)
    return lines[:end] + below


def _without_last_quote(lines: list[str]) -> tuple[list[str], list[str]]:
    """A quote without an attribution, at the end or at the beginning of the text."""
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].lstrip().startswith(">")):
        end -= 1
    start = 0
    while start < end and (not lines[start].strip() or lines[start].lstrip().startswith(">")):
        start += 1
    return lines[start:end], [*lines[:start], *lines[end:]]


def _without_signature(lines: list[str]) -> list[str]:
    for number, line in enumerate(lines):
        if number and _SIGNATURE.fullmatch(line):
            return lines[:number]
    while lines and (not lines[-1].strip() or (len(lines[-1]) < 100 and _DEVICE.fullmatch(lines[-1].strip()))):
        lines = lines[:-1]
    return lines
