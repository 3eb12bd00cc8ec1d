"""`evidesk answers evaluate`: how often the product answers what it can, and keeps silent where it cannot.

Documents go through the product's own ingestion, questions through its retrieval, its answerer and its gate, in a
schema of their own. A question counts as answered right when the answer cites a relevant document.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

from rich.progress import Progress
from sqlalchemy.ext.asyncio import AsyncSession

from app.ai_config import service as ai_config
from app.commands.evaluate_knowledge import ingest, tell
from app.commands.evaluation_files import DocumentLine, QuestionLine, chosen
from app.commands.own_schema import measured, own_schema
from app.commands.progress import Shown
from app.core.auth import Principal, Role, TokenSigner
from app.core.breakers import Breakers
from app.core.db import Database
from app.core.ratelimit import RateLimiter
from app.core.redis import connect
from app.core.resources import Resources
from app.core.settings import Settings, get_settings
from app.core.slots import Slots
from app.core.storage import open_storage
from app.grounding import service as grounding
from app.grounding.outcome import Answer
from app.models.user import User

POINTS_MOST = 50
NOBODY = "redis://127.0.0.1:9/0"
"""Limits and breakers are for remote models; without a Redis they rest, and `local` needs neither."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`right`: a relevant document is cited. `confidence` is what the gate compared, with an answer or without."""

    answerable: bool
    answered: bool
    right: bool
    citations: int
    relevant_citations: int
    confidence: float
    reason: str | None


async def ask(resources: Resources, who: Principal, question: QuestionLine, names: dict[UUID, str]) -> Outcome:
    found = await grounding.answer(resources, who, question.question)
    answered = isinstance(found, Answer)
    cited = [names[c.document_id] for s in found.sentences for c in s.citations] if isinstance(found, Answer) else []
    wanted = set(question.relevant)
    # Of a refusal: the document that would have been cited.
    first = cited or [names[one.doc_id] for one in found.evidence[:1]]
    return Outcome(
        answerable=question.answerable,
        answered=answered,
        right=bool(wanted.intersection(first)),
        citations=len(cited),
        relevant_citations=sum(name in wanted for name in cited),
        confidence=0.0 if found.signals is None else found.signals.confidence,
        reason=None if isinstance(found, Answer) else found.reason.value,
    )


async def outcomes(
    database: Database, documents: Sequence[DocumentLine], questions: Sequence[QuestionLine], progress: Progress
) -> list[Outcome]:
    names = await ingest(database, documents, progress)
    async with desk(database) as (resources, reader):
        return [await ask(resources, reader, one, names) for one in progress.track(questions, description="Asking")]


@asynccontextmanager
async def desk(database: Database) -> AsyncIterator[tuple[Resources, Principal]]:
    """What an answer needs, on the delivered configuration, and a customer who asks."""
    settings = get_settings()
    redis = connect(settings.redis_url.get_secret_value() if settings.redis_url else NOBODY)
    signer = TokenSigner("evaluation")
    resources = Resources(
        settings, database, redis, open_storage(settings), signer, RateLimiter(redis), Breakers(redis), Slots(redis)
    )
    try:
        async with database.unit_of_work() as db:
            await ai_config.ensure_defaults(db, settings)
            reader = await _reader(db)
        yield resources, reader
    finally:
        await redis.aclose()


async def _reader(db: AsyncSession) -> Principal:
    """A customer, so that the filter by reader works in every query as it does for one."""
    user = User(username="reader", email="reader@example.com", password_hash="", role=Role.CUSTOMER)
    db.add(user)
    await db.flush()
    return Principal(user_id=user.id, username=user.username, role=Role.CUSTOMER)


def figures(found: Sequence[Outcome]) -> dict[str, object]:
    """Shares are null where there is nothing to take a share of."""
    asked = [one for one in found if one.answerable]
    silent = [one for one in found if not one.answerable]
    citations = sum(one.citations for one in found)
    return {
        "answered_answerable": _share(sum(one.answered and one.right for one in asked), len(asked)),
        "abstained_unanswerable": _share(sum(not one.answered for one in silent), len(silent)),
        "citation_precision": _share(sum(one.relevant_citations for one in found), citations),
        "risk_coverage": risk_coverage(found),
        "n": len(found),
    }


def risk_coverage(found: Sequence[Outcome]) -> list[dict[str, float]]:
    """El-Yaniv and Wiener (2010): were only the surest answered, what share of all would that be, and what share of
    those would be wrong? An answer to what cannot be answered is wrong."""
    order = sorted(found, key=lambda one: -one.confidence)
    points = []
    wrong = 0
    step = max(len(order) // POINTS_MOST, 1)
    for number, one in enumerate(order, start=1):
        wrong += not (one.answerable and one.right)
        ties = number < len(order) and order[number].confidence == one.confidence
        if not ties and (number % step == 0 or number == len(order)):
            points.append({"coverage": round(number / len(order), 4), "risk": round(wrong / number, 4)})
    return points


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


async def run(
    address: str, settings: Settings, documents: Sequence[DocumentLine], questions: Sequence[QuestionLine]
) -> list[Outcome]:
    with Shown() as progress:
        async with own_schema(address, settings) as database:
            return await outcomes(database, documents, questions, progress)


def main() -> None:
    documents, questions, as_json = chosen("evidesk answers evaluate")
    settings = get_settings()
    found = measured(settings, lambda address: run(address, settings, documents, questions))
    tell(figures(found), as_json=as_json)


if __name__ == "__main__":
    main()
