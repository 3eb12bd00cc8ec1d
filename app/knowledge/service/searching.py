"""Passages that may answer a question: found by words and by meaning, scored by both, neighbours put together."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.language import UNKNOWN, language_of
from app.core.telemetry import get_logger
from app.inference.embedding import default_embedder
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.inference.reranking import Reranker
from app.knowledge import ranking
from app.knowledge.diagnosis import Stopwatch, note
from app.knowledge.language import EXACT, configuration
from app.knowledge.repository import COUNTED_MOST, PassageRepository
from app.knowledge.schemas import Evidence, Scores

log = get_logger(__name__)

QUERY_CHARS = 4_000
"""More of a query is not read: the sentence model cuts it, and its rarest words say enough."""
TERMS_MOST = 48
BY_WORDS = 200
BY_MEANING = 100
TITLES_READ = 30
"""Documents, from the best one on, whose titles count."""


@dataclass(slots=True)
class Found:
    """A passage with what was measured of it."""

    chunk_id: UUID
    document_id: UUID
    version: int
    position: int
    start: int
    end: int
    lexical: float
    cosine: float
    score: float = 0.0
    reranked: float = 0.0
    """What the reranker says of it, 0 to 1; 0 where none was asked."""


async def search(
    db: AsyncSession, who: Principal, *, query: str, limit: int = 5, reranker: Reranker | None = None
) -> list[Evidence]:
    """Passages of documents that `who` may see, best first; those that lie side by side become one.

    Raises ModelUnavailable.
    """
    ranked = await rank(db, who, query=query, reranker=reranker)
    repository = PassageRepository(db, who)
    moment = now()
    evidence = []
    for group in _joined(ranked[: 2 * limit])[:limit]:
        best = group[0]
        start, end = min(one.start for one in group), max(one.end for one in group)
        source = await repository.quoted(best.document_id, best.version, start, end)
        evidence.append(
            Evidence(
                doc_id=best.document_id,
                version=best.version,
                chunk_id=best.chunk_id,
                title=source.title,
                uri=source.uri,
                text=source.text,
                start=start,
                end=end,
                score=round(min(best.score, 1.0), 4),
                scores=Scores(lexical=round(best.lexical, 4), vector=round(min(max(best.cosine, -1.0), 1.0), 4)),
                retrieved_at=moment,
            )
        )
    return evidence


async def rank(db: AsyncSession, who: Principal, *, query: str, reranker: Reranker | None = None) -> list[Found]:
    """Every candidate, scored, best first. A reranker that fails is done without."""
    query = query[:QUERY_CHARS].replace("\x00", " ")
    watch = Stopwatch()
    embedder = default_embedder()
    vector = (await asyncio.to_thread(embedder.embed, [query]))[0]
    watch.lap("embedding")
    passages = PassageRepository(db, who)
    corpus = await passages.corpus()
    weights = await _weights(passages, query, corpus.passages)
    watch.lap("terms")
    ids = set(await passages.nearest(vector, embedder.name, limit=BY_MEANING))
    watch.lap("by_meaning")
    if weights:
        ids.update(await passages.by_words(weights, limit=BY_WORDS))
    watch.lap("by_words")
    counts = await passages.term_counts(ids, weights) if weights and ids else {}
    rows: Sequence[Any] = await passages.compared(ids, vector, embedder.name) if ids else ()
    found = []
    for row in rows:
        lexical = ranking.bm25(counts.get(row.id, {}), weights, words=row.words, mean_words=corpus.mean_words)
        found.append(Found(row.id, row.document_id, row.version, row.position, row.start, row.end, lexical, row.cosine))
    best_lexical = max((one.lexical for one in found), default=0.0)
    best_cosine = max((one.cosine for one in found), default=0.0)
    for one in found:
        one.score = ranking.fused(one.lexical, one.cosine, best_lexical=best_lexical, best_cosine=best_cosine)
    await _count_titles(passages, query, _ordered(found), weights)
    found = _ordered(found)
    watch.lap("scoring")
    if reranker is not None:
        found = await reranked(passages, reranker, query, found)
        watch.lap("reranking")
    looked = {} if reranker is None else {"reranker": reranker.name, "reranker_share": reranker.share}
    note(query, found, watch, config={"embedder": embedder.name, **looked, **ranking.CONSTANTS})
    return found


def _ordered(found: Sequence[Found]) -> list[Found]:
    return sorted(found, key=lambda one: (-one.score, str(one.chunk_id)))


async def reranked(passages: PassageRepository, reranker: Reranker, query: str, ranked: Sequence[Found]) -> list[Found]:
    """The best ones in the order of both scores; those behind them stay behind."""
    first, rest = ranked[: reranker.passages], ranked[reranker.passages :]
    texts = await passages.texts([one.chunk_id for one in first])
    try:
        scores = await reranker.scores(query, [texts[one.chunk_id] for one in first]) if first else []
    except (ModelUnavailable, ModelBusy, ModelFailed, ModelRefused) as error:
        log.warning("not_reranked", reranker=reranker.name, error=type(error).__name__)
        return list(ranked)
    best, most = max(scores, default=0.0), max((one.score for one in first), default=0.0)
    for one, score in zip(first, scores, strict=True):
        one.reranked = score
        one.score = (1 - reranker.share) * one.score + reranker.share * most * (score / best if best > 0 else 0.0)
    # What was not looked at must not come before what was, for its score was not lessened.
    least = min((one.score for one in first), default=0.0)
    for one in rest:
        one.score = min(one.score, least)
    return [*_ordered(first), *rest]


async def _count_titles(
    passages: PassageRepository, query: str, ranked: Sequence[Found], weights: Mapping[str, float]
) -> None:
    keys = list(dict.fromkeys((one.document_id, one.version) for one in ranked))[:TITLES_READ]
    titles = await passages.titles(keys)
    terms = await passages.term_lists([row.title for row in titles.values()], _stems(query))
    shares = {key: ranking.titled(one, weights) for key, one in zip(titles, terms, strict=True)}
    for one in ranked:
        one.score = ranking.with_title(one.score, shares.get((one.document_id, one.version), 0.0))


def _stems(query: str) -> str:
    language = language_of(query)
    return configuration("en" if language == UNKNOWN else language)


async def _weights(passages: PassageRepository, query: str, total: int) -> dict[str, float]:
    """The query's rarest terms. A common one is left out when rarer ones say enough: it costs much and tells little."""
    terms = await passages.terms(query, [_stems(query), EXACT])
    counted = await passages.frequencies(terms) if terms else {}
    rare = sorted(counted.items(), key=lambda item: (item[1], item[0]))[:TERMS_MOST]
    chosen = [(term, number) for term, number in rare if number < COUNTED_MOST] or rare[:1]
    return {term: ranking.weight(total, number) for term, number in chosen}


def _joined(ranked: Sequence[Found]) -> list[list[Found]]:
    """Best first; a passage that touches one before it in its document joins that one's group."""
    groups: list[list[Found]] = []
    for one in ranked:
        for group in groups:
            same = group[0].document_id == one.document_id and group[0].version == one.version
            if same and any(abs(other.position - one.position) == 1 for other in group):
                group.append(one)
                break
        else:
            groups.append([one])
    return groups
