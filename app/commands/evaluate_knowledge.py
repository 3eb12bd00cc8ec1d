"""`evidesk knowledge evaluate`: how well the product's own search finds what is relevant, on anybody's data.

Documents go through the product's ingestion, questions through its queries, in a schema of their own. Beside it, on
the same documents whole: BM25, the sentence model, and their reciprocal rank fusion. nDCG@10 as Järvelin and
Kekäläinen (2002) with binary relevance, over the questions that have relevant documents.
"""

import asyncio
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import numpy as np
from rich.progress import Progress
from sqlalchemy import text

from app.commands.evaluation_files import DocumentLine, QuestionLine, chosen
from app.commands.own_schema import measured, own_schema
from app.commands.progress import Shown
from app.commands.refusing import refuse
from app.core.auth import Principal, Role
from app.core.db import Database
from app.core.settings import get_settings
from app.inference.embedding import default_embedder
from app.inference.reranking import reranker_of
from app.knowledge import ranking
from app.knowledge import service as knowledge
from app.tickets import service as tickets

DEPTH = 10
READER = Principal(user_id=1, username="reader", role=Role.CUSTOMER)
"""A customer, so that the filter by reader works in every query as it does for one."""
EMBEDDED_CHARS = 4_000
STEMMED_CHARS = 200_000


async def ingest(database: Database, documents: Sequence[DocumentLine], progress: Progress) -> dict[UUID, str]:
    """Each through the product's own creation and indexing; by the id that it got, its own id."""
    names: dict[UUID, str] = {}
    for line in progress.track(documents, description="Indexing documents"):
        async with database.unit_of_work() as db:
            made = await knowledge.create(db, tickets.DESK, document=line.document(), start=False)
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
    counts = [await stems(database, line.text) for line in documents]
    lengths = [sum(one.values()) for one in counts]
    mean_words = sum(lengths) / max(len(lengths), 1)
    containing = Counter(term for one in counts for term in one)
    orders = []
    for question in asked:
        terms = [term for term in await stems(database, question.question) if containing[term]]
        weights = {term: ranking.weight(len(documents), containing[term]) for term in terms}
        scores = [
            ranking.bm25({t: one[t] for t in terms if t in one}, weights, words=length, mean_words=mean_words)
            for one, length in zip(counts, lengths, strict=True)
        ]
        orders.append(_ordered(documents, scores))
    return orders


async def stems(database: Database, said: str) -> Counter[str]:
    """In pieces: PostgreSQL refuses a text whose stems fill more than a megabyte."""
    query = text("SELECT lexeme, cardinality(positions) FROM unnest(to_tsvector('english', :said))")
    counted: Counter[str] = Counter()
    async with database.reading() as db:
        for start in range(0, len(said), STEMMED_CHARS):
            for lexeme, count in await db.execute(query, {"said": said[start : start + STEMMED_CHARS]}):
                counted[lexeme] += count or 1
    return counted


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
    with Shown() as progress:
        async with own_schema(address, get_settings()) as database:
            return await evaluate(database, documents, questions, progress)


def tell(figures: Mapping[str, object], *, as_json: bool) -> None:
    """Lists are for programs alone."""
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
    else:
        sys.stdout.writelines(f"{name:23} {value}\n" for name, value in figures.items() if not isinstance(value, list))


def main() -> None:
    documents, questions, as_json = chosen("evidesk knowledge evaluate")
    if not any(question.relevant for question in questions):
        refuse("No question names a relevant document, so that there is nothing to measure.")
    figures = measured(get_settings(), lambda address: run(address, documents, questions))
    tell(figures, as_json=as_json)


if __name__ == "__main__":
    main()
