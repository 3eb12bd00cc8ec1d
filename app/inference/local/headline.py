"""Makes a title of what somebody wrote: the first sentence that says something."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

from app.inference.local.spans import Line, Span

MAX_TITLE_CHARS: Final = 120
_LINES_LOOKED_AT: Final = 200
_LINE_CHARS: Final = 2000
_MIN_WORDS: Final = 3

_SUBJECT = re.compile(r"\s{0,8}(?:subject|betreff|asunto|objet|re|fwd?|aw|wg)\s?:\s{0,4}", re.IGNORECASE)
_GREETING = re.compile(
    r"\s{0,8}(?:(?:dear|hi|hello|hey|hallo|moin|hola|bonjour|salut|good (?:morning|afternoon|evening|day)|"
    r"guten (?:tag|morgen|abend)|buenos d[ií]as|buenas tardes|liebes|sehr geehrte[rs]?|estimados?)"
    r"(?: (?:team|all|there|everyone|together|support|zusammen|damen und herren|sir or madam|equipo|à tous|an alle))?"
    r"|u+h+m*|u+m+|e+r+m*|so|ok|okay|well|yes|yeah|please note)(?![\w'’])[\s,.!:;–-]{0,4}",
    re.IGNORECASE,
)
_SALUTATION = re.compile(
    r"\s{0,8}(?:dear|hi|hello|hey|hallo|hola|bonjour|liebe[rs]?)\b[^.!?\n]{0,40}[,!]\s{0,4}$", re.IGNORECASE
)
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)|$")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|z\.b|bzw|etc|mr|mrs|dr|no|nr|vs|approx)|\b[A-Za-z]|\b\d{1,2})\.$", re.IGNORECASE
)
_NOISE = re.compile(
    r"\s{0,12}(?:at \S{1,200}\(|File \"|Traceback |https?://\S{1,2000}\s{0,4}$|[>|#=*_~-]{2,}|\W{0,200}$)"
)
_WORD = re.compile(r"[^\W\d_]{2,}")
_TRIM: Final = ' \t\r"“”„«»*#>|-–:;,'


def headline(lines: Sequence[Line]) -> Span | None:
    """At most 120 characters; the span covers the sentence it was made of. None when there are no words at all."""
    looked_at = [Line(line.text[:_LINE_CHARS], line.start) for line in lines[:_LINES_LOOKED_AT]]
    for line in looked_at:
        subject = _SUBJECT.match(line.text)
        if subject and len(_WORD.findall(line.text[subject.end() :])) >= 1:
            return _cleaned(line, subject.end(), len(line.text))
    short: Span | None = None
    in_trace = False
    for line in looked_at:
        # What a traceback quotes is indented below its frames; the line that names the error is not.
        noise = _NOISE.match(line.text) is not None
        in_trace = noise or (in_trace and line.text.startswith("  "))
        if in_trace or _SALUTATION.match(line.text):
            continue
        for start, end in _sentences(line.text):
            span = _cleaned(line, start, end)
            words = len(_WORD.findall(span.value))
            if words >= _MIN_WORDS:
                return span
            if words and short is None:
                short = span
    return short


def _sentences(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    while start < len(text):
        end = start
        while True:
            match = _SENTENCE_END.search(text, end)
            end = match.end() if match else len(text)
            if end >= len(text) or not _ABBREVIATION.search(text[max(start, end - 12) : end]):
                break
        yield start, end
        start = max(end, start + 1)


def _cleaned(line: Line, start: int, end: int) -> Span:
    for _ in range(3):
        greeting = _GREETING.match(line.text[start:end])
        if not greeting or not _WORD.search(line.text[start + greeting.end() : end]):
            break
        start += greeting.end()
    span = line.part(start, end)
    value = " ".join(span.value.split()).strip(_TRIM)
    value = value.rstrip(".") if not value.endswith("..") else value
    if len(value) > MAX_TITLE_CHARS:
        cut = value[: MAX_TITLE_CHARS - 1]
        value = (cut.rsplit(" ", 1)[0] if " " in cut[MAX_TITLE_CHARS // 2 :] else cut).rstrip(_TRIM) + "…"
    return Span(value[:1].upper() + value[1:], span.start, span.end)
