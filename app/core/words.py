"""Words in a column of PostgreSQL's text search, of whichever table: how common they are, and how often a row has them.

What is made of these figures is `app.knowledge.ranking`'s affair.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Float, ScalarSelect, Text, cast, func, literal_column, null, select, text
from sqlalchemy.dialects.postgresql import ARRAY, TSQUERY
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.db import Question, rows_of

COUNTED_MOST = 5_000
"""A term in more rows than these is common; how common exactly no longer matters."""
MANY = 50_000
"""Of more rows than these a term is counted in `_COUNTED_OF_MANY`; how far in the table that was tells the rest."""
_COUNTED_OF_MANY, _SAMPLED_OF_MANY = 500, 500
_OF_QUERY = (
    "unnest(CAST(:configurations AS text[])) AS name, "
    "unnest(tsvector_to_array(to_tsvector(CAST(name AS regconfig), CAST(:query AS text)))) AS term"
)
_OF_TERMS = "unnest(CAST(:terms AS text[])) AS term"


@dataclass(frozen=True, slots=True)
class Corpus:
    rows: int
    mean_words: float


@dataclass(frozen=True, slots=True)
class Asked:
    """Terms, each with the number of rows that have it, of all that have words."""

    terms: dict[str, int]
    corpus: Corpus


class Words:
    """Of one column. `length` is how many words a row has, in SQL; their mean is that of `sampled` rows, of fewer when
    there are many. `readers` is the column that names who may see a row: of a rare term only rows that the asker may
    see are counted, so that no figure tells of others; a common one is common for everybody."""

    def __init__(self, table: str, column: str, length: str, *, sampled: int, readers: str | None = None) -> None:
        mine = "TRUE" if readers is None else f"{readers} && CAST(:readers AS text[])"
        self._of_query, self._of_terms = (
            {some: _counting(terms, table, column, length, sampled, mine if some else "TRUE") for some in (False, True)}
            for terms in (_OF_QUERY, _OF_TERMS)
        )

    async def of_query(
        self, db: AsyncSession, query: str, configurations: Sequence[str], *, readers: Sequence[str] | None = None
    ) -> Asked:
        """Its stems, or its words as they stand, in each of these configurations, and how common they are."""
        values = {"query": query, "configurations": list(configurations)}
        return await _asked(db, self._of_query, values, readers)

    async def of_terms(
        self, db: AsyncSession, terms: Collection[str], *, readers: Sequence[str] | None = None
    ) -> Asked:
        """How common these are: in how many rows each is, up to `COUNTED_MOST`. Terms in none are left out."""
        return await _asked(db, self._of_terms, {"terms": list(terms)}, readers)


async def _asked(
    db: AsyncSession, counting: Mapping[bool, Question], values: Mapping[str, Any], readers: Sequence[str] | None
) -> Asked:
    mine = {} if readers is None else {"readers": list(readers)}
    rows = await rows_of(db, counting[readers is not None], {**values, **mine})
    known = {term: number for term, number, *_ in rows if number}
    return Asked(known, Corpus(rows[0][2], rows[0][3] or 1.0) if rows else Corpus(0, 1.0))


def _counting(terms: str, table: str, column: str, length: str, sampled: int, mine: str) -> Question:
    """Each of the terms with its number of rows, and beside it how many have words and their mean length.

    Many rows are as last estimated. What statistics say is common is not counted: that would read most of the table.
    The others are counted in the table's order, and of many rows only the first: all of them lie too far apart to be
    read for a figure of which the logarithm is taken.
    """
    return Question(
        text(
            f"""
            WITH asked AS MATERIALIZED (SELECT DISTINCT term FROM {terms}),
            size AS MATERIALIZED (
                SELECT greatest(reltuples, 0)::bigint AS number, relpages AS pages,
                    CASE WHEN reltuples > {MANY} THEN {_SAMPLED_OF_MANY} ELSE {sampled} END AS sampled,
                    CASE WHEN reltuples > {MANY} THEN {_COUNTED_OF_MANY} ELSE {COUNTED_MOST} END AS counted
                FROM pg_class WHERE oid = '{table}'::regclass
            ),
            known AS MATERIALIZED (
                SELECT stats.term, stats.share * size.number AS number
                FROM pg_stats
                JOIN pg_class ON pg_class.oid = '{table}'::regclass
                JOIN pg_namespace
                    ON pg_namespace.oid = pg_class.relnamespace AND pg_namespace.nspname = pg_stats.schemaname
                CROSS JOIN LATERAL unnest(most_common_elems::text::text[], most_common_elem_freqs)
                    AS stats (term, share)
                CROSS JOIN size
                WHERE pg_stats.tablename = '{table}' AND pg_stats.attname = '{column}'
                AND stats.term = ANY(ARRAY(SELECT term FROM asked))
            ),
            corpus AS MATERIALIZED (
                SELECT count(*) AS seen, avg(sample.words)::float8 AS mean
                FROM (
                    SELECT {length} AS words FROM {table} WHERE {column} IS NOT NULL LIMIT (SELECT sampled FROM size)
                ) AS sample
            )
            SELECT asked.term, CASE WHEN known.number > {COUNTED_MOST * 5 // 4} THEN {COUNTED_MOST} ELSE (
                SELECT CASE
                    WHEN count(*) < size.counted THEN count(*) FILTER (WHERE mine)
                    ELSE least({COUNTED_MOST}, count(*) * greatest(1, size.pages / (1 + max(page))))
                END::bigint
                FROM (
                    SELECT (ctid::text::point)[0] AS page, {mine} AS mine FROM {table} WHERE {column} @@ CAST(
                        '''' || replace(replace(asked.term, E'\\\\', E'\\\\\\\\'), '''', '''''') || '''' AS tsquery
                    ) LIMIT (SELECT counted FROM size)
                ) AS few
            ) END,
            CASE WHEN corpus.seen < size.sampled THEN corpus.seen ELSE greatest(corpus.seen, size.number) END,
            corpus.mean
            FROM asked CROSS JOIN corpus CROSS JOIN size LEFT JOIN known ON known.term = asked.term
            """  # noqa: S608 - names of ours
        )
    )


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


def quoted(term: str) -> str:
    escaped = term.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def beside(term: str, others: Collection[str]) -> str:
    """A condition: the term, and one of the others if there are any."""
    return f"{quoted(term)} & ({' | '.join(quoted(other) for other in others)})" if others else quoted(term)
