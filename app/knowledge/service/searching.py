"""Passages that may answer a question: found by words and by meaning, scored by both, neighbours put together."""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.core.language import UNKNOWN, language_of
from app.core.telemetry import get_logger
from app.core.vectors.base import IndexUnavailable
from app.inference.errors import ModelBudgetSpent, ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.inference.reranking import Reranker
from app.knowledge import ranking
from app.knowledge.diagnosis import Stopwatch, note
from app.knowledge.language import EXACT, configuration
from app.knowledge.repository import PassageRepository, Vectors, embeddings, readers_of
from app.knowledge.schemas import Evidence, Scores
from app.knowledge.service.embedding import index_of, query_vector

log = get_logger(__name__)

QUERY_CHARS = 4_000
"""More of a query is not read: the sentence model cuts it, and its rarest words say enough."""
TERMS_MOST = 48
BY_WORDS = 200
BY_MEANING = 100
_NO_MODEL = (ModelBudgetSpent, ModelBusy, ModelFailed, ModelRefused, ModelUnavailable)
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


@dataclass(frozen=True, slots=True)
class Findings:
    """`without_vectors`: what gave no vectors, in a word, so that passages were found by their words; None: nothing."""

    evidence: list[Evidence]
    without_vectors: str | None = None


async def search(
    db: AsyncSession, who: Principal, *, query: str, limit: int = 5, reranker: Reranker | None = None
) -> list[Evidence]:
    """Passages of documents that `who` may see, best first; those that lie side by side become one."""
    return (await find(db, who, query=query, limit=limit, reranker=reranker)).evidence


async def find(
    db: AsyncSession, who: Principal, *, query: str, limit: int = 5, reranker: Reranker | None = None
) -> Findings:
    """As `search`, and whether something of it was not to be had."""
    ranked, missing = await _ranked(db, who, query, reranker)
    groups = _joined(ranked[: 2 * limit])[:limit]
    if not groups:
        return Findings([], missing)
    spans = [
        (group[0].document_id, group[0].version, min(one.start for one in group), max(one.end for one in group))
        for group in groups
    ]
    sources = await PassageRepository(db, who).all_quoted(spans)
    moment = now()
    evidence = []
    for (best, *_), source, (_, _, start, end) in zip(groups, sources, spans, strict=True):
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
    return Findings(evidence, missing)


async def rank(db: AsyncSession, who: Principal, *, query: str, reranker: Reranker | None = None) -> list[Found]:
    """Every candidate, scored, best first. A reranker that fails is done without, and so are vectors."""
    return (await _ranked(db, who, query, reranker))[0]


async def _ranked(
    db: AsyncSession, who: Principal, query: str, reranker: Reranker | None
) -> tuple[list[Found], str | None]:
    query = query[:QUERY_CHARS].replace("\x00", " ")
    watch = Stopwatch()
    vectors = await embeddings.active(db)
    passages = PassageRepository(db, who)
    # The embedder works while the database looks the words up.
    embedding = asyncio.create_task(query_vector(db, who, vectors, query))
    try:
        asked = await passages.asked(query, [_stems(query), EXACT])
        watch.lap("terms")
        weights = ranking.rarest(asked, most=TERMS_MOST)
        beside = ranking.looked_up(asked, weights)
        heavy, read = {term: weights[term] for term in beside}, ranking.read_most(asked)
        said = await passages.by_words(heavy, beside=beside, read=read, limit=BY_WORDS)
        watch.lap("by_words")
    except BaseException:
        embedding.cancel()
        raise
    vector, near, missing = await _near(db, who, vectors, embedding, watch)
    ids = {*near, *said}
    rows = await passages.compared(ids, vectors.space, vector, weights) if ids else []
    mean_words = asked.corpus.mean_words
    found = []
    for row in rows:
        lexical = ranking.bm25(row.counts or {}, weights, words=row.words, mean_words=mean_words)
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
    lacked = {} if missing is None else {"without": missing}
    note(query, found, watch, config={"embedder": vectors.name, **lacked, **looked, **ranking.CONSTANTS})
    return found, missing


async def _near(
    db: AsyncSession, who: Principal, vectors: Vectors, embedding: Awaitable[Any], watch: Stopwatch
) -> tuple[Any | None, list[UUID], str | None]:
    """The query's vector, the passages nearest to it, and what of both could not be had."""
    try:
        vector = await embedding
    except _NO_MODEL as error:
        log.warning("search_without_vectors", missing="embedder", error=error.code)
        return None, [], "embedder"
    watch.lap("embedding")
    index = index_of(db)
    try:
        hits = await index.nearest(vectors.space, vector, readers=readers_of(who), limit=BY_MEANING)
    except IndexUnavailable as error:
        log.warning("search_without_vectors", missing=index.name, error=str(error))
        return vector, [], "vector_index"
    watch.lap("by_meaning")
    return vector, [hit.chunk_id for hit in hits], None


def _ordered(found: Sequence[Found]) -> list[Found]:
    return sorted(found, key=lambda one: (-one.score, str(one.chunk_id)))


async def reranked(passages: PassageRepository, reranker: Reranker, query: str, ranked: Sequence[Found]) -> list[Found]:
    """The best ones in the order of both scores; those behind them stay behind."""
    first, rest = ranked[: reranker.passages], ranked[reranker.passages :]
    texts = await passages.texts([one.chunk_id for one in first])
    try:
        scores = await reranker.scores(query, [texts[one.chunk_id] for one in first]) if first else []
    except _NO_MODEL as error:
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
    titles = await passages.title_terms(keys, _stems(query))
    shares = {key: ranking.titled(terms, weights) for key, terms in titles.items()}
    for one in ranked:
        one.score = ranking.with_title(one.score, shares.get((one.document_id, one.version), 0.0))


def _stems(query: str) -> str:
    language = language_of(query)
    return configuration("en" if language == UNKNOWN else language)


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
