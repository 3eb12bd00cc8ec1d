"""Training the classifier from the delivered examples and people's judgements, in a worker.

A fifth of the judgements, told by a hash of their text, is never learned from: by it a new version is compared with the
active one, whichever versions there were. One that is worse there is kept for reading, and not used.
"""

import asyncio
import uuid
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.clock import now
from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.inference.embedding import default_embedder
from app.inference.local import train
from app.inference.local.examples import Example, examples_hash, load_examples
from app.inference.local.head import Head, pack, shipped_head, unpack
from app.inference.local.selective import figures
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.learning import repository
from app.models.classifier import ClassifierHead, HeadStatus
from app.models.learning import ExampleField, TrainingExample

log = get_logger(__name__)

JOB_KIND = "classifier_training"
MOST_EXAMPLES = 2_000
"""The newest judgements; more would take minutes and hundreds of megabytes."""
TEXT_CHARS = 2_000
LEAST_OF_A_LABEL = 8
"""A label met less often could hardly be told, nor could be known how well."""
MOST_LABELS = 100
"""Of people's own; the work grows with them."""
HELD_OUT_PART = 5
LEAST_HELD_OUT = 3


@dataclass(frozen=True, slots=True)
class _Outcome:
    head: Head
    report: dict[str, Any]
    refusal: str | None


@dataclass(frozen=True, slots=True)
class _Lessons:
    learned: list[Example]
    kept: list[Example]
    """Held out."""
    left_out: dict[str, int]
    foreign: list[Example]
    """What was left out."""


async def request(db: AsyncSession, *, author_id: int | None) -> ClassifierHead:
    """The training that was asked for; one that is under way is the one."""
    await repository.hold(db)
    there = await repository.training(db)
    if there is not None:
        return there
    version = await repository.last_version(db) + 1
    job = jobs.create(db, kind=JOB_KIND, subject=str(version))
    await db.flush()
    row = ClassifierHead(version=version, job_id=job.id, author_id=author_id, status=HeadStatus.TRAINING)
    db.add(row)
    await db.flush()
    return row


async def retrain_if_due(db: AsyncSession, *, after: int) -> bool:
    """Ask for a training when people have judged so often since the last one. 0: never."""
    if not after or await repository.judged_since_last_training(db, ExampleField.CATEGORY) < after:
        return False
    await request(db, author_id=None)
    return True


async def carry_out(resources: Resources, job_id: uuid.UUID) -> None:
    """Train, judge, settle. Nothing happens when another worker has the job, or it is done."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.session() as db:
            judged = await repository.newest_examples(db, ExampleField.CATEGORY, limit=MOST_EXAMPLES)
            found = await repository.active(db)
            active = shipped_head() if found is None else unpack(*await repository.artefact(db, found[0]))
        before = 0 if found is None else found[0]
        lessons = _lessons(judged)
        if len(lessons.kept) < LEAST_HELD_OUT:
            await _refuse_untrained(resources, claim, lessons)
            return
        # A thread: the lease is renewed meanwhile.
        outcome = await asyncio.to_thread(_trained, lessons, active, before)
        weights, description = pack(outcome.head)
        async with resources.db.unit_of_work() as db:
            await jobs.succeed(db, claim)
            await repository.hold(db)
            row = await repository.of_job(db, job_id)
            row.weights, row.description = weights, description
            row.checksum = sha256(weights).hexdigest()
            row.report, row.finished_at = outcome.report, now()
            row.reason = outcome.refusal
            if outcome.refusal is not None:
                row.status = HeadStatus.REFUSED
            elif await repository.active(db) != found:
                row.status, row.reason = HeadStatus.REFUSED, "Another version became active while it was trained."
            else:
                await repository.retire_active(db)
                row.status = HeadStatus.ACTIVE
            log.info("classifier_trained", version=row.version, status=row.status, reason=row.reason)


async def _refuse_untrained(resources: Resources, claim: Claim, lessons: _Lessons) -> None:
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)
        row = await repository.of_job(db, claim.job_id)
        row.status, row.finished_at = HeadStatus.REFUSED, now()
        row.report = {"left_out": lessons.left_out}
        row.reason = f"Only {len(lessons.kept)} judgements are held out to compare by; {LEAST_HELD_OUT} are needed."


async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    async with resources.db.unit_of_work() as db:
        row = await repository.of_job(db, job_id)
        if row.status == HeadStatus.TRAINING:
            row.status, row.finished_at = HeadStatus.FAILED, now()
            row.reason = "The training was given up after several attempts."


def held_out(text: str) -> bool:
    """The same text is always on the same side, whoever judged it and how often."""
    words = " ".join(text.lower().split())
    return int.from_bytes(sha256(words.encode()).digest()[:8]) % HELD_OUT_PART == 0


def _lessons(judged: Sequence[TrainingExample]) -> _Lessons:
    known = {example.category for example in load_examples()}
    learned: dict[str, Example] = {}
    kept: dict[str, Example] = {}
    for row in judged:
        example = Example(category=row.label, language="", text=row.text[:TEXT_CHARS])
        # Of a text that was judged twice the last judgement counts.
        (kept if held_out(example.text) else learned)[example.text] = example
    counts = Counter(example.category for example in learned.values() if example.category not in known)
    many = {label for label, n in counts.most_common(MOST_LABELS) if n >= LEAST_OF_A_LABEL}
    left_out = {label: n for label, n in sorted(counts.items()) if label not in many}
    out = [example for example in learned.values() if example.category in left_out]
    return _Lessons(
        [example for example in learned.values() if example.category not in left_out],
        list(kept.values()),
        left_out,
        out,
    )


def _trained(lessons: _Lessons, active: Head, active_version: int) -> _Outcome:
    delivered = load_examples()
    shipped = shipped_head()
    vectors = shipped.example_vectors if shipped.metadata["examples_sha256"] == examples_hash() else None
    head = train.train(
        delivered,
        default_embedder(),
        data_hash=examples_hash(),
        own=lessons.learned,
        foreign=lessons.foreign,
        known_vectors=vectors,
    )
    mine, theirs = (_told(one, lessons.kept) for one in (head, active))
    count = len(lessons.kept)
    report = {
        "labels": list(head.labels),
        "examples": {"delivered": len(delivered), "people": len(lessons.learned)},
        "left_out": lessons.left_out,
        "cross_validation": head.metadata["cross_validation"],
        "judgements": head.metadata.get("judgements"),
        "held_out": {
            "count": count,
            "accuracy": mine["accuracy"],
            "active_accuracy": theirs["accuracy"],
            "active_version": active_version,
            "coverage_at_90": mine["coverage_at_90"],
            "selective_accuracy": mine["selective_accuracy"],
        },
        "libraries": head.metadata["libraries"],
    }
    refusal = None
    right, before = mine["accuracy"] or 0.0, theirs["accuracy"] or 0.0
    if right < before:
        refusal = f"Of {count} judgements held out it tells {right:.1%} right, the active version {before:.1%}."
    return _Outcome(head, report, refusal)


def _told(head: Head, kept: list[Example]) -> dict[str, float | int | None]:
    """Accuracy is of the category itself: whether it would be sure enough to say so is told beside it."""
    probabilities = head.classifier.probabilities(train.read_all(kept, default_embedder()))
    truth = [example.category for example in kept]
    return figures(head.labels, probabilities, truth, threshold=head.classifier.threshold)
