"""What a search asks the database, put into words once: a dozen statements a search would cost more than their rows."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import text

from app.core.db import Question
from app.core.vectors.base import Space

EF_SEARCH = 200
"""Candidates of a walk; pgvector's own 40 would give fewer than are asked for."""

TITLE_TERMS = Question(
    text(
        """
        SELECT document_id, document_versions.version,
            tsvector_to_array(to_tsvector(CAST(CAST(:configuration AS text) AS regconfig), title))
        FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[])) AS asked (id, version)
        JOIN document_versions ON document_id = asked.id AND document_versions.version = asked.version
        """
    )
)

QUOTED = Question(
    text(
        """
        SELECT title, uri, substr(text, first + 1, last - first)
        FROM unnest(CAST(:ids AS uuid[]), CAST(:versions AS int[]), CAST(:firsts AS int[]), CAST(:ends AS int[]))
            WITH ORDINALITY AS asked (id, version, first, last, place)
        JOIN document_versions ON document_id = asked.id AND document_versions.version = asked.version
        ORDER BY place
        """
    )
)


def _readable(some: bool) -> str:
    """Searched passages; `some`: those that one of `readers` may see."""
    return "search IS NOT NULL" + (" AND chunks.readers && CAST(:readers AS text[])" if some else "")


@lru_cache
def by_words(some: bool) -> Question:
    """A look-up for each term, then their weights added up: what has no term is never read, and of a common one no more
    than `read` rows, whoever may see them."""
    return Question(
        text(
            f"""
            SELECT chunks.id
            FROM unnest(CAST(CAST(:terms AS text[]) AS tsquery[]), CAST(:weights AS float8[])) AS asked (term, weight)
            CROSS JOIN LATERAL (
                SELECT id, readers, search FROM chunks WHERE search @@ asked.term LIMIT CAST(:read AS int)
            ) AS chunks
            WHERE {_readable(some)}
            GROUP BY chunks.id ORDER BY sum(asked.weight) DESC, chunks.id LIMIT CAST(:most AS int)
            """  # noqa: S608 - constants
        )
    )


@lru_cache
def compared(space: Space, some: bool) -> Question:
    kind = f"vector({int(space.dimensions)})"
    # Of a passage's words only those asked for are unpacked: they are marked, and the rest is left out.
    return Question(
        text(
            f"""
            SELECT chunks.id, document_id, version, position, start, "end", words,
                coalesce(1 - (chunk_embeddings.vector::{kind} <=> CAST(:vector AS {kind})), 0)::float8,
                (
                    SELECT jsonb_object_agg(lexeme, greatest(cardinality(positions), 1))
                    FROM unnest(ts_filter(setweight(search, 'A', CAST(:terms AS text[])), '{{a}}'))
                    WHERE lexeme = ANY(CAST(:terms AS text[]))
                )
            FROM chunks
            LEFT JOIN chunk_embeddings ON chunk_id = chunks.id AND set_id = {int(space.id)}
            WHERE {_readable(some)} AND chunks.id = ANY(CAST(:ids AS uuid[]))
            """  # noqa: S608 - constants
        )
    )


@lru_cache
def nearest(space: Space, some: bool) -> Question:
    """By the graph, which is over half precision. What a walk may do is told within the statement, and for it alone.

    pgvector walks on until enough rows pass the filter, and leaves out none that is met late: whoever asks puts them
    in order.
    """
    kind = f"halfvec({int(space.dimensions)})"
    # IS TRUE: else the index over readers might be taken instead of the graph.
    mine = " AND (readers && CAST(:readers AS text[])) IS TRUE" if some else ""
    # That it was told is a condition of the walk, so that it comes first.
    return Question(
        text(
            f"""
            WITH walk AS MATERIALIZED (
                SELECT set_config('hnsw.ef_search', '{EF_SEARCH}', true)
                    || set_config('hnsw.iterative_scan', 'relaxed_order', true) AS told
            )
            SELECT near.chunk_id, near.far FROM walk CROSS JOIN LATERAL (
                SELECT chunk_id, vector::{kind} <=> CAST(:vector AS {kind}) AS far
                FROM chunk_embeddings WHERE set_id = {int(space.id)}{mine} AND walk.told IS NOT NULL
                ORDER BY far LIMIT CAST(:most AS int)
            ) AS near
            """  # noqa: S608 - constants
        )
    )


@lru_cache
def nearest_of_all(space: Space, some: bool) -> Question:
    """By comparing whole numbers, which leaves the graph aside."""
    kind = f"vector({int(space.dimensions)})"
    mine = " AND readers && CAST(:readers AS text[])" if some else ""
    return Question(
        text(
            f"SELECT chunk_id, vector::{kind} <=> CAST(:vector AS {kind}) AS far FROM chunk_embeddings "  # noqa: S608 - constants
            f"WHERE set_id = {int(space.id)}{mine} ORDER BY far LIMIT CAST(:most AS int)"
        )
    )


@lru_cache
def estimated(space: Space) -> Question:
    return Question(
        text(
            "EXPLAIN (FORMAT JSON) SELECT FROM chunk_embeddings "
            f"WHERE set_id = {int(space.id)} AND readers && CAST(:readers AS text[])"
        )
    )


def written(vector: Sequence[Any]) -> str:
    """As pgvector reads it."""
    return f"[{','.join([repr(float(value)) for value in vector])}]"
