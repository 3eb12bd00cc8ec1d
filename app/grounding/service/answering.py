"""From a question to an answer that may be sent, or to the reason why there is none."""

import asyncio
from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncSession

from app.agents import service as agents
from app.agents.errors import RunFailure
from app.core.auth import Principal
from app.core.db import DATABASE_AWAY
from app.core.errors import Unavailable
from app.core.resources import Resources
from app.core.telemetry import get_logger, span
from app.grounding import claims, evaluator
from app.grounding.confidence import by_chance
from app.grounding.evaluator import Judged
from app.grounding.evidence import Excerpt
from app.grounding.outcome import SUMMARY, Answer, Reason, Refusal, Sentence, Signals, Turn
from app.grounding.service.thresholds import THRESHOLDS
from app.hosted.reranking import reranker_for
from app.inference.assembly import ResolveModel
from app.inference.local.model import LOCAL_MODEL
from app.inference.registry import resolve as resolve_model
from app.inference.wording import terms
from app.knowledge import service as knowledge

log = get_logger(__name__)

DOCUMENTS_GIVEN = 4
CHANCE_LEAST = 0.1
"""Of the likeliest document's: one below it is not worth reading."""
PASSAGES_OF_THE_BEST, PASSAGES_OF_OTHERS = 2, 1
FEW_TERMS = 4
"""A question with fewer leans on what was said before it."""
TURNS_GIVEN = 20


async def answer(
    resources: Resources,
    who: Principal,
    question: str,
    *,
    context: Sequence[Turn] = (),
    resolve: ResolveModel = resolve_model,
) -> Answer | Refusal:
    """What was not judged is not sent. Raises what may pass, so that it is tried again: the database's errors,
    Unavailable, and RunFailure where a provider may answer in a moment. All else that fails is a refusal."""
    with span("grounding.answer"):
        try:
            return await _answer(resources, who, question, context, resolve)
        except (*DATABASE_AWAY, Unavailable, RunFailure):
            raise
        except Exception as error:  # noqa: BLE001 - whatever fails here, the question goes to a person
            log.warning("answer_failed", error=type(error).__name__)
            return Refusal(Reason.LLM_ERROR, None, (), LOCAL_MODEL, 0)


async def _answer(
    resources: Resources, who: Principal, question: str, context: Sequence[Turn], resolve: ResolveModel
) -> Answer | Refusal:
    async with resources.db.reading() as db:
        version, limits = await THRESHOLDS.in_force(db)
        reranker = reranker_for(resources, who)
        matches = await knowledge.match(db, who, question=standalone(question, context), reranker=reranker)
        judged = by_chance(matches, limits.calibration)
        excerpts = await _excerpts(db, who, judged)
    evidence = tuple(one.evidence for one in excerpts)
    signals = evaluator.found(judged)
    if (reason := evaluator.refused_before(judged, signals, limits)) is not None:
        return Refusal(reason, signals, evidence, LOCAL_MODEL, version)
    try:
        written = await agents.write_answer(
            resources,
            who,
            question,
            passages=[one.shown() for one in excerpts],
            said_before=[{"role": turn.role, "content": turn.text} for turn in _given(context)],
            resolve=resolve,
        )
        sentences = claims.looked_up(written.draft, {one.name: one for one in excerpts})
        supports = await _supports(resources, who, sentences, resolve)
    except RunFailure as failure:
        if failure.passing:
            raise
        failed = evaluator.found(judged, model_error=type(failure.__cause__ or failure).__name__)
        return Refusal(Reason.LLM_ERROR, failed, evidence, LOCAL_MODEL, version)
    final: Signals = await asyncio.to_thread(evaluator.drafted, judged, sentences, excerpts, supports)
    if (reason := evaluator.refused(sentences, final, limits)) is not None:
        return Refusal(reason, final, evidence, written.model, version)
    return Answer(tuple(sentences), final, evidence, written.model, version)


async def _supports(
    resources: Resources, who: Principal, sentences: Sequence[Sentence], resolve: ResolveModel
) -> list[float]:
    """By words and meaning; where a model is configured to judge, by that model what those cannot settle."""
    measured = await asyncio.to_thread(claims.supports, sentences)
    unsettled = [
        agents.Claim(number, one.text, claims.quotes(one))
        for number, one in enumerate(sentences)
        if claims.open_to_judgement(one)
    ]
    judged = await agents.judge_claims(resources, who, unsettled, resolve=resolve) if unsettled else None
    return [(judged or {}).get(number, value) for number, value in enumerate(measured)]


def standalone(question: str, context: Sequence[Turn]) -> str:
    """The question as a search understands it: one that says little by itself has the customer's last words behind
    it, and where they say little too, the summary of what was before."""
    found = question
    for role in ("customer", SUMMARY):
        if len(set(terms(found))) >= FEW_TERMS:
            break
        before = next((turn.text for turn in reversed(context) if turn.role == role and turn.text != question), "")
        found = f"{found}\n{before}" if before else found
    return found


def _given(context: Sequence[Turn]) -> list[Turn]:
    """The last turns, and the summary that stands for those before them."""
    first = [turn for turn in context[:1] if turn.role == SUMMARY]
    return [*first, *context[len(first) :][-TURNS_GIVEN:]]


async def _excerpts(db: AsyncSession, who: Principal, judged: Judged) -> list[Excerpt]:
    found: list[Excerpt] = []
    for place, (match, chance) in enumerate(judged[:DOCUMENTS_GIVEN]):
        if chance < CHANCE_LEAST * judged[0][1]:
            break
        passages = PASSAGES_OF_OTHERS if place else PASSAGES_OF_THE_BEST
        for one in await knowledge.quoted(db, who, match, passages=passages, score=chance):
            found.append(Excerpt(f"P{len(found) + 1}", one.evidence, chance, one.chunks))
    return found
