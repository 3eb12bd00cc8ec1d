"""Looking a quote up where it is said to stand. A model may misquote or invent; a reader must be able to tell."""

from collections.abc import Iterator, Sequence
from typing import Any

from app.agents.schemas import CheckedEvidence, Evidence
from app.models.file import File


def checked(evidence: Sequence[Evidence], request: dict[str, Any], files: Sequence[File]) -> list[CheckedEvidence]:
    """Each piece with its file's name and whether it was found; without those that name a file of another report.

    `files` come with their text. Spaces, line breaks and case are no difference.
    """
    by_id = {file.id: file for file in files}
    typed = {
        "text": _plain(request.get("user_input") or ""),
        "conversation": _plain("\n".join(said["content"] for said in request.get("conversation_history") or [])),
        "page": _plain("\n".join(_lines(request.get("page_context")))),
    }
    found = []
    for item in evidence:
        if item.file_id is None:
            where, filename = typed.get(item.source, ""), None
        elif (file := by_id.get(item.file_id)) is not None:
            where, filename = _plain(file.text or ""), file.filename
        else:
            continue
        quote = _plain(item.quote)
        verified = bool(quote) and quote in where
        found.append(CheckedEvidence(**{**item.model_dump(), "filename": filename, "verified": verified}))
    return found


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _lines(value: Any, name: str = "") -> Iterator[str]:
    """A document as "name: value" lines, however deep."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _lines(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _lines(inner, name)
    elif value is not None:
        yield f"{name}: {value}"
