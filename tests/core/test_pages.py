"""Pages, and rows that start from what the viewer may see."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from fastapi import Request, Response
from sqlalchemy import Select, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal, Role
from app.core.clock import now
from app.core.errors import NotFound
from app.core.pagination import BadCursor, decode_cursor, encode_cursor, link_next
from app.core.repository import Repository
from app.core.resources import Resources
from app.models.user import LoginFamily, User
from tests.factories.people import principal

BOSS = Principal(1, "boss", Role.ADMIN)


class Users(Repository[User]):
    model = User

    def visible(self) -> Select[User]:
        return select(User).where(User.active)


class Families(Repository[LoginFamily]):
    model = LoginFamily

    def visible(self) -> Select[LoginFamily]:
        return select(LoginFamily)


class Thoughtless(Repository[User]):
    model = User


@pytest.fixture
async def people(resources: Resources) -> list[int]:
    return [(await principal(resources, username=f"name-{n}")).user_id for n in (3, 1, 2, 5, 4)]


@pytest.mark.parametrize(
    "values",
    [
        ["-id", 12],
        ["title", "Größe \"'\\ 👍", 1],
        ["-created_at", datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), uuid.UUID(int=7)],
        ["score", 0.5, -(2**63) + 1],
    ],
)
def test_a_cursor_brings_back_what_it_was_given(values: list[Any]) -> None:
    cursor = encode_cursor(values)
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert decode_cursor(cursor, size=len(values)) == values


def test_a_time_keeps_its_instant() -> None:
    there = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))
    assert decode_cursor(encode_cursor([there]), size=1) == [there.astimezone(UTC)]


def written(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "!",
        "é",
        "\ud800",
        "abcde",
        base64.urlsafe_b64encode(b"\xff\xff").decode(),
        base64.urlsafe_b64encode(b"[" * 50_000).decode(),
        written({}),
        written(None),
        written([]),
        written([1, 2]),
        written([None]),
        written([True]),
        written([[1]]),
        written([{}]),
        written([{"t": 1}]),
        written([{"t": "tomorrow"}]),
        written([{"t": "0001-01-01T00:00:00+14:00"}]),
        written([{"u": 1}]),
        written([{"u": "x"}]),
        written([2**63]),
        written([10**400]),
        written(["a\0b"]),
        written(["\ud800"]),
        written([float("nan")]),
        written([float("inf")]),
    ],
    ids=lambda cursor: repr(cursor[:24]),
)
def test_a_cursor_of_ones_own_making_is_refused(cursor: str) -> None:
    with pytest.raises(BadCursor):
        decode_cursor(cursor, size=1)


async def walk(users: Users, limit: int, **how: Any) -> list[User]:
    seen: list[User] = []
    cursor = None
    while True:
        page = await users.page(users.visible(), cursor=cursor, limit=limit, **how)
        assert len(page.rows) <= limit
        seen += page.rows
        cursor = page.next_cursor
        if cursor is None:
            return seen


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
@pytest.mark.parametrize("descending", [True, False])
async def test_pages_hold_every_row_once_in_order(
    db: AsyncSession, people: list[int], limit: int, descending: bool
) -> None:
    users = Users(db, BOSS)
    by_id = [user.id for user in await walk(users, limit, descending=descending)]
    assert by_id == sorted(people, reverse=descending)
    by_name = [user.username for user in await walk(users, limit, sort=User.username, descending=descending)]
    assert by_name == sorted((f"name-{n}" for n in range(1, 6)), reverse=descending)
    by_time = [user.id for user in await walk(users, limit, sort=User.created_at, descending=descending)]
    assert by_time == sorted(people, reverse=descending)


async def test_rows_with_equal_values_are_told_apart_by_their_id(
    resources: Resources, db: AsyncSession, people: list[int]
) -> None:
    async with resources.db.unit_of_work() as writing:
        await writing.execute(update(User).values(created_at=now()))
    assert [u.id for u in await walk(Users(db, BOSS), 2, sort=User.created_at)] == sorted(people, reverse=True)


async def test_keys_that_are_uuids_page_too(resources: Resources, db: AsyncSession, people: list[int]) -> None:
    async with resources.db.unit_of_work() as writing:
        writing.add_all([LoginFamily(user_id=people[0], expires_at=now()) for _ in range(3)])
    families = Families(db, BOSS)
    first = await families.page(families.visible(), cursor=None, limit=2)
    second = await families.page(families.visible(), cursor=first.next_cursor, limit=2)
    assert len({row.id for row in [*first.rows, *second.rows]}) == 3


async def test_a_cursor_is_bound_to_its_order(db: AsyncSession, people: list[int]) -> None:
    users = Users(db, BOSS)
    cursor = (await users.page(users.visible(), cursor=None, limit=2)).next_cursor
    assert cursor is not None
    for how in ({"descending": False}, {"sort": User.username}, {"sort": User.created_at}):
        with pytest.raises(BadCursor):
            await users.page(users.visible(), cursor=cursor, limit=2, **how)


@pytest.mark.parametrize("value", ["text", 1.5, {"t": "2026-01-01T00:00:00+00:00"}])
async def test_a_cursor_of_another_type_is_refused(db: AsyncSession, people: list[int], value: object) -> None:
    users = Users(db, BOSS)
    with pytest.raises(BadCursor):
        await users.page(users.visible(), cursor=written(["-id", value]), limit=2)


async def test_the_longest_title_fits_into_a_cursor() -> None:
    assert len(encode_cursor(["-title", "👍" * 300, 2**63 - 1])) <= 4000


async def test_what_may_not_be_seen_is_missing(resources: Resources, db: AsyncSession, people: list[int]) -> None:
    async with resources.db.unit_of_work() as writing:
        await writing.execute(update(User).where(User.id == people[0]).values(active=False))
    users = Users(db, BOSS)
    assert (await users.get(people[1])).id == people[1]
    for key in (people[0], 999, -1, 2**63, 10**30, -(10**30)):
        with pytest.raises(NotFound):
            await users.get(key)


async def test_a_locked_row_is_read_anew_and_waits_for_others(
    resources: Resources, db: AsyncSession, people: list[int]
) -> None:
    users = Users(db, BOSS)
    stale = await users.get(people[0])
    async with resources.db.unit_of_work() as writing:
        await writing.execute(update(User).where(User.id == people[0]).values(role=Role.AGENT))
    locked = await users.get(people[0], lock=True)
    assert locked is stale
    assert locked.role == Role.AGENT


async def test_a_repository_that_says_nothing_shows_nothing(db: AsyncSession) -> None:
    with pytest.raises(TypeError, match="Thoughtless"):
        await Thoughtless(db, BOSS).get(1)


def test_the_link_keeps_the_filters_and_replaces_the_cursor() -> None:
    scope = {
        "type": "http",
        "scheme": "http",
        "server": ("host", 80),
        "path": "/api/v1/tickets",
        "query_string": b"q=gr%C3%B6%C3%9Fe&cursor=old",
        "headers": [],
    }
    response = Response()
    link_next(Request(scope), response, None)
    assert "link" not in response.headers
    link_next(Request(scope), response, "new")
    assert response.headers["link"] == '</api/v1/tickets?q=gr%C3%B6%C3%9Fe&cursor=new>; rel="next"'
