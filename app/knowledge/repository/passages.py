"""Passages of the newest versions, by words; who may read them is part of every query."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import Vector
from sqlalchemy import (
    Float,
    Integer,
    Row,
    Select,
    Text,
    Uuid,
    cast,
    func,
    literal,
    literal_column,
    select,
    text,
    tuple_,
)
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from app.core import words
from app.core.auth import Principal
from app.core.vectors.base import Space
from app.knowledge.repository.documents import readable
from app.models.knowledge import Chunk, ChunkEmbedding, DocumentVersion

COUNTED_MOST = 5_000
"""A term in more passages than these is common; how common exactly no longer matters."""
_SAMPLED = 5_000


@dataclass(frozen=True, slots=True)
class Corpus:
    passages: int
    mean_words: float


# What statistics say is common is not counted: that would read most of the table.
_FREQUENCIES = text(
    f"""
    WITH known AS MATERIALIZED (
        SELECT stats.term, stats.share * greatest(pg_class.reltuples, 0) AS number
        FROM pg_stats
        JOIN pg_class ON pg_class.oid = 'chunks'::regclass
        JOIN pg_namespace ON pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = pg_stats.schemaname
        CROSS JOIN LATERAL unnest(most_common_elems::text::text[], most_common_elem_freqs) AS stats (term, share)
        WHERE pg_stats.tablename = 'chunks' AND pg_stats.attname = 'search' AND stats.term = ANY(CAST(:terms AS text[]))
    )
    SELECT asked.term, CASE WHEN known.number > {COUNTED_MOST * 5 // 4} THEN {COUNTED_MOST} ELSE (
        SELECT count(*) FROM (
            SELECT FROM chunks WHERE search @@ CAST(
                '''' || replace(replace(asked.term, E'\\\\', E'\\\\\\\\'), '''', '''''') || '''' AS tsquery
            ) LIMIT {COUNTED_MOST}
        ) AS few
    ) END
    FROM unnest(CAST(:terms AS text[])) AS asked (term) LEFT JOIN known ON known.term = asked.term
    """  # noqa: S608 - a constant
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A query's terms, each with the number of passages that have it, of all that are searched."""

    terms: dict[str, int]
    corpus: Corpus


class PassageRepository:
    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    async def asked(self, query: str, configurations: Sequence[str]) -> Asked:
        """The query's stems and its words as they stand, in each of these configurations, and how common they are."""
        vectors = [func.to_tsvector(cast(literal(name), REGCONFIG), query) for name in configurations]
        arrays = [func.tsvector_to_array(vector) for vector in vectors]
        rows = (await self.db.execute(select(*arrays))).one()
        terms = list(dict.fromkeys(term for array in rows for term in array))
        return Asked(await self.frequencies(terms) if terms else {}, await self.corpus())

    async def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """In how many passages each term is, counted up to `COUNTED_MOST`. Terms in none are left out."""
        rows = await self.db.execute(_FREQUENCIES, {"terms": list(terms)})
        return {term: number for term, number in rows if number}

    async def corpus(self) -> Corpus:
        """How many passages are searched and how long they are on average; of many, as last estimated."""
        some = select(Chunk.words).where(Chunk.search.is_not(None)).limit(_SAMPLED).subquery()
        seen, mean = (await self.db.execute(select(func.count(), func.avg(some.c.words).cast(Float)))).one()
        if seen < _SAMPLED:
            return Corpus(seen, mean or 1.0)
        estimate = text("SELECT reltuples::bigint FROM pg_class WHERE oid = 'chunks'::regclass")
        return Corpus(max(seen, (await self.db.execute(estimate)).scalar_one()), mean)

    async def by_words(self, weights: Mapping[str, float], *, limit: int) -> list[UUID]:
        """Passages with the heaviest terms; how often a term comes is left to `compared`."""
        query = self._visible(Chunk.id).where(words.any_of(Chunk.search, weights))
        heaviest = words.heaviness(Chunk.search, weights).desc()
        return list((await self.db.execute(query.order_by(heaviest, Chunk.id).limit(limit))).scalars())

    async def compared(
        self, ids: Collection[UUID], space: Space, vector: Any | None, terms: Collection[str]
    ) -> Sequence[Row[Any]]:
        """Place, length, cosine, and how often each term comes, of these passages. One without a vector, or compared
        with none, has the cosine 0."""
        near = literal(0.0) if vector is None else func.coalesce(1 - _distance(space, vector), 0.0).cast(Float)
        query = self._visible(
            Chunk.id,
            Chunk.document_id,
            Chunk.version,
            Chunk.position,
            Chunk.start,
            Chunk.end,
            Chunk.words,
            near.label("cosine"),
            words.counts(Chunk.search, terms).label("counts"),
        ).where(Chunk.id == func.any(cast(list(ids), ARRAY(Uuid))))
        return (await self.db.execute(_with_vectors(query, space))).all()

    async def titles(self, versions: Collection[tuple[UUID, int]]) -> dict[tuple[UUID, int], Any]:
        """Title and address, in the order asked for; access to the passages is checked before."""
        query = select(
            DocumentVersion.document_id, DocumentVersion.version, DocumentVersion.title, DocumentVersion.uri
        ).where(tuple_(DocumentVersion.document_id, DocumentVersion.version).in_(list(versions)))
        found: Sequence[Any] = (await self.db.execute(query)).all()
        rows = {(row.document_id, row.version): row for row in found}
        return {key: rows[key] for key in versions}

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

    async def quoted(self, document_id: UUID, version: int, start: int, end: int) -> Row[Any]:
        """Title, address and the text between two characters; access to the passages is checked before."""
        return (await self.all_quoted([(document_id, version, start, end)]))[0]

    async def all_quoted(self, spans: Sequence[tuple[UUID, int, int, int]]) -> list[Row[Any]]:
        """Of each document, version, first character and end; in the same order."""
        columns = zip(*spans, strict=True)
        kinds = (Uuid, Integer, Integer, Integer)
        arrays = [func.unnest(cast(list(column), ARRAY(kind))) for column, kind in zip(columns, kinds, strict=True)]
        names = ("document_id", "version", "first", "last")
        asked = select(
            *(array.label(name) for array, name in zip(arrays, names, strict=True)),
            func.generate_series(1, len(spans)).label("place"),
        ).subquery()
        said = func.substr(DocumentVersion.text, asked.c.first + 1, asked.c.last - asked.c.first)
        query = (
            select(DocumentVersion.title, DocumentVersion.uri, said.label("text"))
            .join(
                asked,
                (DocumentVersion.document_id == asked.c.document_id) & (DocumentVersion.version == asked.c.version),
            )
            .order_by(asked.c.place)
        )
        return list((await self.db.execute(query)).all())

    def _visible(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        return select(*columns).where(Chunk.search.is_not(None), readable(self.who, Chunk.readers))


def _with_vectors(query: Select[*tuple[Any, ...]], space: Space) -> Select[*tuple[Any, ...]]:
    theirs = (ChunkEmbedding.chunk_id == Chunk.id) & (ChunkEmbedding.set_id == space.id)
    return query.outerjoin(ChunkEmbedding, theirs)


def _distance(space: Space, vector: Any) -> Any:
    kind = Vector(space.dimensions)
    asked = cast([float(value) for value in vector], kind)
    return cast(ChunkEmbedding.vector, kind).op("<=>", return_type=Float)(asked)


def _lexeme(term: Any) -> Any:
    # Quoted, so that no character of it is taken for an operator.
    escaped = func.replace(func.replace(term, "\\", "\\\\"), "'", "''")
    return cast(func.concat("'", escaped, "'"), TSQUERY)
