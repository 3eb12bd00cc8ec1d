"""Writes the ticket's description: the person's words untouched, then what was read, marked as such."""

from collections.abc import Iterator
from typing import Final

from app.inference.local.extraction import Finding
from app.inference.local.sources import Material, Source

MAX_QUOTED_CHARS: Final = 2_000
"""Of each file; the whole text stays with the file."""
MAX_CHARS: Final = 20_000
_SHOWN: Final = 5


def describe(material: Material) -> str:
    parts: list[str] = []
    for source in material.sources:
        if source.kind == "text":
            parts.append(source.text.strip())
        elif source.kind == "conversation":
            parts.append(f"Said before in the conversation:\n{_quoted(source.text)}")
        elif source.kind == "page":
            parts.append(f"On the page:\n{_quoted(source.text)}")
        else:
            parts.append(f"{_heading(source)}\n{_quoted(source.text)}")
    parts.extend(f"**{unread.file.filename}** could not be read: {unread.reason}." for unread in material.unread)
    facts = list(_facts(material))
    if facts:
        parts.append("Found in the report:\n" + "\n".join(facts))
    parts.extend(_steps(material))
    text = "\n\n".join(parts) or "The report came without any text."
    return text if len(text) <= MAX_CHARS else f"{text[: MAX_CHARS - 2].rstrip()} …"


def file_summary(material: Material) -> str:
    """One sentence a file: how it was read, how surely, and what stands out."""
    sentences = [_summary(source) for source in material.files]
    sentences += [f"{unread.file.filename}: could not be read ({unread.reason})." for unread in material.unread]
    return " ".join(sentences) or "No files were given."


def _heading(source: Source) -> str:
    how = {"ocr": "text in the picture", "transcript": "transcript"}.get(source.kind, "text of the document")
    name = source.file.filename if source.file else source.kind
    sure = f", recognised with confidence {source.confidence:.2f}" if source.confidence is not None else ""
    return f"**{name}** ({how}{sure}):"


def _summary(source: Source) -> str:
    name = source.file.filename if source.file else source.kind
    sure = f" with confidence {source.confidence:.2f}" if source.confidence is not None else ""
    codes = ", ".join(finding.value for finding in source.found.error_codes[:_SHOWN])
    return f"{name}: {source.kind}, {len(source.text)} characters read{sure}{f'; {codes}' if codes else ''}."


def _quoted(text: str) -> str:
    text = text.strip()
    shown = text if len(text) <= MAX_QUOTED_CHARS else f"{text[:MAX_QUOTED_CHARS].rstrip()} …"
    return "\n".join(f"> {line.rstrip()}" for line in shown.splitlines())


def _facts(material: Material) -> Iterator[str]:
    found = [source.found for source in material.sources]
    for name, groups in (
        ("Error codes", [extraction.error_codes for extraction in found]),
        ("Addresses", [extraction.urls for extraction in found]),
        ("Versions", [extraction.versions for extraction in found]),
    ):
        values = list(dict.fromkeys(finding.value for group in groups for finding in group))
        if values:
            more = f" and {len(values) - 2 * _SHOWN} more" if len(values) > 2 * _SHOWN else ""
            yield f"- {name}: {', '.join(values[: 2 * _SHOWN])}{more}"


def _steps(material: Material) -> Iterator[str]:
    """Only from recognised text and earlier messages: the person's own list already stands at the top."""
    for source in material.sources:
        if source.kind == "text":
            continue
        if source.found.steps:
            yield "Steps to reproduce:\n" + "\n".join(
                f"{number}. {step.value}" for number, step in enumerate(source.found.steps, start=1)
            )
        for name, outcome in (("Expected", source.found.expected), ("Actual", source.found.actual)):
            if isinstance(outcome, Finding):
                yield f"{name}: {outcome.value}"
