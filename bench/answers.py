"""Answering and abstaining on two public samples, by `evidesk answers evaluate`'s own road, and the curve of both.

Unanswerable are the questions that their set calls so, questions of the other set, and near misses: of every fifth
answerable question the documents are taken away. `EVIDESK_BENCH_DATA` names the folder with the samples.
"""

import asyncio
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from app.commands.evaluate_answers import Outcome, figures, risk_coverage
from app.commands.evaluate_answers import run as evaluate
from app.commands.evaluation_files import DocumentLine, QuestionLine, read_lines
from app.commands.own_schema import database_address
from app.core.settings import get_settings
from app.grounding.outcome import Reason
from bench.report import Figures

DATA = Path(os.environ.get("EVIDESK_BENCH_DATA", "../shared/data/retrieval"))
SETS = {"TechQA": "techqa", "WixQA": "wixqa"}
FOREIGN_MOST = 86
NEAR_EVERY = 5
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "risk-coverage.svg"
COLOURS = ("#1f77b4", "#d62728")
WIDTH, HEIGHT, LEFT, TOP = 560, 320, 60, 20


@dataclass(frozen=True)
class Sample:
    documents: list[DocumentLine]
    questions: list[QuestionLine]
    kinds: list[str]


def sample(name: str, other: str) -> Sample:
    documents = read_lines(DATA / name / "documents.jsonl", DocumentLine)
    own = read_lines(DATA / name / "questions.jsonl", QuestionLine)
    foreign = read_lines(DATA / other / "questions.jsonl", QuestionLine)[:FOREIGN_MOST]
    asked = [one for one in own if one.answerable]
    near = asked[::NEAR_EVERY]
    kept = {name for one in asked if one not in near for name in one.relevant}
    gone = {name for one in near for name in one.relevant} - kept
    # One whose document another question needs is no near miss: it stays out.
    near = [one for one in near if not kept.intersection(one.relevant)]
    rows = [("answerable", one) for one in asked if kept.intersection(one.relevant)]
    rows += [("said unanswerable", one) for one in own if not one.answerable]
    rows += [("near miss", one) for one in near]
    rows += [("of the other set", one) for one in foreign]
    silent = {"answerable": False, "relevant": []}
    return Sample(
        [one for one in documents if one.id not in gone],
        [one if kind == "answerable" else one.model_copy(update=silent) for kind, one in rows],
        [kind for kind, _ in rows],
    )


def run() -> Figures:
    settings = get_settings()
    rows, curves = [], {}
    for (title, name), other in zip(SETS.items(), reversed(SETS.values()), strict=True):
        given = sample(name, other)
        with database_address(settings) as address:
            found = asyncio.run(evaluate(address, settings, given.documents, given.questions))
        rows.append(_row(title, given, found))
        curves[title] = risk_coverage(found)
    PICTURE.write_text(picture(curves), encoding="utf-8")
    return Figures(
        "Answers: answering and abstaining",
        [
            "sample",
            "answerable: answered with a relevant document cited",
            "of those answered, right",
            "unanswerable: abstained",
            "said unanswerable",
            "near misses",
            "of the other set",
            "precision of citations",
            "the same, answerable questions alone",
            "refused for a contradiction",
        ],
        rows,
        [
            "The `local` answerer and the delivered thresholds, whose coefficients were fitted on neither sample.",
            "Precision counts every citation of every answer; one in an answer to an unanswerable question is wrong.",
            "A refusal for a contradiction is a false alarm, unless the documents do differ.",
            "![Risk and coverage](pictures/risk-coverage.svg)",
        ],
    )


def _row(title: str, given: Sample, found: Sequence[Outcome]) -> list[str]:
    whole = figures(found)
    asked = [one for one in found if one.answerable]
    answered = [one for one in asked if one.answered]
    cells = [f"{title}, {len(given.documents)} documents", f"{_shown(whole['answered_answerable'])} of {len(asked)}"]
    cells += [_part(sum(one.right for one in answered), len(answered)), _shown(whole["abstained_unanswerable"])]
    for kind in ("said unanswerable", "near miss", "of the other set"):
        of_it = [one for one, its in zip(found, given.kinds, strict=True) if its == kind]
        cells.append(_part(sum(not one.answered for one in of_it), len(of_it)))
    cells.append(_shown(whole["citation_precision"]))
    cells.append(_shown(figures(asked)["citation_precision"]))
    cells.append(f"{sum(one.reason == Reason.CONFLICTING_SOURCES for one in found)} of {len(found)}")
    return cells


def _part(part: int, whole: int) -> str:
    return f"{part / whole:.3f} of {whole}" if whole else "none"


def _shown(value: object) -> str:
    return f"{value:.3f}" if isinstance(value, float) else "none"


def picture(curves: dict[str, list[dict[str, float]]]) -> str:
    """Risk over coverage, both from 0 to 1."""

    def at(coverage: float, risk: float) -> str:
        return f"{LEFT + coverage * WIDTH:.1f},{TOP + (1 - risk) * HEIGHT:.1f}"

    bottom = TOP + HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{bottom + 50}">',
        "<style>text {font: 12px sans-serif}</style>",
        '<rect width="100%" height="100%" fill="white"/>',
        f'<rect x="{LEFT}" y="{TOP}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
    ]
    for tenth in range(0, 11, 2):
        share = tenth / 10
        parts.append(f'<text x="{LEFT + share * WIDTH:.0f}" y="{bottom + 18}" text-anchor="middle">{share}</text>')
        parts.append(f'<text x="{LEFT - 8}" y="{TOP + (1 - share) * HEIGHT + 4:.0f}" text-anchor="end">{share}</text>')
    parts.append(f'<text x="{LEFT + WIDTH / 2}" y="{bottom + 38}" text-anchor="middle">share answered</text>')
    middle = TOP + HEIGHT / 2
    parts.append(f'<text x="14" y="{middle}" transform="rotate(-90 14 {middle})">share wrong</text>')
    for number, ((title, points), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        line = " ".join(at(point["coverage"], point["risk"]) for point in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 12}" y="{TOP + 20 + 16 * number}" fill="{colour}">{title}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"
