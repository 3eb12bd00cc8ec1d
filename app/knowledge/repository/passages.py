"""Passages of the newest versions, by words; who may read them is part of every query."""

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    Float,
    Row,
    Select,
    Text,
    cast,
    func,
    literal,
    literal_column,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import words
from app.core.auth import Principal
from app.core.db import Question, rows_of
from app.core.vectors.base import Space
from app.core.words import Asked, Words
from app.knowledge.repository import queries
from app.knowledge.repository.documents import readable, readers_of
from app.models.knowledge import Chunk, ChunkEmbedding, DocumentVersion

_WORDS = Words("chunks", "search", "words", sampled=5_000, readers="readers")


class Compared(NamedTuple):
    id: UUID
    document_id: UUID
    version: int
    position: int
    start: int
    end: int
    words: int
    cosine: float
    counts: dict[str, int] | None


class Quoted(NamedTuple):
    title: str
    uri: str | None
    text: str


class PassageRepository:
    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    async def asked(self, query: str, configurations: Sequence[str]) -> Asked:
        """The query's stems and its words as they stand, in each of these configurations, and how common they are."""
        return await _WORDS.of_query(self.db, query, configurations, readers=readers_of(self.who))

    async def counted(self, terms: Collection[str]) -> Asked:
        """How common these are: in how many passages each is, up to `COUNTED_MOST`. Terms in none are left out."""
        return await _WORDS.of_terms(self.db, terms, readers=readers_of(self.who))

    async def by_words(
        self, weights: Mapping[str, float], *, beside: Mapping[str, Collection[str]], read: int, limit: int
    ) -> list[UUID]:
        """Passages with the heaviest terms; how often a term comes is left to `compared`. A term counts where one of
        those `beside` it is said as well, if there are any; of a common one no more than `read` are looked at."""
        if not weights:
            return []
        asked = [words.beside(term, beside[term]) for term in weights]
        values = {"terms": asked, "weights": list(weights.values()), "read": read, "most": limit}
        return [row[0] for row in await self._mine(queries.by_words, **values)]

    async def compared(
        self, ids: Collection[UUID], space: Space, vector: Any | None, terms: Collection[str]
    ) -> list[Compared]:
        """Place, length, cosine, and how often each term comes, of these passages. One without a vector, or compared
        with none, has the cosine 0."""
        asked = None if vector is None else queries.written(vector)
        rows = await self._mine(partial(queries.compared, space), ids=list(ids), vector=asked, terms=list(terms))
        return [Compared(*row) for row in rows]

    async def titles(self, versions: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Any]:
        """Title and address, in the order asked for; access to the passages is checked before."""
        query = select(
            DocumentVersion.document_id, DocumentVersion.version, DocumentVersion.title, DocumentVersion.uri
        ).where(tuple_(DocumentVersion.document_id, DocumentVersion.version).in_(list(versions)))
        found: Sequence[Any] = (await self.db.execute(query)).all()
        rows = {(row.document_id, row.version): row for row in found}
        return {key: rows[key] for key in versions}

    async def title_terms(self, versions: Collection[tuple[UUID, int]], name: str) -> dict[tuple[UUID, int], list[str]]:
        """The stems of their titles; access to the passages is checked before."""
        ids, numbers = [one for one, _ in versions], [number for _, number in versions]
        rows = await rows_of(self.db, queries.TITLE_TERMS, {"ids": ids, "versions": numbers, "configuration": name})
        return {(document_id, version): list(terms) for document_id, version, terms in rows}

    async def sections(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """The heading that each of these passages stands under, empty where there is none; access is checked before."""
        query = select(Chunk.id, Chunk.headings).where(Chunk.id.in_(ids))
        return {chunk_id: headings[-1] if headings else "" for chunk_id, headings in await self.db.execute(query)}

    async def term_lists(self, texts: Sequence[str], name: str) -> list[list[str]]:
        """The stems of each text, in the same order."""
        given = func.unnest(cast(list(texts), ARRAY(Text))).table_valued("said", with_ordinality="place")
        given = given.render_derived()
        stems = func.tsvector_to_array(func.to_tsvector(cast(literal(name), REGCONFIG), given.c.said))
        return [list(terms) for (terms,) in await self.db.execute(select(stems).order_by(given.c.place))]

    async def said_by(self, documents: Collection[UUID], terms: Collection[str]) -> dict[UUID, list[set[str]]]:
        """Of each document, for each of its passages, which of the terms it says."""
        lexemes = func.tsvector_to_array(Chunk.search)
        said = (
            select(func.array_agg(literal_column("term")))
            .select_from(func.unnest(lexemes).alias("term"))
            .where(literal_column("term") == func.any(cast(list(terms), ARRAY(Text))))
            .scalar_subquery()
        )
        found: dict[UUID, list[set[str]]] = {}
        query = self._visible(Chunk.document_id, said).where(Chunk.document_id.in_(documents))
        for document_id, spoken in await self.db.execute(query):
            found.setdefault(document_id, []).append(set(spoken or ()))
        return found

    async def spelled(self, versions: Collection[tuple[UUID, int]], words: Collection[str]) -> dict[UUID, set[str]]:
        """Which of the words, in lower case, stand in title or text, letter by letter; access is checked before."""
        return await self._texts_where(versions, words, lambda text, word: func.strpos(text, word) > 0)

    async def matching(self, versions: Collection[tuple[UUID, int]], patterns: Collection[str]) -> dict[UUID, set[str]]:
        """Which of the regular expressions match in title or text, in lower case; access is checked before."""
        return await self._texts_where(versions, patterns, lambda text, pattern: text.op("~")(pattern))

    async def _texts_where(
        self, versions: Collection[tuple[UUID, int]], words: Collection[str], holds: Callable[[Any, Any], Any]
    ) -> dict[UUID, set[str]]:
        word = func.unnest(cast(list(words), ARRAY(Text))).table_valued("word").render_derived()
        text_of = func.lower(func.concat(DocumentVersion.title, " ", DocumentVersion.text))
        query = select(DocumentVersion.document_id, word.c.word).join(word, holds(text_of, word.c.word))
        query = query.where(tuple_(DocumentVersion.document_id, DocumentVersion.version).in_(list(versions)))
        found: dict[UUID, set[str]] = {}
        for document_id, spelled in await self.db.execute(query):
            found.setdefault(document_id, set()).add(spelled)
        return found

    async def nearest_of(self, documents: Collection[UUID], space: Space, vector: Any) -> dict[UUID, float]:
        """The cosine of each document's nearest passage."""
        near = func.max(1 - _distance(space, vector)).cast(Float)
        query = _with_vectors(self._visible(Chunk.document_id, near), space).where(
            Chunk.document_id.in_(documents), ChunkEmbedding.vector.is_not(None)
        )
        rows: Sequence[Any] = (await self.db.execute(query.group_by(Chunk.document_id))).all()
        return dict(rows)

    async def at(self, document_id: UUID, version: int, positions: Collection[int]) -> Sequence[Row[Any]]:
        """Id, position, start and end of a document's passages at these places, in their order."""
        query = self._visible(Chunk.id, Chunk.position, Chunk.start, Chunk.end).where(
            Chunk.document_id == document_id, Chunk.version == version, Chunk.position.in_(positions)
        )
        return (await self.db.execute(query.order_by(Chunk.position))).all()

    async def texts(self, ids: Collection[UUID]) -> dict[UUID, str]:
        """What these passages say, by their ids."""
        whole = DocumentVersion
        said = func.substr(whole.text, Chunk.start + 1, Chunk.end - Chunk.start)
        same = (whole.document_id == Chunk.document_id) & (whole.version == Chunk.version)
        query = self._visible(Chunk.id, said).join(whole, same).where(Chunk.id.in_(ids))
        rows: Sequence[Any] = (await self.db.execute(query)).all()
        return dict(rows)

    async def quoted(self, document_id: UUID, version: int, start: int, end: int) -> Quoted:
        """Title, address and the text between two characters; access to the passages is checked before."""
        return (await self.all_quoted([(document_id, version, start, end)]))[0]

    async def all_quoted(self, spans: Sequence[tuple[UUID, int, int, int]]) -> list[Quoted]:
        """Of each document, version, first character and end; in the same order."""
        columns = dict(zip(("ids", "versions", "firsts", "ends"), map(list, zip(*spans, strict=True)), strict=True))
        return [Quoted(*row) for row in await rows_of(self.db, queries.QUOTED, columns)]

    async def _mine(self, made: Callable[[bool], Question], **values: Any) -> Sequence[Sequence[Any]]:
        """Among what the viewer may see; `made` is told whether that is not everything."""
        mine = readers_of(self.who)
        return await rows_of(self.db, made(mine is not None), values if mine is None else {"readers": mine, **values})

    def _visible(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        return select(*columns).where(Chunk.search.is_not(None), readable(self.who, Chunk.readers))


def _with_vectors(query: Select[*tuple[Any, ...]], space: Space) -> Select[*tuple[Any, ...]]:
    theirs = (ChunkEmbedding.chunk_id == Chunk.id) & (ChunkEmbedding.set_id == space.id)
    return query.outerjoin(ChunkEmbedding, theirs)


def _distance(space: Space, vector: Any) -> Any:
    kind = Vector(space.dimensions)
    asked = cast([float(value) for value in vector], kind)
    return cast(ChunkEmbedding.vector, kind).op("<=>", return_type=Float)(asked)
