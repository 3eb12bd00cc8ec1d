"""API keys: shown once, and good for nothing that they were not given."""

from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import select, update

from app.accounts import service
from app.accounts.scopes import Scope, permits
from app.accounts.service import api_keys
from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import Settings
from app.models.user import ApiKey
from tests.factories.people import Person, bearer, principal, register
from tests.factories.serving import serving

ME, KEYS, USERS, LOGOUT = "/api/v1/users/me", "/api/v1/users/me/api-keys", "/api/v1/users", "/api/v1/auth/logout"
TICKETS = "/api/v1/tickets"


async def make(api: httpx2.AsyncClient, person: Person, *scopes: str, **more: object) -> httpx2.Response:
    body = {"name": "browser", "scopes": scopes or ["tickets:read"], **more}
    return await api.post(KEYS, json=body, headers=person.headers)


async def test_a_key_is_shown_once_and_kept_as_a_hash(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    made = await make(api, ann, "tickets:write", "tickets:read")
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    key = made.json()["key"]
    assert key.startswith(made.json()["prefix"] + "_")
    assert key.startswith("evd_")
    listed = (await api.get(KEYS, headers=ann.headers)).json()
    assert listed == [{name: value for name, value in made.json().items() if name != "key"}]
    assert listed[0]["scopes"] == ["tickets:read", "tickets:write"]
    async with resources.db.session() as db:
        row = (await db.execute(select(ApiKey))).scalar_one()
    assert row.key_hash == api_keys.key_hash(key)


@pytest.mark.parametrize("as_bearer", [True, False])
async def test_a_key_is_its_owner_where_its_scopes_reach(
    api: httpx2.AsyncClient, resources: Resources, as_bearer: bool
) -> None:
    ann = await register(resources, username="ann")
    key = (await make(api, ann, "tickets:read")).json()["key"]
    headers = bearer(key) if as_bearer else {"X-API-Key": key}
    assert (await api.get(ME, headers=headers)).json()["username"] == "ann"
    assert (await api.get(TICKETS, headers=headers)).status_code == 200
    assert (await api.head(TICKETS, headers=headers)).status_code == 200
    refused = await api.post(TICKETS, json={"title": "t", "description": "d"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "scope_missing")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/1"), ("GET", USERS), ("PATCH", f"{USERS}/1"), ("POST", LOGOUT)],
)
async def test_no_key_reaches_accounts(api: httpx2.AsyncClient, resources: Resources, method: str, path: str) -> None:
    admin = await register(resources, Role.ADMIN)
    key = (await make(api, admin, *Scope)).json()["key"]
    answer = await api.request(method, path, headers=bearer(key))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_missing")


def test_an_address_without_a_line_is_closed_to_keys() -> None:
    everything = frozenset(Scope)
    assert permits(everything, method="DELETE", path="/api/v1/tickets/1")
    assert permits(everything, method="POST", path="/api/v1/agent/create-ticket")
    for method, path in [
        ("GET", "/api/v1/ai-config"),
        ("GET", "/api/v1/ticketsandmore"),
        ("POST", "/api/v1/knowledge/documents"),
        ("POST", "/api/v1/users/me"),
        ("GET", "/tickets"),
        ("GET", "/api/v1"),
    ]:
        assert not permits(everything, method=method, path=path)
    assert not permits(frozenset(), method="GET", path="/api/v1/tickets")


async def test_a_revoked_key_is_refused_and_no_longer_listed(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    made = (await make(api, ann)).json()
    answer = await api.delete(f"{KEYS}/{made['id']}", headers=ann.headers)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get(ME, headers=bearer(made["key"]))).status_code == 401
    assert (await api.get(KEYS, headers=ann.headers)).json() == []
    assert (await api.delete(f"{KEYS}/{made['id']}", headers=ann.headers)).json()["code"] == "api_key_not_found"


async def test_a_key_of_somebody_else_cannot_be_revoked(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann, bob = await register(resources), await register(resources, Role.ADMIN)
    made = (await make(api, ann)).json()
    assert (await api.delete(f"{KEYS}/{made['id']}", headers=bob.headers)).status_code == 404
    assert (await api.get(ME, headers=bearer(made["key"]))).status_code == 200


async def test_a_key_ends_at_its_expiry(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    made = (await make(api, ann, expires_at=(now() + timedelta(hours=1)).isoformat())).json()
    assert (await api.get(ME, headers=bearer(made["key"]))).status_code == 200
    async with resources.db.unit_of_work() as db:
        await db.execute(update(ApiKey).values(expires_at=now()))
    assert (await api.get(ME, headers=bearer(made["key"]))).status_code == 401


async def test_a_key_ends_with_its_owners_account(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann, admin = await register(resources), await principal(resources, Role.ADMIN)
    key = (await make(api, ann)).json()["key"]
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.id, active=False)
    assert (await api.get(ME, headers=bearer(key))).status_code == 401


@pytest.mark.parametrize(
    "wrong",
    [
        {"scopes": []},
        {"scopes": ["tickets:everything"]},
        {"name": " "},
        {"name": "n" * 101},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2999-01-01T00:00:00"},
        {"more": 1},
    ],
    ids=str,
)
async def test_a_key_that_makes_no_sense_is_refused(
    api: httpx2.AsyncClient, resources: Resources, wrong: dict[str, object]
) -> None:
    ann = await register(resources)
    body = {"name": "browser", "scopes": ["tickets:read"], **wrong}
    assert (await api.post(KEYS, json=body, headers=ann.headers)).status_code == 422


async def test_one_person_has_so_many_keys_and_no_more(
    api: httpx2.AsyncClient, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api_keys, "MAX_KEYS", 2)
    ann = await register(resources)
    assert [(await make(api, ann)).status_code for _ in range(3)] == [201, 201, 409]


@pytest.mark.parametrize("key", ["evd_", "evd_12345678_" + "0" * 64, "evd_\u00e9"])
async def test_an_unknown_key_is_refused(api: httpx2.AsyncClient, key: str) -> None:
    answer = await api.get(ME, headers={b"X-API-Key": key.encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert (await api.get(ME, headers={"X-API-Key": "something else"})).status_code == 401


async def test_a_remembered_key_costs_no_query_and_its_use_is_noted_by_the_minute(
    resources: Resources, settings: Settings
) -> None:
    ann = await register(resources)
    auth = settings.auth.model_copy(update={"principal_cache_seconds": 30})
    async with serving(settings.model_copy(update={"auth": auth})) as api:
        key = (await make(api, ann)).json()["key"]
        assert (await api.get(ME, headers=bearer(key))).status_code == 200
        async with resources.db.unit_of_work() as db:
            noted = (await db.execute(select(ApiKey.last_used_at))).scalar_one()
            assert noted is not None
            await db.execute(update(ApiKey).values(revoked_at=now()))
        assert (await api.get(ME, headers=bearer(key))).status_code == 200
    async with resources.db.unit_of_work() as db:
        await db.execute(update(ApiKey).values(revoked_at=None))
    async with serving(settings) as api, resources.db.session() as reading:
        assert (await api.get(ME, headers=bearer(key))).status_code == 200
        assert (await reading.execute(select(ApiKey.last_used_at))).scalar_one() == noted


async def test_keys_come_in_pages(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    made = [(await make(api, ann)).json()["id"] for _ in range(3)]
    first = await api.get(KEYS, params={"limit": 2}, headers=ann.headers)
    second = await api.get(first.links["next"]["url"], headers=ann.headers)
    assert [key["id"] for key in first.json() + second.json()] == made
    assert "link" not in second.headers
