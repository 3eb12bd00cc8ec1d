from httpx2 import AsyncClient
from sqlalchemy import text

from app.core.auth import Role
from app.core.resources import Resources
from tests.factories.people import Person, register
from tests.relay.samples import Said, say, states

DEAD = "/api/v1/outbox/dead"
REDRIVE = "/api/v1/outbox/redrive"


async def dead_letters(resources: Resources, count: int) -> Person:
    await say(resources, *(Said(about="a", words=str(n)) for n in range(count)))
    async with resources.db.unit_of_work() as db:
        await db.execute(text("UPDATE outbox SET state = 'dead', attempts = 12, last_error = 'Refused: no'"))
    return await register(resources, Role.ADMIN)


async def test_an_admin_sees_dead_letters_page_by_page_oldest_first(api: AsyncClient, resources: Resources) -> None:
    admin = await dead_letters(resources, 3)
    await say(resources, Said(about="b"))
    first = await api.get(DEAD, params={"limit": 2}, headers=admin.headers)
    assert first.status_code == 200
    assert [event["id"] for event in first.json()] == [1, 2]
    assert first.json()[0] | {"created_at": ""} == {
        "id": 1,
        "aggregate": "a",
        "type": "test.said",
        "payload": {"about": "a", "words": "0"},
        "state": "dead",
        "attempts": 12,
        "last_error": "Refused: no",
        "created_at": "",
    }
    second = await api.get(first.links["next"]["url"], headers=admin.headers)
    assert [event["id"] for event in second.json()] == [3]
    assert "Link" not in second.headers


async def test_a_redriven_event_has_all_its_attempts_before_it(api: AsyncClient, resources: Resources) -> None:
    admin = await dead_letters(resources, 2)
    answer = await api.post("/api/v1/outbox/2/redrive", headers=admin.headers)
    assert answer.status_code == 200
    assert (answer.json()["state"], answer.json()["attempts"]) == ("pending", 0)
    assert await states(resources) == ["dead", "pending"]


async def test_only_a_dead_letter_can_be_redriven(api: AsyncClient, resources: Resources) -> None:
    admin = await register(resources, Role.ADMIN)
    await say(resources, Said(about="a"))
    pending = await api.post("/api/v1/outbox/1/redrive", headers=admin.headers)
    assert (pending.status_code, pending.json()["code"]) == (409, "outbox_event_not_dead")
    missing = await api.post("/api/v1/outbox/9/redrive", headers=admin.headers)
    assert (missing.status_code, missing.json()["code"]) == (404, "outbox_event_not_found")


async def test_all_dead_letters_can_be_redriven_at_once(api: AsyncClient, resources: Resources) -> None:
    admin = await dead_letters(resources, 3)
    answer = await api.post(REDRIVE, headers=admin.headers)
    assert (answer.status_code, answer.json()) == (200, {"redriven": 3})
    assert await states(resources) == ["pending"] * 3
    assert (await api.post(REDRIVE, headers=admin.headers)).json() == {"redriven": 0}


async def test_nobody_but_an_admin_may_look(api: AsyncClient, resources: Resources) -> None:
    await dead_letters(resources, 1)
    for role in (Role.CUSTOMER, Role.AGENT, Role.SUPERVISOR):
        person = await register(resources, role)
        assert (await api.get(DEAD, headers=person.headers)).status_code == 403
        assert (await api.post(REDRIVE, headers=person.headers)).status_code == 403
        assert (await api.post("/api/v1/outbox/1/redrive", headers=person.headers)).status_code == 403
    assert (await api.get(DEAD)).status_code == 401
    assert await states(resources) == ["dead"]
