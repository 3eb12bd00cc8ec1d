"""What the product answers of its own manual: docs/ with its decisions, and questions that a newcomer may ask of it.

Unlike the other samples its pages have many sections, each under a heading. The questions are the product's own
(`manual.jsonl`); a page that answers is named for each, though others may as well.
"""

import asyncio
from pathlib import Path

from app.commands.evaluate_answers import figures
from app.commands.evaluate_answers import run as evaluate
from app.commands.evaluation_files import DocumentLine, QuestionLine, read_lines
from app.commands.own_schema import database_address
from app.core.settings import get_settings
from bench.report import Figures

DOCS = Path(__file__).resolve().parent.parent / "docs"
QUESTIONS = Path(__file__).with_name("manual.jsonl")


def pages() -> list[DocumentLine]:
    """By their paths, titled by their first headings, as `evidesk knowledge load` does it."""
    read = [(path.relative_to(DOCS).with_suffix("").as_posix(), path.read_text("utf-8")) for path in DOCS.rglob("*.md")]
    return [
        DocumentLine(id=name, text=text, title=text.lstrip().split("\n", maxsplit=1)[0].strip("# "))
        for name, text in sorted(read)
    ]


def run() -> Figures:
    settings = get_settings()
    documents, questions = pages(), read_lines(QUESTIONS, QuestionLine)
    with database_address(settings) as address:
        found = asyncio.run(evaluate(address, settings, documents, questions))
    whole = figures(found)
    asked = [one for one in found if one.answerable]
    names = ("answered_answerable", "abstained_unanswerable", "citation_precision")
    return Figures(
        "Answers: this manual",
        ["pages", "answerable: answered with a named page cited", "unanswerable: abstained", "precision of citations"],
        [[str(len(documents)), *(f"{whole[name]:.3f}" for name in names)]],
        [
            f"{len(asked)} questions that the manual answers, {len(found) - len(asked)} that it does not.",
            "Some of the questions were looked at while the answerer was mended: of others expect a little less.",
        ],
    )
