"""Customers and services: the desk's own tables, another system over HTTP, and the memory before both."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.auth import Role
from app.core.redis import connect
from app.core.resources import Resources
from app.core.settings import DirectorySettings
from app.directory import service as directory
from app.directory.errors import NotYourProfile
from app.directory.remote import MOST_BYTES
from app.directory.schemas import ProfileIn, Service
from app.models.directory import ServiceState
from tests.factories.people import Person, register
from tests.factories.runs import serving

BASE = "/api/v1/directory"


@pytest.fixture
async def boss(resources: Resources) -> Person:
    return await register(resources, Role.ADMIN)


def asking(resources: Resources, **settings: Any) -> Resources:
    chosen = DirectorySettings(**{"cache_seconds": 0, **settings})
    return replace(resources, settings=resources.settings.model_copy(update={"directory": chosen}))


async def profile_of(resources: Resources, person: Person) -> Any:
    async with resources.db.session() as db:
        return await directory.profile(resources, db, person.who, person.id)


async def test_administrators_keep_customers_and_services(
    resources: Resources, api: httpx2.AsyncClient, boss: Person
) -> None:
    ada = await register(resources)
    body = {"vip": True, "tier": "gold", "organisation": "Example Ltd"}
    answer = await api.put(f"{BASE}/customers/{ada.id}", json=body, headers=boss.headers)
    assert (answer.status_code, answer.json()) == (200, body)
    assert (await api.get(f"{BASE}/customers/{ada.id}", headers=boss.headers)).json() == body
    assert (await api.put(f"{BASE}/customers/{ada.id}", json=body, headers=ada.headers)).status_code == 403
    assert (await api.put(f"{BASE}/customers/{2**70}", json=body, headers=boss.headers)).status_code == 404

    first = await api.put(f"{BASE}/services/vpn", json={"state": "outage"}, headers=boss.headers)
    again = await api.put(f"{BASE}/services/vpn", json={"state": "outage", "message": "x"}, headers=boss.headers)
    assert again.json() == {**first.json(), "message": "x"}
    better = await api.put(f"{BASE}/services/vpn", json={"state": "operational"}, headers=boss.headers)
    assert better.json()["since"] > first.json()["since"]
    (listed,) = (await api.get(f"{BASE}/services", headers=boss.headers)).json()
    assert listed == better.json()
    assert (await api.get(f"{BASE}/services", headers=ada.headers)).status_code == 403
    assert (await api.delete(f"{BASE}/services/vpn", headers=boss.headers)).status_code == 204
    assert (await api.delete(f"{BASE}/services/vpn", headers=boss.headers)).json()["code"] == "service_not_found"


async def test_an_answer_is_remembered_for_its_time_and_redis_is_no_condition(resources: Resources) -> None:
    ada = await register(resources)
    mindful = asking(resources, cache_seconds=60)
    assert await profile_of(mindful, ada) is None
    async with resources.db.unit_of_work() as db:
        await directory.store_profile(db, ada.id, given=ProfileIn(vip=True))
    assert await profile_of(mindful, ada) is None
    assert (await profile_of(asking(resources), ada)).vip
    assert 0 < await resources.redis.ttl(f"directory:customer:{ada.id}") <= 60
    away = connect("redis://127.0.0.1:1")
    assert (await profile_of(replace(mindful, redis=away), ada)).vip
    await away.aclose()


async def test_nobody_sees_what_is_known_of_others(resources: Resources) -> None:
    ada, ben = await register(resources), await register(resources)
    async with resources.db.session() as db:
        with pytest.raises(NotYourProfile):
            await directory.profile(resources, db, ada.who, ben.id)


async def _customer(request: Request) -> Response:
    if request.headers.get("authorization") != "Bearer hush":
        return Response(status_code=401)
    name = request.path_params["email"].partition("@")[0]
    answers: dict[str, Response] = {
        "gold": JSONResponse({"vip": True, "tier": "gold", "organisation": None, "shoe_size": 43}),
        "odd": JSONResponse({"vip": "perhaps"}),
        "long": Response(b" " * (MOST_BYTES + 1)),
    }
    return answers.get(name, Response(status_code=404))


async def _services(_request: Request) -> Response:
    return JSONResponse([{"name": "vpn", "state": "outage", "aliases": ["the tunnel"]}])


async def _odd(_request: Request) -> Response:
    return JSONResponse([{"name": "vpn", "state": "so so"}])


@pytest.fixture
async def elsewhere() -> AsyncIterator[str]:
    app = Starlette(routes=[Route("/people/{email}", _customer), Route("/services", _services), Route("/odd", _odd)])
    async with serving(app) as address:
        yield address


async def test_another_system_may_know_them(resources: Resources, elsewhere: str) -> None:
    asked = asking(resources, customers_url=f"{elsewhere}/people/", services_url=f"{elsewhere}/services", token="hush")
    gold = await profile_of(asked, await register(resources, username="gold"))
    assert (gold.vip, gold.tier) == (True, "gold")
    for name in ("nobody", "odd", "long"):
        assert await profile_of(asked, await register(resources, username=name)) is None
    async with resources.db.session() as db:
        (service,) = await directory.services(asked, db) or []
    assert (service.name, service.state) == ("vpn", ServiceState.OUTAGE)


async def test_a_system_that_is_away_or_talks_nonsense_knows_nothing(resources: Resources, elsewhere: str) -> None:
    async with resources.db.session() as db:
        for url in (f"{elsewhere}/odd", "http://127.0.0.1:1/", f"{elsewhere}/nowhere"):
            assert await directory.services(asking(resources, services_url=url), db) is None


def test_a_service_is_named_by_whole_words_only() -> None:
    vpn = Service(name="vpn", state=ServiceState.OUTAGE, aliases=["remote access"])
    shop = Service(name="web-shop", state=ServiceState.OPERATIONAL)
    assert directory.named_in("The VPN, again! Web shop too.", [vpn, shop]) == [vpn, shop]
    assert directory.named_in("No REMOTE-access.", [vpn, shop]) == [vpn]
    assert directory.named_in("vpn2 and shops", [vpn, shop]) == []
