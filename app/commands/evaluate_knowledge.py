"""`evidesk knowledge evaluate`: how well the product's own search finds what is relevant, on anybody's data.

Documents go through the product's ingestion, questions through its queries, in a schema of their own. Beside it, on
the same documents whole: BM25, the sentence model, and their reciprocal rank fusion. nDCG@10 as Järvelin and
Kekäläinen (2002) with binary relevance, over the questions that have relevant documents.
"""

import argparse
import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import numpy as np
from pydantic import BaseModel, Field, ValidationError
from rich.console import Console
from rich.progress import Progress
from sqlalchemy import text

from app.commands.own_schema import database_address, own_schema
from app.core.auth import Principal, Role
from app.core.db import Database
from app.core.settings import get_settings
from app.inference.embedding import default_embedder
from app.inference.reranking import reranker_of
from app.knowledge import ranking
from app.knowledge import service as knowledge
from app.knowledge.schemas import DocumentIn
from app.tickets import service as tickets

DEPTH = 10
READER = Principal(user_id=1, username="reader", role=Role.CUSTOMER)
"""A customer, so that the filter by reader works in every query as it does for one."""
TITLE_CHARS = 300
EMBEDDED_CHARS = 4_000

Line = TypeVar("Line", bound=BaseModel)


class DocumentLine(BaseModel):
    id: str
    text: str = Field(min_length=1)
    title: str | None = None

    def titled(self) -> str:
        """Its title, else its first line."""
        lines = (self.title or self.text).strip().splitlines()
        return (lines[0].strip() if lines else "")[:TITLE_CHARS] or self.id[:TITLE_CHARS]


class QuestionLine(BaseModel):
    id: str
    question: str = Field(min_length=1)
    relevant: list[str] = Field(default_factory=list)
    answerable: bool = True


class UnreadableLine(Exception):
    """Says which line of which file, and what is wrong with it."""


def read_lines(path: Path, kind: type[Line]) -> list[Line]:
    """One JSON object a line. Raises UnreadableLine."""
    rows: list[Line] = []
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for line in file:
                number += 1
                if line.strip():
                    rows.append(kind.model_validate_json(line))
    except OSError as error:
        raise UnreadableLine(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableLine(f"{path} is not UTF-8") from error
    except ValidationError as error:
        problem = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise UnreadableLine(f"{path}, line {number}: {where} {problem['msg']}") from error
    return rows


async def ingest(database: Database, documents: Sequence[DocumentLine], progress: Progress) -> dict[UUID, str]:
    """Each through the product's own creation and indexing; by the id that it got, its own id."""
    names: dict[UUID, str] = {}
    for line in progress.track(documents, description="Indexing documents"):
        async with database.unit_of_work() as db:
            document = DocumentIn(title=line.titled(), text=line.text.replace("\x00", " "))
            made = await knowledge.create(db, tickets.DESK, document=document, start=False)
        await knowledge.index(database, made.doc_id, made.version)
        names[made.doc_id] = line.id
    return names


async def ask(database: Database, question: str, names: dict[UUID, str]) -> list[str]:
    """Documents in the order of the best passage of each."""
    async with database.reading() as db:
        found = await knowledge.rank(db, READER, query=question, reranker=reranker_of(get_settings()))
    return list(dict.fromkeys(names[one.document_id] for one in found))


async def evaluate(
    database: Database, documents: Sequence[DocumentLine], questions: Sequence[QuestionLine], progress: Progress
) -> dict[str, float | int]:
    asked = [question for question in questions if question.relevant]
    names = await ingest(database, documents, progress)
    ours = [await ask(database, one.question, names) for one in progress.track(asked, description="Asking")]
    words = await _by_words(database, documents, asked)
    meaning = await asyncio.to_thread(_by_meaning, documents, asked)
    both = [_fused(*pair) for pair in zip(words, meaning, strict=True)]
    relevant = [set(one.relevant) for one in asked]

    return {
        "ndcg_at_10": _mean(ndcg, ours, relevant),
        "recall_at_10": _mean(recall, ours, relevant),
        "mrr": _mean(reciprocal_rank, ours, relevant),
        "bm25": _mean(ndcg, words, relevant),
        "vector": _mean(ndcg, meaning, relevant),
        "rrf": _mean(ndcg, both, relevant),
        "n": len(asked),
    }


def _mean(
    measure: Callable[[Sequence[str], set[str]], float], orders: Sequence[Sequence[str]], relevant: Sequence[set[str]]
) -> float:
    values = [measure(order, wanted) for order, wanted in zip(orders, relevant, strict=True)]
    return round(sum(values) / len(values), 4)


def ndcg(order: Sequence[str], wanted: set[str]) -> float:
    gain = sum(1 / math.log2(place + 2) for place, name in enumerate(order[:DEPTH]) if name in wanted)
    return gain / sum(1 / math.log2(place + 2) for place in range(min(DEPTH, len(wanted))))


def recall(order: Sequence[str], wanted: set[str]) -> float:
    return len(wanted & set(order[:DEPTH])) / len(wanted)


def reciprocal_rank(order: Sequence[str], wanted: set[str]) -> float:
    return next((1 / place for place, name in enumerate(order, start=1) if name in wanted), 0.0)


async def _by_words(
    database: Database, documents: Sequence[DocumentLine], asked: Sequence[QuestionLine]
) -> list[list[str]]:
    """Okapi BM25 over whole documents, with PostgreSQL's English stems."""
    counts = [await _stems(database, line.text) for line in documents]
    lengths = [sum(one.values()) for one in counts]
    mean_words = sum(lengths) / max(len(lengths), 1)
    containing = Counter(term for one in counts for term in one)
    orders = []
    for question in asked:
        terms = [term for term in await _stems(database, question.question) if containing[term]]
        weights = {term: ranking.weight(len(documents), containing[term]) for term in terms}
        scores = [
            ranking.bm25({t: one[t] for t in terms if t in one}, weights, words=length, mean_words=mean_words)
            for one, length in zip(counts, lengths, strict=True)
        ]
        orders.append(_ordered(documents, scores))
    return orders


async def _stems(database: Database, said: str) -> dict[str, int]:
    query = text("SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector('english', :said))")
    async with database.reading() as db:
        return {lexeme: count or 1 for lexeme, count in await db.execute(query, {"said": said.replace("\x00", " ")})}


def _by_meaning(documents: Sequence[DocumentLine], asked: Sequence[QuestionLine]) -> list[list[str]]:
    """The sentence model over the beginning of each document, which is what it reads."""
    embedder = default_embedder()
    said = embedder.embed([line.text[:EMBEDDED_CHARS] for line in documents])
    cosines = embedder.embed([one.question[:EMBEDDED_CHARS] for one in asked]) @ said.T
    return [_ordered(documents, row.tolist()) for row in np.asarray(cosines)]


def _ordered(documents: Sequence[DocumentLine], scores: Sequence[float]) -> list[str]:
    order = sorted(range(len(documents)), key=lambda index: -scores[index])
    return [documents[index].id for index in order]


def _fused(first: Sequence[str], second: Sequence[str]) -> list[str]:
    points: dict[str, float] = {}
    for order in (first, second):
        for rank, name in enumerate(order, start=1):
            points[name] = points.get(name, 0.0) + 1 / (ranking.RANK_CONSTANT + rank)
    return sorted(points, key=lambda name: -points[name])


async def run(address: str, documents: Sequence[DocumentLine], questions: Sequence[QuestionLine]) -> dict[str, float]:
    with Progress(console=Console(stderr=True), transient=True) as progress:
        async with own_schema(address, get_settings()) as database:
            return await evaluate(database, documents, questions, progress)


def chosen(program: str) -> tuple[list[DocumentLine], list[QuestionLine], bool]:
    """What the command line names, and whether figures are wanted as JSON. Ends the program where it cannot be read."""
    parser = argparse.ArgumentParser(prog=program)
    parser.add_argument("--documents", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--json", action="store_true")
    named = parser.parse_args()
    try:
        return read_lines(named.documents, DocumentLine), read_lines(named.questions, QuestionLine), named.json
    except UnreadableLine as error:
        sys.exit(str(error))


def tell(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Lists are for programs alone."""
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.writelines(f"{name:23} {value}\n" for name, value in figures.items() if not isinstance(value, list))


def main() -> None:
    documents, questions, as_json = chosen("evidesk knowledge evaluate")
    if not documents or not any(question.relevant for question in questions):
        sys.exit("There must be documents, and a question with relevant ones.")
    with database_address(get_settings()) as address:
        figures = asyncio.run(run(address, documents, questions))
    tell(figures, as_json=as_json)


if __name__ == "__main__":
    main()
