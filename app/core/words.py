"""Words in a column of PostgreSQL's text search, of whichever table: how common they are, and how often a row has them.

What is made of these figures is `app.knowledge.ranking`'s affair.
"""

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Float, ScalarSelect, Text, cast, func, literal, literal_column, null, select
from sqlalchemy.dialects.postgresql import ARRAY, REGCONFIG, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession


async def terms_of(db: AsyncSession, text: str, configuration: str) -> list[str]:
    """The text's stems as a column of this configuration has them, each once."""
    vector = func.to_tsvector(cast(literal(configuration), REGCONFIG), text)
    return list((await db.execute(select(func.tsvector_to_array(vector)))).scalar_one())


async def frequencies(db: AsyncSession, column: Any, terms: Collection[str], *, most: int) -> dict[str, int]:
    """In how many rows each term is, counted up to `most`. Terms in none are left out."""
    if not terms:
        return {}
    asked = func.unnest(cast(list(terms), ARRAY(Text))).table_valued("term").render_derived()
    few = select(literal(1)).where(column.op("@@")(_lexeme(asked.c.term))).limit(most)
    count = select(func.count()).select_from(few.correlate(asked).subquery()).scalar_subquery()
    rows = await db.execute(select(asked.c.term, count.label("count")).select_from(asked))
    return {term: number for term, number in rows if number}


def any_of(column: Any, terms: Collection[str]) -> ColumnElement[bool]:
    found: ColumnElement[bool] = column.op("@@")(cast(" | ".join(quoted(term) for term in terms), TSQUERY))
    return found


def heaviness(column: Any, weights: Mapping[str, float]) -> ScalarSelect[Any]:
    """The weight of the terms that a row has, however often."""
    # Arrays, not a condition for each term: the database need not read a new statement for every query.
    terms = cast(cast([quoted(term) for term in weights], ARRAY(Text)), ARRAY(TSQUERY))
    asked = func.unnest(terms, cast(list(weights.values()), ARRAY(Float))).table_valued("term", "weight")
    asked = asked.render_derived()
    heavy = select(func.sum(asked.c.weight)).where(column.op("@@")(asked.c.term))
    return heavy.correlate(column.table).scalar_subquery()


def counts(column: Any, terms: Collection[str]) -> ScalarSelect[Any] | ColumnElement[Any]:
    """How often a row has each of the terms, as a JSON object; NULL for none."""
    if not terms:
        return null()
    # Only those asked for are unpacked: they are marked, and the rest is left out.
    mark: ColumnElement[Any] = literal_column("'A'::\"char\"")
    marks: ColumnElement[Any] = literal_column("'{a}'::\"char\"[]")
    marked = func.ts_filter(func.setweight(column, mark, cast(list(terms), ARRAY(Text))), marks)
    lexemes = func.unnest(marked).table_valued("lexeme", "positions", "weights").render_derived()
    often = func.greatest(func.cardinality(lexemes.c.positions), 1)
    asked = func.any(cast(list(terms), ARRAY(Text)))
    query = select(func.jsonb_object_agg(lexemes.c.lexeme, often)).where(lexemes.c.lexeme == asked)
    return query.correlate(column.table).scalar_subquery()


def _lexeme(term: Any) -> Any:
    # Quoted, so that no character of it is taken for an operator.
    escaped = func.replace(func.replace(term, "\\", "\\\\"), "'", "''")
    return cast(func.concat("'", escaped, "'"), TSQUERY)


def quoted(term: str) -> str:
    escaped = term.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"
