"""What an administrator does with other people's accounts."""

import asyncio

import httpx2
import pytest

from app.accounts import service
from app.accounts.errors import LastAdmin, UserNotFound
from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import principal, register

USERS = "/api/v1/users"


async def test_an_administrator_lists_people_by_role_and_state(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss = await register(resources, Role.ADMIN, "boss")
    ann, bob = await principal(resources, username="ann"), await principal(resources, Role.AGENT, "bob")
    async with resources.db.unit_of_work() as db:
        await service.change(db, boss.who, bob.user_id, active=False)

    async def names(**filters: str) -> list[str]:
        answer = await api.get(USERS, params=filters, headers=boss.headers)
        return [user["username"] for user in answer.json()]

    assert await names() == ["boss", "ann", "bob"]
    assert await names(role="customer") == [ann.username]
    assert await names(active="false") == ["bob"]
    assert (await api.get(USERS, params={"role": "king"}, headers=boss.headers)).status_code == 422


async def test_people_come_in_pages_that_keep_the_filter(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss = await register(resources, Role.ADMIN)
    made = [(await principal(resources)).user_id for _ in range(3)]
    first = await api.get(USERS, params={"role": "customer", "limit": 2}, headers=boss.headers)
    second = await api.get(first.links["next"]["url"], headers=boss.headers)
    assert [user["id"] for user in first.json() + second.json()] == made


@pytest.mark.parametrize("role", [Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR])
async def test_nobody_else_lists_or_changes_people(api: httpx2.AsyncClient, resources: Resources, role: Role) -> None:
    ann = await register(resources, role)
    listed = await api.get(USERS, headers=ann.headers)
    changed = await api.patch(f"{USERS}/{ann.id}", json={"role": "admin"}, headers=ann.headers)
    assert [(a.status_code, a.json()["code"]) for a in (listed, changed)] == [(403, "forbidden")] * 2


async def test_a_role_is_given_and_the_version_rises(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss, ann = await register(resources, Role.ADMIN), await register(resources)
    changed = await api.patch(f"{USERS}/{ann.id}", json={"role": "supervisor"}, headers=boss.headers)
    assert (changed.status_code, changed.json()["role"], changed.json()["version"]) == (200, "supervisor", 2)
    assert changed.headers["etag"] == '"2"'
    same = await api.patch(f"{USERS}/{ann.id}", json={}, headers={**boss.headers, "If-Match": '"2"'})
    assert same.json()["version"] == 2


async def test_an_edit_of_an_older_version_is_told_what_differs(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss, ann = await register(resources, Role.ADMIN), await register(resources)
    await api.patch(f"{USERS}/{ann.id}", json={"role": "agent"}, headers=boss.headers)
    late = {**boss.headers, "If-Match": '"1"'}
    answer = await api.patch(f"{USERS}/{ann.id}", json={"role": "supervisor", "active": True}, headers=late)
    assert (answer.status_code, answer.json()["current"]) == (412, {"role": "agent"})


async def test_deactivating_ends_the_persons_logins(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss, ann = await register(resources, Role.ADMIN), await register(resources)
    assert (await api.patch(f"{USERS}/{ann.id}", json={"active": False}, headers=boss.headers)).status_code == 200
    assert (await api.get(f"{USERS}/me", headers=ann.headers)).status_code == 401
    await api.patch(f"{USERS}/{ann.id}", json={"active": True}, headers=boss.headers)
    assert (await api.get(f"{USERS}/me", headers=ann.headers)).status_code == 401


@pytest.mark.parametrize("change", [{"role": "agent"}, {"active": False}])
async def test_the_last_administrator_stays(
    api: httpx2.AsyncClient, resources: Resources, change: dict[str, object]
) -> None:
    boss = await register(resources, Role.ADMIN)
    answer = await api.patch(f"{USERS}/{boss.id}", json=change, headers=boss.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "last_admin")
    assert (await api.get(f"{USERS}/me", headers=boss.headers)).json()["role"] == "admin"


async def test_two_administrators_cannot_demote_each_other_at_once(resources: Resources) -> None:
    one, two = await principal(resources, Role.ADMIN), await principal(resources, Role.ADMIN)

    async def demote(actor: int, victim: int) -> None:
        async with resources.db.unit_of_work() as db:
            await service.change(db, one if actor == one.user_id else two, victim, role=Role.AGENT)

    results = await asyncio.gather(
        demote(one.user_id, two.user_id), demote(two.user_id, one.user_id), return_exceptions=True
    )
    assert [type(result) for result in results if result is not None] == [LastAdmin]


@pytest.mark.parametrize("number", ["999", "0", "-1", "abc", "9" * 30, "1e3"])
async def test_an_id_of_nobody_is_refused_and_never_a_defect(
    api: httpx2.AsyncClient, resources: Resources, number: str
) -> None:
    boss = await register(resources, Role.ADMIN)
    answer = await api.patch(f"{USERS}/{number}", json={}, headers=boss.headers)
    assert answer.status_code == (404 if number == "999" else 422)


async def test_a_person_sees_only_themselves(resources: Resources) -> None:
    ann, bob = await principal(resources), await principal(resources)
    async with resources.db.session() as db:
        assert (await service.get(db, ann, ann.user_id)).id == ann.user_id
        with pytest.raises(UserNotFound):
            await service.get(db, ann, bob.user_id)
