"""Logging in, staying logged in, and what a stolen token is worth."""

import asyncio
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.accounts import service
from app.accounts.passwords import Passwords, passwords
from app.accounts.service import logins
from app.core.auth import Role
from app.core.clock import now
from app.core.errors import Unavailable
from app.core.resources import Resources
from app.core.settings import AuthSettings, Settings
from app.models.user import LoginFamily, RefreshToken, User
from tests.factories.people import CHEAP, PASSWORD, bearer, principal, register
from tests.factories.serving import serving

LOGIN, REFRESH, LOGOUT, ME = "/api/v1/auth/login", "/api/v1/auth/refresh", "/api/v1/auth/logout", "/api/v1/users/me"


async def login(api: httpx2.AsyncClient, name: str = "ann", password: str = PASSWORD) -> httpx2.Response:
    return await api.post(LOGIN, json={"username": name, "password": password})


async def refresh(api: httpx2.AsyncClient, token: str) -> httpx2.Response:
    return await api.post(REFRESH, json={"refresh_token": token})


@pytest.mark.parametrize("name", ["ann", "ANN", "Ann@Example.com"])
async def test_login_takes_the_username_or_the_address(
    api: httpx2.AsyncClient, resources: Resources, name: str
) -> None:
    await principal(resources, username="ann")
    answer = await login(api, name)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    tokens = answer.json()
    assert set(tokens) == {"access_token", "token_type", "expires_in", "refresh_token"}
    assert (tokens["token_type"], tokens["expires_in"]) == ("bearer", 900)
    assert (await api.get(ME, headers=bearer(tokens["access_token"]))).json()["username"] == "ann"


async def test_every_failed_login_looks_the_same(api: httpx2.AsyncClient, resources: Resources) -> None:
    await principal(resources, username="ann")
    admin, gone = await principal(resources, Role.ADMIN), await principal(resources, username="gone")
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, gone.user_id, active=False)
    answers = [await login(api, "ann", "wrong"), await login(api, "nobody"), await login(api, "gone")]
    seen = [{**answer.json(), "request_id": ""} for answer in answers]
    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert seen[0] == seen[1] == seen[2]
    assert seen[0]["code"] == "login_failed"
    assert answers[0].headers["www-authenticate"] == "Bearer"


async def test_an_unknown_name_costs_a_hash_too() -> None:
    hasher = Passwords(memory_kib=8, time_cost=1)
    assert not await hasher.matches(None, PASSWORD)
    assert not await hasher.matches("not a hash", PASSWORD)
    assert await hasher.matches(await hasher.hash(PASSWORD), PASSWORD)


async def test_a_flood_of_logins_is_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.accounts.passwords._WAITING", 0)
    with pytest.raises(Unavailable) as refused:
        await Passwords(memory_kib=8, time_cost=1).hash(PASSWORD)
    assert refused.value.headers == {"Retry-After": "5"}


async def test_a_hash_of_older_parameters_is_renewed_at_login(
    api: httpx2.AsyncClient, resources: Resources, settings: Settings
) -> None:
    who = await principal(resources, username="ann")
    old = await Passwords(memory_kib=16, time_cost=2).hash(PASSWORD)
    async with resources.db.unit_of_work() as db:
        await db.execute(update(User).where(User.id == who.user_id).values(password_hash=old))
    assert (await login(api)).status_code == 200
    async with resources.db.session() as db:
        renewed = (await db.execute(select(User.password_hash))).scalar_one()
    assert renewed != old
    assert not passwords(settings.auth).outdated(renewed)
    assert (await login(api)).status_code == 200


async def test_failed_logins_of_one_name_are_slowed_and_say_for_how_long(
    resources: Resources, settings: Settings
) -> None:
    await principal(resources, username="ann")
    await principal(resources, username="bob")
    auth = settings.auth.model_copy(update={"login_attempts": 3})
    async with serving(settings.model_copy(update={"auth": auth})) as api:
        assert [(await login(api, "ann", "wrong")).status_code for _ in range(3)] == [401, 401, 401]
        refused = await login(api)
        assert (refused.status_code, refused.json()["code"]) == (429, "too_many_logins")
        assert 1 <= int(refused.headers["retry-after"]) <= 2 * auth.login_window_seconds
        assert (await login(api, "bob")).status_code == 200


async def test_logins_that_succeed_are_not_counted(resources: Resources, settings: Settings) -> None:
    await principal(resources, username="ann")
    auth = settings.auth.model_copy(update={"login_attempts": 2})
    async with serving(settings.model_copy(update={"auth": auth})) as api:
        assert [(await login(api)).status_code for _ in range(6)] == [200] * 6


async def test_one_address_cannot_try_one_password_on_everybody(resources: Resources, settings: Settings) -> None:
    auth = settings.auth.model_copy(update={"login_attempts": 1})
    async with serving(settings.model_copy(update={"auth": auth})) as api:
        answers = [(await login(api, f"name-{n}")).status_code for n in range(11)]
    assert answers == [401] * 10 + [429]


async def test_a_refresh_gives_a_new_pair_and_ends_the_old_token(api: httpx2.AsyncClient, resources: Resources) -> None:
    await principal(resources, username="ann")
    first = (await login(api)).json()
    second = await refresh(api, first["refresh_token"])
    assert second.status_code == 200
    assert second.json()["refresh_token"] != first["refresh_token"]
    assert (await api.get(ME, headers=bearer(second.json()["access_token"]))).status_code == 200


async def test_a_reused_refresh_token_ends_the_login_for_both_sides(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    await principal(resources, username="ann")
    first = (await login(api)).json()
    second = (await refresh(api, first["refresh_token"])).json()
    other_login = (await login(api)).json()
    stolen = await refresh(api, first["refresh_token"])
    assert (stolen.status_code, stolen.json()["code"]) == (401, "refresh_token_invalid")
    assert (await refresh(api, second["refresh_token"])).status_code == 401
    assert (await api.get(ME, headers=bearer(second["access_token"]))).status_code == 401
    assert (await api.get(ME, headers=bearer(other_login["access_token"]))).status_code == 200


async def test_of_two_refreshes_at_once_one_wins_and_the_theft_is_noticed(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    await principal(resources, username="ann")
    token = (await login(api)).json()["refresh_token"]
    answers = await asyncio.gather(*(refresh(api, token) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 5
    async with resources.db.session() as db:
        assert (await db.execute(select(LoginFamily.revoked_at))).scalar_one() is not None
        unused = select(func.count()).select_from(RefreshToken).where(RefreshToken.used_at.is_(None))
        assert (await db.execute(unused)).scalar_one() <= 1


async def test_a_refresh_sent_again_with_its_idempotency_key_is_no_theft(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    await principal(resources, username="ann")
    body = {"refresh_token": (await login(api)).json()["refresh_token"]}
    answers = [await api.post(REFRESH, json=body, headers={"Idempotency-Key": "k1"}) for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert answers[1].headers["idempotency-replayed"] == "true"
    assert (await refresh(api, answers[1].json()["refresh_token"])).status_code == 200


@pytest.mark.parametrize("token", ["unknown", "x" * 512])
async def test_an_unknown_refresh_token_is_refused(api: httpx2.AsyncClient, token: str) -> None:
    assert (await refresh(api, token)).status_code == 401


async def test_an_expired_login_cannot_be_refreshed_and_is_swept_away(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    await principal(resources, username="ann")
    tokens = (await login(api)).json()
    async with resources.db.unit_of_work() as db:
        await db.execute(update(LoginFamily).values(expires_at=now() - timedelta(seconds=1)))
    assert (await refresh(api, tokens["refresh_token"])).status_code == 401
    assert (await api.get(ME, headers=bearer(tokens["access_token"]))).status_code == 401
    async with resources.db.unit_of_work() as db:
        await logins.forget_ended_logins(db)
        assert (await db.execute(select(func.count()).select_from(RefreshToken))).scalar_one() == 0


async def test_logging_out_by_access_token_ends_the_whole_login(api: httpx2.AsyncClient, resources: Resources) -> None:
    await principal(resources, username="ann")
    tokens = (await login(api)).json()
    answer = await api.post(LOGOUT, headers=bearer(tokens["access_token"]))
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await api.get(ME, headers=bearer(tokens["access_token"]))).status_code == 401
    assert (await refresh(api, tokens["refresh_token"])).status_code == 401


async def test_logging_out_by_refresh_token_needs_no_access_token(
    api: httpx2.AsyncClient, resources: Resources
) -> None:
    await principal(resources, username="ann")
    tokens = (await login(api)).json()
    for _ in range(2):
        assert (await api.post(LOGOUT, json={"refresh_token": tokens["refresh_token"]})).status_code == 204
    assert (await api.get(ME, headers=bearer(tokens["access_token"]))).status_code == 401
    assert (await api.post(LOGOUT, json={"refresh_token": "unknown"})).status_code == 204


@pytest.mark.parametrize("body", [None, {}, {"refresh_token": None}])
async def test_logging_out_says_which_login(api: httpx2.AsyncClient, body: dict[str, None] | None) -> None:
    answer = await api.post(LOGOUT) if body is None else await api.post(LOGOUT, json=body)
    assert answer.status_code == 401


async def test_no_secret_is_stored_readable(api: httpx2.AsyncClient, resources: Resources) -> None:
    await register(resources, username="ann")
    tokens = (await login(api)).json()
    async with resources.db.session() as db:
        (stored,) = (await db.execute(select(RefreshToken.token_hash))).scalars()
    assert len(stored) == 32
    assert tokens["refresh_token"].encode() not in stored


def test_hashes_are_made_as_strongly_as_the_settings_say() -> None:
    assert passwords(CHEAP) is passwords(CHEAP)
    assert passwords(CHEAP) is not passwords(AuthSettings())
