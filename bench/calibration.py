"""How sure is an answer? Fits the conditional logit of app/config/answers.yaml: `python -m bench.calibration`.

The questions are those of curl's FAQ, known bugs, wishes and options (curl licence) and of Django's FAQ (BSD-3-Clause),
the documents what stands below them without their headings. Foreign questions are customers' of a bank (Banking77,
CC BY 4.0, Casanueva et al. 2020). Each question is asked as it is, once more with its document taken away, which is a
near miss, and no part of the sets that answers are judged by is used. So they also show what two rules are worth that
were set with those sets in view: the title's share of the order, and the refusal of documents that name another error.

    git clone --depth 1 https://github.com/curl/curl && pip download --no-deps --no-binary :all: django==5.2.8
    python -m bench.calibration --curl curl --django django-5.2.8 --foreign ../shared/data/tickets/banking77_train.csv
"""

import argparse
import asyncio
import csv
import random
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from scipy.optimize import minimize  # type: ignore[import-untyped] # ships no types

from app.commands.evaluate_knowledge import READER, ingest
from app.commands.evaluation_files import DocumentLine, QuestionLine
from app.commands.own_schema import database_address, own_schema
from app.core.settings import get_settings
from app.grounding.confidence import FIGURES, figures
from app.inference.reranking import reranker_of
from app.knowledge import service as knowledge
from app.knowledge.ranking import fused
from app.knowledge.service import Matches

RIDGE = 0.001
FOREIGN = 150
FOLDS = 5
BODY_CHARS, QUESTION_WORDS = 120, 3

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Case:
    """A question with its candidates: a row of figures each, and which of them are right."""

    kind: str
    rows: Floats
    right: NDArray[np.bool_]
    lacks: NDArray[np.bool_]
    """Which of them name another error code, CVE or part than the question."""
    untitled: Floats
    """What the search would say of each, did titles not count."""


def curl(root: Path) -> Iterator[tuple[str, str, str | None]]:
    for name in ("FAQ", "KNOWN_BUGS", "TODO"):
        text = re.sub(r"<!--.*?-->", "", (root / "docs" / f"{name}.md").read_text(), flags=re.DOTALL)
        parts = re.split(r"^## +(.+)$", text, flags=re.MULTILINE)
        for heading, body in zip(parts[1::2], parts[2::2], strict=True):
            yield heading.replace("`", ""), re.split(r"^# ", body, flags=re.MULTILINE)[0], None
    for path in sorted((root / "docs" / "cmdline-opts").glob("[!_]*.md")):
        text = path.read_text()
        asked = re.search(r"^Help: (.+)$", text, re.MULTILINE)
        parts = re.split(r"^---$", text, maxsplit=2, flags=re.MULTILINE)
        if asked and len(parts) > 2:
            yield asked[1], parts[2].split("\n", 3)[-1], f"curl {path.stem}"


def django(root: Path) -> Iterator[tuple[str, str, str | None]]:
    for path in sorted((root / "docs" / "faq").glob("*.txt")):
        parts = re.split(r"^(.+)\n(?:=+|-+)\n", path.read_text(), flags=re.MULTILINE)
        for heading, body in zip(parts[1::2], parts[2::2], strict=True):
            plain = re.sub(r"^\.\. _.*$", "", body, flags=re.MULTILINE)
            yield heading, re.sub(r":\w+:`([^`<]+)(?: <[^>]*>)?`", r"\1", plain.replace("``", "")), None


def lines(found: Iterator[tuple[str, str, str | None]]) -> tuple[list[DocumentLine], list[QuestionLine]]:
    documents, questions = [], []
    for number, (heading, body, title) in enumerate(found):
        if len(body.strip()) >= BODY_CHARS and len(heading.split()) >= QUESTION_WORDS:
            documents.append(DocumentLine(id=f"d{number}", text=body.strip(), title=title))
            questions.append(QuestionLine(id=f"q{number}", question=heading, relevant=[f"d{number}"]))
    return documents, questions


async def cases(
    documents: Sequence[DocumentLine], questions: Sequence[QuestionLine], foreign: Sequence[str]
) -> list[Case]:
    asked = [*questions, *(QuestionLine(id="", question=one, answerable=False) for one in foreign)]
    found: list[Case] = []
    with (
        database_address(get_settings()) as address,
        Progress(console=Console(stderr=True), transient=True) as progress,
    ):
        async with own_schema(address, get_settings()) as database:
            names = await ingest(database, documents, progress)
            for question in progress.track(asked, description="Asking"):
                async with database.reading() as db:
                    matches = await knowledge.match(
                        db, READER, question=question.question, reranker=reranker_of(get_settings())
                    )
                right = [names[one.document_id] in question.relevant for one in matches.documents]
                found.append(_case("answerable" if question.answerable else "foreign", matches, right))
                others = tuple(one for one, good in zip(matches.documents, right, strict=True) if not good)
                if question.answerable and others:
                    found.append(_case("near", replace(matches, documents=others), [False] * len(others)))
    return found


def _case(kind: str, matches: Matches, right: Sequence[bool]) -> Case:
    rows = [[one[name] for name in FIGURES] for one in figures(matches)]
    passages = [one.passages for one in matches.documents]
    best_lexical = max((one.lexical for few in passages for one in few), default=0.0)
    best_cosine = max((one.cosine for few in passages for one in few), default=0.0)
    untitled = [
        max(fused(one.lexical, one.cosine, best_lexical=best_lexical, best_cosine=best_cosine) for one in few)
        for few in passages
    ]
    lacks = [bool(one.lacks) for one in matches.documents]
    return Case(
        kind,
        np.array(rows, dtype=float).reshape(-1, len(FIGURES)),
        np.array(right, dtype=bool),
        np.array(lacks, dtype=bool),
        np.array(untitled, dtype=float),
    )


def fit(found: Sequence[Case]) -> tuple[float, Floats]:
    """The utility of none, and the weight of each figure: maximum likelihood with a ridge on standardised weights."""
    every = np.concatenate([one.rows for one in found])
    middle, spread = every.mean(0), every.std(0) + 1e-9
    scaled = [(one.rows - middle) / spread for one in found]

    def loss(theta: Floats) -> tuple[float, Floats]:
        total, slope = 0.0, np.zeros_like(theta)
        for one, rows in zip(found, scaled, strict=True):
            utilities = np.concatenate([theta[:1], rows @ theta[1:]])
            shares = np.exp(utilities - utilities.max())
            shares /= shares.sum()
            good = np.concatenate([[not one.right.any()], one.right])
            chance = shares[good].sum()
            total -= float(np.log(chance + 1e-12))
            pull = shares - np.where(good, shares / chance, 0.0)
            slope[0] += pull[0]
            slope[1:] += pull[1:] @ rows
        ridge = np.concatenate([[0.0], theta[1:]])
        return total / len(found) + RIDGE * float(ridge @ ridge), slope / len(found) + 2 * RIDGE * ridge

    theta = minimize(loss, np.zeros(len(FIGURES) + 1), jac=True, method="L-BFGS-B").x
    weights = theta[1:] / spread
    return float(theta[0] + weights @ middle), weights


def chances(one: Case, none: float, weights: Floats) -> Floats:
    utilities = np.concatenate([[none], one.rows @ weights])
    shares = np.exp(utilities - utilities.max())
    return np.asarray(shares[1:] / shares.sum())


def held_out(found: Sequence[Case]) -> Iterator[tuple[Case, Floats]]:
    """Each case judged by a fit that saw neither it nor its near miss."""
    groups = np.cumsum([one.kind != "near" for one in found]) % FOLDS
    for fold in range(FOLDS):
        model = fit([one for one, group in zip(found, groups, strict=True) if group != fold])
        for one, group in zip(found, groups, strict=True):
            if group == fold:
                yield one, chances(one, *model)


def table(judged: Sequence[tuple[Case, Floats]]) -> Iterator[str]:
    yield "| threshold | answered right | right of the answers | near misses abstained | foreign abstained |"
    yield "|---:|---:|---:|---:|---:|"
    for threshold in (0.2, 0.25, 0.3, 0.35, 0.4, 0.5):
        counts = {kind: [0, 0, 0] for kind in ("answerable", "near", "foreign")}
        for one, shares in judged:
            answered = bool(len(shares)) and shares.max() >= threshold
            kept = counts[one.kind]
            kept[0] += 1
            kept[1] += answered
            kept[2] += bool(answered and one.right[shares.argmax()])
        asked, near, foreign = counts["answerable"], counts["near"], counts["foreign"]
        yield (
            f"| {threshold} | {asked[2] / asked[0]:.3f} | {asked[2] / max(asked[1], 1):.3f} "
            f"| {1 - near[1] / near[0]:.3f} | {1 - foreign[1] / foreign[0]:.3f} |"
        )


def rules(judged: Sequence[tuple[Case, Floats]]) -> Iterator[str]:
    """What titles do to the order, and whom the rule on names refuses."""
    asked = [one for one, _ in judged if one.kind == "answerable"]
    with_titles = mean(_reciprocal_rank(one.right) for one in asked)
    without = mean(_reciprocal_rank(one.right[np.argsort(-one.untitled, kind="stable")]) for one in asked)
    yield f"Order of the documents found, MRR: {with_titles:.3f} with titles, {without:.3f} without."
    first = [(one, int(shares.argmax())) for one, shares in judged if len(shares)]
    right = [one for one, place in first if one.right[place]]
    near = [one for one, _ in first if one.kind == "near"]
    refused = sum(bool(one.lacks[place]) for one, place in first if one.right[place])
    spared = sum(bool(one.lacks[place]) for one, place in first if one.kind == "near")
    yield f"Refused for another name: {refused} of {len(right)} right documents, {spared} of {len(near)} near misses."


def _reciprocal_rank(right: NDArray[np.bool_]) -> float:
    return float(1 / (1 + right.argmax())) if right.any() else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.calibration")
    parser.add_argument("--curl", type=Path, required=True)
    parser.add_argument("--django", type=Path, required=True)
    parser.add_argument("--foreign", type=Path, required=True, help="CSV with a column `text`")
    chosen = parser.parse_args()
    with chosen.foreign.open(encoding="utf-8") as file:
        told = [row["text"] for row in csv.DictReader(file)]
    foreign = random.Random(7).sample(told, FOREIGN)
    documents, questions = lines(one for source in (curl(chosen.curl), django(chosen.django)) for one in source)
    found = asyncio.run(cases(documents, questions, foreign))
    print(
        f"{len(documents)} documents, {len(questions)} questions, {FOREIGN} foreign ones; {FOLDS} folds:",
        file=sys.stderr,
    )
    judged = list(held_out(found))
    print("\n".join([*table(judged), *rules(judged)]), file=sys.stderr)
    none, weights = fit(found)
    made: dict[str, Any] = {"none": none, **dict(zip(FIGURES, weights.tolist(), strict=True))}
    print(yaml.safe_dump({"calibration": {name: round(value, 3) for name, value in made.items()}}, sort_keys=False))


if __name__ == "__main__":
    main()
