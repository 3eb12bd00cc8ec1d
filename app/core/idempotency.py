"""`Idempotency-Key` on any POST: the same key and body gives the stored answer, and the effect happens once.

The answer is written in the same transaction as the effect, so there is no moment at which a crash leaves one without
the other. Two concurrent requests with one key meet at the primary key: the second waits for the first to commit, its
own work is rolled back, and it is given the first one's answer. Refusals are not stored: they had no effect. All this
holds for the effects of `WriteSession`; of a route that opens its own units of work only the answer is kept.
"""

import base64
import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar

from cryptography.fernet import Fernet, InvalidToken
from fastapi import Request, Response
from fastapi.routing import APIRoute
from sqlalchemy import DateTime, LargeBinary, Text, column, delete, select, table
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.routing import Match
from starlette.types import Scope

from app.core.auth import Principal
from app.core.clock import now
from app.core.db import Database
from app.core.errors import BadRequest, Invalid
from app.core.http import StrictRequest, is_form

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
KEEP = timedelta(hours=24)
_MAX_KEY = 255
_BOUNDARY = re.compile(r"^multipart/.*;\s*boundary=\"?([^\";]+)", re.IGNORECASE)
_KEPT_HEADERS = ("content-type", "location", "etag", "link")

# The table itself is models.outbox.IdempotencyRecord; core knows no models, so it is named here by its columns.
_records = table(
    "idempotency_records",
    column("owner", Text),
    column("key", Text),
    column("fingerprint", LargeBinary),
    column("answer", LargeBinary),
    column("created_at", DateTime(timezone=True)),
)

Identify = Callable[[Request], Awaitable[Principal | None]]
"""Who sent this request, None when nobody valid did. Given by `accounts.authentication`, kept on `app.state`."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class IdempotencyConflict(Invalid):
    code = "idempotency_conflict"
    title = "The Idempotency-Key was used for something else"
    detail = "This key came before with a different request; use a new key for a new request."


class IdempotencyKeyInvalid(BadRequest):
    code = "idempotency_key_invalid"
    title = "The Idempotency-Key is not valid"
    detail = f"A key is 1 to {_MAX_KEY} visible ASCII characters."


@dataclass(frozen=True, slots=True)
class Answer:
    """A stored response: what is sent again."""

    status: int
    headers: dict[str, str]
    body: bytes

    def response(self) -> Response:
        return Response(self.body, self.status, headers={**self.headers, REPLAYED: "true"})


class _AnsweredMeanwhile(Exception):
    """Rolls this request's work back: another request with the same key has committed first."""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer


class AnswerBox:
    """Seals stored answers, since they may hold tokens that are otherwise kept only as hashes."""

    def __init__(self, secret: str) -> None:
        digest = hashlib.sha256(b"idempotency-answers:" + secret.encode()).digest()
        self._fernet = Fernet(base64.urlsafe_b64encode(digest))

    def seal(self, answer: Answer) -> bytes:
        head = json.dumps([answer.status, answer.headers]).encode()
        return self._fernet.encrypt(len(head).to_bytes(4, "big") + head + answer.body)

    def open(self, sealed: bytes) -> Answer:
        try:
            plain = self._fernet.decrypt(sealed)
        except InvalidToken as error:
            raise IdempotencyConflict("The stored answer was sealed with a secret that is no longer known.") from error
        end = 4 + int.from_bytes(plain[:4], "big")
        status, headers = json.loads(plain[4:end])
        return Answer(status, headers, plain[end:])


def key_of(request: Request) -> str | None:
    """The request's key; raises IdempotencyKeyInvalid for one that cannot be stored."""
    key = request.headers.get(HEADER)
    if key is not None and not (1 <= len(key) <= _MAX_KEY and key.isascii() and key.isprintable()):
        raise IdempotencyKeyInvalid
    return key


def fingerprint(request: Request, content: bytes) -> bytes:
    """32 bytes that two requests share only when they ask for the same thing."""
    digest = hashlib.sha256(f"{request.method} {request.url.path}?{request.url.query}\n".encode())
    # A form is sent again with another boundary, though it says the same.
    form = _BOUNDARY.search(request.headers.get("content-type", ""))
    digest.update(content.replace(form[1].encode("latin-1"), b"") if form else content)
    return digest.digest()


def streams_body(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose body is too large to hold: it sets `request.state.content_digest` when it has read it."""
    endpoint.__streams_body__ = True  # type: ignore[attr-defined]
    return endpoint


def keeps_own_record(endpoint: Endpoint) -> Endpoint:
    """Mark an endpoint whose effect is committed before its answer is known, and which resolves repeats itself."""
    endpoint.__keeps_own_record__ = True  # type: ignore[attr-defined]
    return endpoint


class IdempotentRoute(APIRoute):
    """The route class of every router: reads JSON strictly, and gives each POST the header's promise."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        if "POST" not in (self.methods or ()) or hasattr(self.endpoint, "__keeps_own_record__"):

            async def handle_strictly(request: Request) -> Response:
                return await handle(StrictRequest(request.scope, request.receive))

            return handle_strictly
        streams = hasattr(self.endpoint, "__streams_body__")

        async def handle_once(given: Request) -> Response:
            request = StrictRequest(given.scope, given.receive)
            key = key_of(request)
            if key is None:
                return await handle(request)
            owner = await _owner(request)
            box: AnswerBox = request.app.state.answer_box
            mark = b""
            if not streams:
                mark = fingerprint(request, await request.body())
                async with request.app.state.resources.db.session() as db:
                    if stored := await _find(db, box, owner, key, mark):
                        return stored.response()
            response = await handle(request)
            if response.status_code >= 400 or not hasattr(response, "body"):
                # A refusal had no effect; a stream's bytes are gone once sent.
                return response
            if streams:
                mark = fingerprint(request, request.state.content_digest)
            answer = Answer(
                response.status_code,
                {name: value for name in _KEPT_HEADERS if (value := response.headers.get(name))},
                bytes(response.body),
            )
            database: Database = request.app.state.resources.db
            unit_of_work: AsyncSession | None = getattr(request.state, "unit_of_work", None)
            try:
                if unit_of_work is not None:
                    await _store(unit_of_work, box, owner, key, mark, answer)
                else:
                    async with database.unit_of_work() as db:
                        await _store(db, box, owner, key, mark, answer)
            except _AnsweredMeanwhile as first:
                if unit_of_work is not None:
                    await unit_of_work.rollback()
                return first.answer.response()
            return response

        return handle_once


class FormRoute(IdempotentRoute):
    """Takes those requests of its address that bring a form; the route behind it takes the others, with JSON."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return (match, child) if match is not Match.FULL or is_form(scope) else (Match.NONE, {})


async def _owner(request: Request) -> str:
    identify: Identify = request.app.state.identify
    who = await identify(request)
    return "anonymous" if who is None else f"user:{who.user_id}"


async def _find(db: AsyncSession, box: AnswerBox, owner: str, key: str, mark: bytes) -> Answer | None:
    row = (
        await db.execute(
            select(_records.c.fingerprint, _records.c.answer).where(
                _records.c.owner == owner, _records.c.key == key, _records.c.created_at > _oldest()
            )
        )
    ).one_or_none()
    if row is None:
        return None
    if bytes(row.fingerprint) != mark:
        raise IdempotencyConflict
    return box.open(bytes(row.answer))


async def _store(db: AsyncSession, box: AnswerBox, owner: str, key: str, mark: bytes, answer: Answer) -> None:
    await db.execute(
        delete(_records).where(_records.c.owner == owner, _records.c.key == key, _records.c.created_at <= _oldest())
    )
    added = await db.execute(
        insert(_records)
        .values(owner=owner, key=key, fingerprint=mark, answer=box.seal(answer), created_at=now())
        .on_conflict_do_nothing()
        .returning(_records.c.key)
    )
    if added.one_or_none() is None:
        stored = await _find(db, box, owner, key, mark)
        if stored is None:
            raise IdempotencyConflict
        raise _AnsweredMeanwhile(stored)


async def forget_old_answers(db: AsyncSession) -> None:
    await db.execute(delete(_records).where(_records.c.created_at <= _oldest()))


def _oldest() -> datetime:
    return now() - KEEP
