"""How well whole documents match a question: what an answer's confidence is made of.

A passage is found by what it says; whether its document is about the matter shows in how much of the question all of
it covers, in its title, and in how far the next document is behind.
"""

import itertools
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.language import UNKNOWN, language_of
from app.inference.reranking import Reranker
from app.inference.sentences import sentences
from app.inference.wording import codes, identifiers, kind_of, spellings
from app.knowledge import ranking
from app.knowledge.language import configuration
from app.knowledge.repository import PassageRepository, embeddings
from app.knowledge.service.embedding import query_vector
from app.knowledge.service.searching import QUERY_CHARS, Found, rank

DOCUMENTS_MOST = 12
CODES_MOST = 40
TERMS_COUNTED = 400
"""Of a question and the titles it is compared with; a stack trace has more, and they say little."""


@dataclass(frozen=True, slots=True)
class Match:
    """A document, by the best of its passages. All figures but the cosines are shares, 0 to 1."""

    document_id: UUID
    version: int
    title: str
    uri: str | None
    passages: tuple[Found, ...]
    """Best first; only those that the search found."""
    meaning: float
    """Cosine of the question and the nearest passage."""
    subject: float
    """The same for what the question begins with."""
    words: float
    """BM25, of the most that the question could reach."""
    coverage: float
    """Of the question's terms, by weight, that the document or its title says."""
    subject_coverage: float
    together: float
    """Of the subject's terms, by weight, that one passage with the title says."""
    titled: float
    """Of the title's terms, by weight, that the question says, or of those of the heading over its best passage."""
    unsaid: frozenset[str]
    """Codes and versions of the question that the document does not say."""
    lacks: frozenset[str]
    """Error codes, CVE numbers and the like in what the question begins with, where the document names others of their
    kind and not these: it is about another one."""
    reranked: float
    """What the reranker says of its best passage, 0 to 1; 0 where there is none."""


@dataclass(frozen=True, slots=True)
class Matches:
    documents: tuple[Match, ...]
    """Best first."""
    codes: frozenset[str]
    """Codes and versions that the question names."""


def subject_of_question(question: str) -> str:
    """Its first sentence or line: mail has its subject there, and people say first what they want."""
    line = question.strip().split("\n", maxsplit=1)[0]
    start, end = next(iter(sentences(line)), (0, len(line)))
    return line[start:end]


async def match(db: AsyncSession, who: Principal, *, question: str, reranker: Reranker | None = None) -> Matches:
    """Documents that `who` may see and that may answer, measured. Raises ModelUnavailable."""
    question = question[:QUERY_CHARS].replace("\x00", " ")
    named = frozenset(sorted(codes(question))[:CODES_MOST])
    found = await rank(db, who, query=question, reranker=reranker)
    passages: dict[tuple[UUID, int], list[Found]] = {}
    for one in found:
        passages.setdefault((one.document_id, one.version), []).append(one)
    chosen = dict(list(passages.items())[:DOCUMENTS_MOST])
    if not chosen:
        return Matches((), named)
    repository = PassageRepository(db, who)
    titles = await repository.titles(chosen)
    best = [ranked[0].chunk_id for ranked in chosen.values()]
    sections = await repository.sections(best)
    subject = subject_of_question(question)
    language = language_of(question)
    stems = configuration("en" if language == UNKNOWN else language)
    names = [row.title for row in titles.values()] + [sections[chunk_id] for chunk_id in best]
    asked, about, *terms_of_names = await repository.term_lists([question, subject, *names], stems)
    named_by, headed_by = terms_of_names[: len(chosen)], terms_of_names[len(chosen) :]
    about = about or asked
    every = [*about, *asked, *itertools.chain.from_iterable(terms_of_names)]
    weights = await _weights(repository, dict.fromkeys(every))
    said = await repository.said_by([document_id for document_id, _ in chosen], weights)
    spelled = await repository.spelled(chosen, named) if named else {}
    near = await _near(db, who, subject, [document_id for document_id, _ in chosen])
    another = await _others(repository, list(chosen), identifiers(subject) & named)
    documents = []
    for (key, ranked), row, title, heading in zip(chosen.items(), titles.values(), named_by, headed_by, strict=True):
        parts = [terms | set(title) for terms in said.get(key[0], [set()])]
        whole = set().union(*parts)
        unsaid = frozenset(named - spelled.get(key[0], set()))
        documents.append(
            Match(
                document_id=key[0],
                version=key[1],
                title=row.title,
                uri=row.uri,
                passages=tuple(ranked),
                meaning=max(one.cosine for one in ranked),
                subject=near.get(key[0], 0.0),
                words=max(one.lexical for one in ranked),
                coverage=_share(asked, whole, weights),
                subject_coverage=_share(about, whole, weights),
                together=max(_share(about, part, weights) for part in parts),
                titled=max(_share(one, set(asked), weights) for one in (title, heading)),
                unsaid=unsaid,
                lacks=another.get(key[0], frozenset()),
                reranked=max(one.reranked for one in ranked),
            )
        )
    return Matches(tuple(documents), named)


async def _weights(repository: PassageRepository, terms: Collection[str]) -> dict[str, float]:
    """Inverse document frequencies; a term that no passage has is the rarest of all."""
    counted = list(terms)[:TERMS_COUNTED]
    found = await repository.counted(counted)
    return {term: ranking.weight(found.corpus.rows, found.terms.get(term, 0)) for term in counted}


async def _others(
    repository: PassageRepository, versions: Sequence[tuple[UUID, int]], names: Collection[str]
) -> dict[UUID, frozenset[str]]:
    """Of each document the identifiers that it does not say, however spelled, though it says others of their kind."""
    kinds = {name: kind for name in names if (kind := kind_of(name)) is not None}
    if not kinds:
        return {}
    said = await repository.spelled(versions, {way for name in kinds for way in spellings(name)})
    alike = await repository.matching(versions, set(kinds.values()))
    return {
        document_id: frozenset(
            name
            for name, kind in kinds.items()
            if kind in alike.get(document_id, ()) and not spellings(name) & said.get(document_id, set())
        )
        for document_id, _ in versions
    }


async def _near(db: AsyncSession, who: Principal, subject: str, documents: Collection[UUID]) -> dict[UUID, float]:
    vectors = await embeddings.active(db)
    vector = await query_vector(db, who, vectors, subject)
    return await PassageRepository(db, who).nearest_of(documents, vectors.space, vector)


def _share(terms: Collection[str], said: Collection[str], weights: Mapping[str, float]) -> float:
    most = sum(weights.get(term, 0.0) for term in terms)
    return sum(weights.get(term, 0.0) for term in terms if term in said) / most if most else 0.0
