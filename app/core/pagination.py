"""Keyset pages: an opaque cursor, and an RFC 8288 `Link` header that carries the next one.

A cursor is the sort values of the last row and its id, so pages neither skip nor repeat when rows come and go.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Query, Request, Response

from app.core.errors import Invalid

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="Rows on a page.")]
Cursor = Annotated[str | None, Query(max_length=500, description="From the `Link` header of the page before.")]


class BadCursor(Invalid):
    code = "cursor_invalid"
    title = "The cursor is not valid"
    detail = "Use a cursor as it came in a Link header, with the same filters and sort."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    rows: Sequence[T]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[Any]) -> str:
    plain = [{"t": v.isoformat()} if isinstance(v, datetime) else v for v in values]
    return base64.urlsafe_b64encode(json.dumps(plain, separators=(",", ":"), default=str).encode()).decode().rstrip("=")


def decode_cursor(cursor: str, *, size: int) -> list[Any]:
    """The values that `encode_cursor` was given; raises BadCursor for anything else than `size` scalars."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != size:
            raise BadCursor
        return [datetime.fromisoformat(v["t"]) if isinstance(v, dict) else v for v in values]
    except (binascii.Error, ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadCursor from error


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Point to the next page, if there is one, keeping the request's own filters."""
    if cursor is not None:
        target = request.url.include_query_params(cursor=cursor)
        response.headers["Link"] = f'<{target.path}?{target.query}>; rel="next"'
