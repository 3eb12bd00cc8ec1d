"""Everything a report says, by where it comes from: the person's words, the page, earlier messages and each file."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from app.inference.local.conversation import Conversation, FileRef, ToolResult
from app.inference.local.extraction import Extraction, extract

TRUSTED_FROM: Final = 0.5
"""Text recognised with less confidence is quoted, but does not take part in choosing the category."""

MAX_JUDGED_CHARS: Final = 20_000
MAX_EXTRACTED_CHARS: Final = 200_000
"""Facts are looked for in so much of each source: planning reads the sources again in every round."""

_MAX_PAGE_CHARS: Final = 4_000
_FEW_WORDS: Final = 4
_KINDS: Final[dict[str, tuple[str, ...]]] = {
    "ocr": ("ocr", "image"),
    "transcript": ("transcri", "speech", "audio", "video"),
}


@dataclass(frozen=True)
class Source:
    kind: str
    """text, conversation, page, ocr, transcript or document."""
    text: str
    file: FileRef | None = None
    confidence: float | None = None
    """How surely the text was recognised, 0..1; None where nothing had to be recognised."""

    @cached_property
    def found(self) -> Extraction:
        return extract(self.text[:MAX_EXTRACTED_CHARS])

    @property
    def trusted(self) -> bool:
        return self.confidence is None or self.confidence >= TRUSTED_FROM


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that gave no text, and why."""

    file: FileRef
    reason: str


@dataclass(frozen=True, slots=True)
class Material:
    sources: tuple[Source, ...]
    unread: tuple[Unread, ...]

    @property
    def files(self) -> tuple[Source, ...]:
        return tuple(source for source in self.sources if source.file)

    def judged_text(self) -> str:
        """What the category is chosen by: the person's words first, then what was surely read."""
        own = [source.text for source in self.sources if source.kind in ("text", "conversation")]
        read = [source.text for source in self.files if source.trusted]
        if sum(len(text.split()) for text in own + read) < _FEW_WORDS:
            read += [source.text for source in self.sources if source.text not in own + read]
        return "\n".join(text for text in own + read if text.strip())[:MAX_JUDGED_CHARS]


def gather(conversation: Conversation) -> Material:
    report = conversation.report
    page = "\n".join(_page_lines(report.page_context))[:_MAX_PAGE_CHARS]
    words = {"text": report.user_input, "conversation": "\n".join(report.said_before), "page": page}
    sources = [Source(kind, _storable(text)) for kind, text in words.items() if text.strip()]
    unread: list[Unread] = []
    answers = {str(result.arguments.get("file_id")): result for result in conversation.of("analyze_file")}
    for file in report.files:
        read = _reading(file, answers.get(file.id))
        if isinstance(read, Source):
            sources.append(read)
        else:
            unread.append(read)
    return Material(tuple(sources), tuple(unread))


def _page_lines(page: dict[str, Any]) -> Iterator[str]:
    for key, value in page.items():
        if isinstance(value, str | int | float) and not isinstance(value, bool) and str(value).strip():
            yield f"{key}: {value}"


def _reading(file: FileRef, result: ToolResult | None) -> Source | Unread:
    if result is None:
        return Unread(file, "no tool to read it was offered")
    if not result.ok or not isinstance(result.content, dict):
        words = result.content if isinstance(result.content, str) else "the tool gave no usable answer"
        return Unread(file, " ".join(words.split())[:200])
    text = result.content.get("extracted_text")
    if not isinstance(text, str) or not text.strip():
        return Unread(file, str(result.content.get("error") or "no text was found in it"))
    confidence = result.content.get("confidence")
    kind = _kind(str(result.content.get("analysis_type") or ""), file.file_type)
    return Source(kind, _storable(text), file, float(confidence) if isinstance(confidence, int | float) else None)


def _storable(text: str) -> str:
    """Without what no database and no UTF-8 takes: NUL and halves of surrogate pairs."""
    return text.replace("\x00", "").encode("utf-8", "ignore").decode("utf-8")


def _kind(analysis: str, file_type: str) -> str:
    for said in (analysis.lower(), file_type.lower()):
        for kind, names in _KINDS.items():
            if any(name in said for name in names):
                return kind
    return "document"
