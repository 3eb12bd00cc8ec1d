"""The search on two public samples, by `evidesk knowledge evaluate`, beside its parts on the same documents."""

import asyncio
from collections.abc import Mapping

from app.commands.evaluate_knowledge import run as evaluate
from app.commands.evaluation_files import DocumentLine, QuestionLine, read_lines
from app.commands.own_schema import database_address
from app.core.settings import get_settings
from bench.answers import DATA, SETS
from bench.report import Figures

COLUMNS = {
    "ndcg_at_10": "nDCG@10",
    "bm25": "BM25",
    "vector": "MiniLM",
    "rrf": "their plain fusion",
    "recall_at_10": "recall@10",
    "mrr": "MRR",
}


def run() -> Figures:
    return Figures(
        "Search: order of documents",
        ["sample", *COLUMNS.values()],
        [_row(title, name) for title, name in SETS.items()],
        [
            "nDCG@10 of BM25, of the sentence model and of their reciprocal rank fusion, each over whole documents.",
            "No reranker. Over the questions that have relevant documents.",
        ],
    )


def _row(title: str, name: str) -> list[str]:
    documents = read_lines(DATA / name / "documents.jsonl", DocumentLine)
    questions = read_lines(DATA / name / "questions.jsonl", QuestionLine)
    with database_address(get_settings()) as address:
        found: Mapping[str, float] = asyncio.run(evaluate(address, documents, questions))
    return [
        f"{title}, {len(documents)} documents, {found['n']} questions",
        *(f"{found[name]:.3f}" for name in COLUMNS),
    ]
