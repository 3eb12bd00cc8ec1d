"""What the `evaluate` commands are given: documents and questions as JSON lines, judged before anything is measured.

A file that cannot be used ends the command with exit status 2 and a sentence that names the line. What can be lived
with (a question twice, a relevant document that is not there) is said and measured all the same.
"""

import argparse
import codecs
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from app.commands.refusing import refuse
from app.knowledge.schemas import MAX_TEXT, DocumentIn

TITLE_CHARS = 300
SHOWN = 5
"""So many of a kind are named one by one."""
WIDE = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)

Row = TypeVar("Row", bound=BaseModel)


def _spaced(value: object) -> object:
    """PostgreSQL's text cannot hold U+0000, which exports of old systems do."""
    return value.replace("\x00", " ") if isinstance(value, str) else value


def _said(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Said = Annotated[str, Field(max_length=MAX_TEXT), BeforeValidator(_spaced), AfterValidator(_said)]
Id = Annotated[str, Field(min_length=1)]


class _Line(BaseModel):
    model_config = ConfigDict(coerce_numbers_to_str=True)

    id: Id


class DocumentLine(_Line):
    text: Said
    title: Annotated[str | None, BeforeValidator(_spaced)] = None

    def titled(self) -> str:
        """Its title, else its first line."""
        lines = (self.title or self.text).strip().splitlines()
        return (lines[0].strip() if lines else "")[:TITLE_CHARS] or self.id[:TITLE_CHARS]

    def document(self) -> DocumentIn:
        """As it is sent to the desk."""
        return DocumentIn(title=self.titled(), text=self.text)


class QuestionLine(_Line):
    question: Said
    relevant: list[Id] = Field(default_factory=list)
    answerable: bool = True


class Unusable(Exception):
    """Says which line of which file, and what is wrong with it."""


def read_lines(path: Path, kind: type[Row]) -> list[Row]:
    """One JSON object a line; empty lines are skipped. Raises Unusable."""
    return [row for _, row in numbered(path, kind)]


def numbered(path: Path, kind: type[Row]) -> Iterator[tuple[int, Row]]:
    """Each with the number of its line, from 1. Raises Unusable."""
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if number == 1 and line.startswith(WIDE):
                    raise Unusable(f"{path} is UTF-16; save it as UTF-8.")
                said = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if said.strip():
                    yield number, _row(path, number, said.strip(), kind)
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from error


def _row(path: Path, number: int, line: bytes, kind: type[Row]) -> Row:
    try:
        return kind.model_validate_json(line.decode())
    except UnicodeDecodeError as error:
        raise Unusable(f"{path}, line {number}: byte {error.start + 1} is not UTF-8.") from error
    except ValidationError as error:
        raise Unusable(f"{path}, line {number}: {_why(error)}.") from error


def _why(error: ValidationError) -> str:
    problem = error.errors(include_input=False, include_url=False)[0]
    if problem["type"] == "json_invalid":
        # The parser counts lines within the line.
        where = re.sub(r" at line \d+ column (\d+)$", r" at character \1", str(problem["ctx"]["error"]))
        return f"this is no JSON ({where}); each line must be one JSON object"
    if not problem["loc"]:
        return "each line must be one JSON object"
    name = ".".join(str(part) for part in problem["loc"])
    return (
        f"{name} is missing"
        if problem["type"] == "missing"
        else f"{name}: {problem['msg'].removeprefix('Value error, ')}"
    )


def read(documents: Path, questions: Path) -> tuple[list[DocumentLine], list[QuestionLine]]:
    """Both files, fitting together. Says on standard error what is odd. Raises Unusable."""
    first: dict[str, int] = {}
    known: list[DocumentLine] = []
    for number, document in numbered(documents, DocumentLine):
        if (earlier := first.setdefault(document.id, number)) != number:
            raise Unusable(f"{documents}, line {number}: the id {document.id!r} is that of line {earlier}.")
        try:
            document.document()
        except ValidationError as error:
            raise Unusable(f"{documents}, line {number}: {_why(error)}.") from error
        known.append(document)
    asked: list[QuestionLine] = []
    met: dict[str, int] = {}
    twice, lost = [], []
    for number, question in numbered(questions, QuestionLine):
        if (earlier := met.setdefault(question.id, number)) != number:
            twice.append(f"line {number} (as line {earlier})")
        if missing := [name for name in question.relevant if name not in first]:
            lost.append(f"line {number} ({', '.join(missing[:SHOWN])})")
        asked.append(question)
    if not known:
        raise Unusable(f"{documents} holds no document.")
    if not asked:
        raise Unusable(f"{questions} holds no question.")
    wanted = [name for question in asked for name in question.relevant]
    if wanted and first.keys().isdisjoint(wanted):
        raise Unusable(f"{questions}: none of its relevant documents is in {documents}, for example {lost[0]}.")
    _warn(questions, "ids of questions that were met before", twice)
    _warn(questions, "relevant documents that are not among the documents, and count as not found", lost)
    return known, asked


def _warn(path: Path, what: str, lines: Sequence[str]) -> None:
    if lines:
        more = f" and {len(lines) - SHOWN} more" if len(lines) > SHOWN else ""
        sys.stderr.write(f"{path}: {what}: {', '.join(lines[:SHOWN])}{more}\n")


def chosen(program: str) -> tuple[list[DocumentLine], list[QuestionLine], bool]:
    """What the command line names, and whether figures are wanted as JSON. Ends the program where it cannot be used."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    named = parser.parse_args()
    try:
        return (*read(named.documents, named.questions), named.json)
    except Unusable as error:
        refuse(str(error))
