"""Keyset pages: an opaque cursor, and an RFC 8288 `Link` header that carries the next one.

A cursor is the sort values of the last row and its id, so pages neither skip nor repeat when rows come and go.
"""

import base64
import binascii
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request, Response

from app.core.errors import Invalid
from app.core.schemas import BIGINT_MAX

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=100, description="Rows on a page.")]
Cursor = Annotated[str | None, Query(max_length=4000, description="From the `Link` header of the page before.")]


class BadCursor(Invalid):
    code = "cursor_invalid"
    title = "The cursor is not valid"
    detail = "Use a cursor as it came in a Link header, with the same filters and sort."


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    rows: Sequence[T]
    next_cursor: str | None = None


def encode_cursor(values: Sequence[Any]) -> str:
    plain = [_tagged(value) for value in values]
    text = json.dumps(plain, separators=(",", ":"), ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _tagged(value: Any) -> Any:
    if isinstance(value, datetime):
        return {"t": value.isoformat()}
    return {"u": str(value)} if isinstance(value, UUID) else value


def _untagged(value: Any) -> Any:
    if isinstance(value, dict):
        return UUID(value["u"]) if "u" in value else datetime.fromisoformat(value["t"]).astimezone(UTC)
    if not _storable(value):
        raise BadCursor
    return value


def _storable(value: Any) -> bool:
    """Whether the database could have such a value: anybody can write a cursor."""
    if isinstance(value, str):
        # Raises UnicodeEncodeError, a ValueError, for half a character.
        return b"\0" not in value.encode()
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool) and abs(value) <= BIGINT_MAX


def decode_cursor(cursor: str, *, size: int) -> list[Any]:
    """The values that `encode_cursor` was given; raises BadCursor for anything else than `size` scalars."""
    try:
        values = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
        if not isinstance(values, list) or len(values) != size:
            raise BadCursor
        return [_untagged(value) for value in values]
    except (binascii.Error, ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise BadCursor from error


def link_next(request: Request, response: Response, cursor: str | None) -> None:
    """Point to the next page, if there is one, keeping the request's own filters."""
    if cursor is not None:
        asked = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
        query = urlencode([*asked, ("cursor", cursor)])
        response.headers["Link"] = f'<{request.url.path}?{query}>; rel="next"'
