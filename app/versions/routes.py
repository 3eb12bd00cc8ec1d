"""The four operations on the values of one subject: what is in force, its change, its history, its way back."""

from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from app.accounts.authentication import AdminUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.core.pagination import BadCursor, Cursor, Limit, link_next
from app.versions.schemas import ValueChanges, VersionOut, VersionRollback
from app.versions.service import Values


@dataclass(frozen=True, slots=True)
class Said:
    """What the document says of a subject: `name` as in `get_{name}`; then what its values are, how they are replaced,
    and what a rollback brings back."""

    name: str
    get: str
    update: str
    roll_back: str = "A new version with the values of an old one."


def versioned(
    prefix: str, values: Values[Any], said: Said, *, changes: type[ValueChanges], out: type[VersionOut]
) -> APIRouter:
    """For administrators. `changes` is the body of a change, `out` what is shown, with the subject's own fields."""
    router = APIRouter(
        route_class=IdempotentRoute,
        prefix=prefix,
        tags=["ai-config"],
        responses=documented(Unauthenticated, Forbidden, RateLimited),
    )

    @router.get("", name=f"get_{said.name}", description=said.get, response_model=out, responses=documented())
    async def get(_who: AdminUser, db: ReadSession) -> Any:
        return await values.shown(db)

    async def update(body: ValueChanges, who: AdminUser, db: WriteSession) -> Any:
        return await values.update(db, who, values=body.given())

    # Where the framework looks for the body's fields.
    update.__annotations__["body"] = changes
    router.put(
        "",
        name=f"update_{said.name}",
        description=said.update,
        response_model=out,
        responses=documented(values.invalid, TooLarge, Invalid),
    )(update)

    @router.get(
        "/history",
        name=f"{said.name}_history",
        response_model=list[out],  # type: ignore[valid-type] # read at run time
        responses=documented(BadCursor, Invalid),
    )
    async def history(
        who: AdminUser, db: ReadSession, request: Request, response: Response, cursor: Cursor = None, limit: Limit = 20
    ) -> Any:
        """Every version but the delivered one, newest first, with what it changed."""
        page = await values.history(db, who, cursor=cursor, limit=limit)
        link_next(request, response, page.next_cursor)
        return page.rows

    @router.post(
        "/rollback",
        name=f"roll_back_{said.name}",
        description=said.roll_back,
        response_model=out,
        responses=documented(
            values.invalid, values.unknown, IdempotencyKeyInvalid, IdempotencyConflict, TooLarge, Invalid
        ),
    )
    async def roll_back(body: VersionRollback, who: AdminUser, db: WriteSession) -> Any:
        return await values.roll_back(db, who, version=body.version)

    return router
