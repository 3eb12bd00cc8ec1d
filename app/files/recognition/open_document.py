"""Text of an OpenDocument `content.xml`, streamed through Expat; a document type declaration is an attack here."""

import re
from typing import Final
from xml.parsers import expat

from app.files.recognition.result import Hostile

_BEFORE: Final = {"tab": "\t", "line-break": "\n", "s": " ", "list-item": "- "}
_AFTER: Final = {"p": "\n", "h": "\n", "table-row": "\n", "table-cell": "\t"}


def open_document_text(content: bytes) -> str:
    """Paragraphs and rows a line each, cells separated by tabs.

    Raises:
        Hostile: the XML declares a document type, the door to entity expansion.
        ExpatError: it is not well-formed.
    """
    pieces: list[str] = []
    parser = expat.ParserCreate(namespace_separator="}")

    def started(name: str, _attributes: dict[str, str]) -> None:
        pieces.append(_BEFORE.get(name.rpartition("}")[2], ""))

    def ended(name: str) -> None:
        pieces.append(_AFTER.get(name.rpartition("}")[2], ""))

    def declared(*_: object) -> None:
        raise Hostile("The document's XML declares a document type, which is how parsers are attacked.", "validation")

    parser.StartElementHandler = started
    parser.EndElementHandler = ended
    parser.CharacterDataHandler = pieces.append
    parser.StartDoctypeDeclHandler = declared
    parser.Parse(content, True)
    return re.sub(r"\n{3,}", "\n\n", "".join(pieces))
