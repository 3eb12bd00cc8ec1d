"""Passages of the newest versions, by words and by vector; both filter by reader inside the query."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import (
    Float,
    Integer,
    Row,
    Select,
    Text,
    case,
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

from app.core.auth import Principal
from app.knowledge.repository.documents import readable
from app.models.knowledge import Chunk, DocumentVersion

COUNTED_MOST = 5_000
"""A term in more passages than these is common; how common exactly no longer matters."""
_SAMPLED = 5_000


@dataclass(frozen=True, slots=True)
class Corpus:
    passages: int
    mean_words: float


class PassageRepository:
    def __init__(self, db: AsyncSession, who: Principal) -> None:
        self.db = db
        self.who = who

    async def terms(self, query: str, configurations: Sequence[str]) -> list[str]:
        """The query's stems, and its words as they stand, in each of these configurations."""
        vectors = [func.to_tsvector(cast(literal(name), REGCONFIG), query) for name in configurations]
        arrays = [func.tsvector_to_array(vector) for vector in vectors]
        rows = (await self.db.execute(select(*arrays))).one()
        return list(dict.fromkeys(term for array in rows for term in array))

    async def frequencies(self, terms: Collection[str]) -> dict[str, int]:
        """In how many passages each term is, counted up to `COUNTED_MOST`. Terms in none are left out."""
        asked = func.unnest(cast(list(terms), ARRAY(Text))).table_valued("term").render_derived()
        few = select(literal(1)).where(Chunk.search.op("@@")(_lexeme(asked.c.term))).limit(COUNTED_MOST)
        count = select(func.count()).select_from(few.correlate(asked).subquery()).scalar_subquery()
        rows = await self.db.execute(select(asked.c.term, count.label("count")).select_from(asked))
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
        """Passages with the heaviest terms; how often a term comes is left to `term_counts`."""
        asked = cast(" | ".join(_quoted(term) for term in weights), TSQUERY)
        heavy = sum(
            (
                case((Chunk.search.op("@@")(cast(_quoted(term), TSQUERY)), weight), else_=0.0)
                for term, weight in weights.items()
            ),
            literal(0.0),
        )
        query = self._visible(Chunk.id).where(Chunk.search.op("@@")(asked))
        return list((await self.db.execute(query.order_by(heavy.desc(), Chunk.id).limit(limit))).scalars())

    async def nearest(self, vector: Any, model: str, *, limit: int) -> list[UUID]:
        distance = Chunk.vector.cosine_distance(vector)
        query = self._visible(Chunk.id).where(Chunk.model == model, Chunk.vector.is_not(None))
        return list((await self.db.execute(query.order_by(distance).limit(limit))).scalars())

    async def compared(self, ids: Collection[UUID], vector: Any, model: str) -> Sequence[Row[Any]]:
        """Place, length and cosine of these passages."""
        near = (1 - Chunk.vector.cosine_distance(vector)).cast(Float).label("cosine")
        query = self._visible(
            Chunk.id, Chunk.document_id, Chunk.version, Chunk.position, Chunk.start, Chunk.end, Chunk.words, near
        )
        return (await self.db.execute(query.where(Chunk.id.in_(ids), Chunk.model == model))).all()

    async def term_counts(self, ids: Collection[UUID], terms: Collection[str]) -> dict[UUID, dict[str, int]]:
        """How often each term is in each of these passages."""
        counts = func.unnest(Chunk.search).table_valued("lexeme", "positions", "weights").render_derived()
        often = func.cardinality(counts.c.positions).cast(Integer)
        query = (
            self._visible(Chunk.id, counts.c.lexeme, often)
            .join(counts, literal(True))
            .where(Chunk.id.in_(ids), counts.c.lexeme == func.any(cast(list(terms), ARRAY(Text))))
        )
        found: dict[UUID, dict[str, int]] = {}
        for chunk_id, lexeme, number in await self.db.execute(query):
            found.setdefault(chunk_id, {})[lexeme] = number or 1
        return found

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

    async def nearest_of(self, documents: Collection[UUID], vector: Any, model: str) -> dict[UUID, float]:
        """The cosine of each document's nearest passage."""
        near = func.max(1 - Chunk.vector.cosine_distance(vector)).cast(Float)
        query = self._visible(Chunk.document_id, near).where(Chunk.document_id.in_(documents), Chunk.model == model)
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
        query = select(
            DocumentVersion.title,
            DocumentVersion.uri,
            func.substr(DocumentVersion.text, start + 1, end - start).label("text"),
        ).where(DocumentVersion.document_id == document_id, DocumentVersion.version == version)
        return (await self.db.execute(query)).one()

    def _visible(self, *columns: Any) -> Select[*tuple[Any, ...]]:
        return select(*columns).where(Chunk.search.is_not(None), readable(self.who, Chunk.readers))


def _lexeme(term: Any) -> Any:
    # Quoted, so that no character of it is taken for an operator.
    escaped = func.replace(func.replace(term, "\\", "\\\\"), "'", "''")
    return cast(func.concat("'", escaped, "'"), TSQUERY)


def _quoted(term: str) -> str:
    escaped = term.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
