"""Connections as administrators keep them over HTTP."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import select
from starlette.responses import JSONResponse

from app.core.resources import Resources
from app.core.settings import Settings
from app.models.integration import Integration
from tests.factories.people import Person
from tests.factories.runs import serving as serving_http
from tests.factories.serving import serving
from tests.integrations.conftest import HERE, There
from tests.integrations.peers import GitHubPeer

SECRET = "ghs_sesame_sesame_sesame"
BODY: dict[str, Any] = {
    "provider": "github",
    "name": "Our code",
    "config": {"owner": "acme", "repo": "shop"},
    "secret": {"token": SECRET},
}


@pytest.fixture
async def desk(settings: Settings, resources: Resources, admin: Person) -> AsyncIterator[httpx2.AsyncClient]:
    async with serving(settings.model_copy(update={"integrations": HERE})) as api:
        api.headers.update(admin.headers)
        api.base_url = httpx2.URL("http://testserver/api/v1")
        yield api


async def test_a_secret_goes_in_and_never_comes_out(desk: httpx2.AsyncClient, resources: Resources) -> None:
    made = await desk.post("/integrations", json=BODY)
    assert made.status_code == 201, made.text
    address = f"/integrations/{made.json()['id']}"
    assert made.headers["Location"].endswith(address)
    answers = [
        made,
        await desk.get(address),
        await desk.get("/integrations"),
        await desk.patch(address, json={"secret": {"token": SECRET + "2"}}),
        await desk.patch(address, json={"secret": {"tokn": SECRET}}),
        await desk.patch(address, json={"secret": {"token": [SECRET]}}),
        await desk.patch(address, json={"secret": {"token": SECRET + "é"}}),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 422, 422, 422]
    for answer in answers:
        assert "sesame" not in answer.text
    assert answers[1].json()["has_secret"] is True
    async with resources.db.session() as db:
        row = (await db.execute(select(Integration))).scalar_one()
    assert row.secret is not None
    assert b"sesame" not in row.secret
    assert "sesame" not in str(row.config)


async def test_a_connection_is_changed_by_version_switched_off_and_removed(desk: httpx2.AsyncClient) -> None:
    made = await desk.post("/integrations", json=BODY)
    address = f"/integrations/{made.json()['id']}"
    off = await desk.patch(address, json={"enabled": False}, headers={"If-Match": made.headers["ETag"]})
    assert (off.status_code, off.json()["enabled"], off.json()["version"]) == (200, False, 2)
    late = await desk.patch(address, json={"enabled": True}, headers={"If-Match": made.headers["ETag"]})
    assert (late.status_code, late.json()["current"]) == (412, {"enabled": False})
    moved = await desk.patch(address, json={"config": {"owner": "acme", "repo": "till"}})
    assert moved.json()["config"] == {"owner": "acme", "repo": "till", "base_url": "https://api.github.com"}
    wrong = await desk.patch(address, json={"config": {"owner": "a/b", "repo": "till", "x": 1}})
    assert wrong.json()["code"] == "integration_invalid"
    assert [error["location"] for error in wrong.json()["errors"]] == [
        ["body", "config", "owner"],
        ["body", "config", "x"],
    ]
    assert (await desk.get("/integrations/health")).json() == {"status": "ok", "integrations": []}
    assert (await desk.delete(address)).status_code == 204
    assert (await desk.get(address)).json()["code"] == "integration_not_found"


async def test_a_name_is_taken_once(desk: httpx2.AsyncClient) -> None:
    first = await desk.post("/integrations", json=BODY)
    again = await desk.post("/integrations", json=BODY)
    other = await desk.post("/integrations", json={**BODY, "name": "Other"})
    renamed = await desk.patch(f"/integrations/{other.json()['id']}", json={"name": "Our code"})
    assert [first.status_code, again.status_code, renamed.status_code] == [201, 409, 409]
    assert again.json()["code"] == renamed.json()["code"] == "integration_name_taken"


async def test_only_administrators_see_connections(desk: httpx2.AsyncClient, agent: Person) -> None:
    await desk.post("/integrations", json=BODY)
    for method, path in (
        ("GET", "/integrations"),
        ("GET", "/integrations/1"),
        ("GET", "/integrations/health"),
        ("POST", "/integrations/1/test"),
        ("DELETE", "/integrations/1"),
    ):
        assert (await desk.request(method, path, headers=agent.headers)).status_code == 403


async def test_a_connection_is_tried_and_its_health_told(desk: httpx2.AsyncClient) -> None:
    peer = GitHubPeer()
    async with serving_http(peer.app()) as address:
        config = {**BODY["config"], "base_url": address}
        made = await desk.post("/integrations", json={**BODY, "config": config})
        tried = f"/integrations/{made.json()['id']}/test"
        assert (await desk.post(tried)).json()["detail"] == "The repository acme/shop can be reached."
        peer.faults = [JSONResponse({"message": "Bad credentials"}, 401)] * 2
        refused = (await desk.post(tried)).json()
        assert (refused["ok"], refused["fault"], refused["detail"]) == (
            False,
            "unauthorized",
            "HTTP 401: Bad credentials",
        )
        health = (await desk.get("/integrations/health")).json()
        assert (health["status"], health["integrations"][0]["fault"]) == ("degraded", "unauthorized")


async def test_a_secret_sealed_with_another_key_is_asked_for_again(
    settings: Settings, resources: Resources, admin: Person
) -> None:
    for key, found in (("one", True), ("two", False)):
        keyed = settings.model_copy(update={"integrations": HERE.model_copy(update={"key": SecretStr(key * 12)})})
        async with serving(keyed) as api:
            if found:
                config = {**BODY["config"], "base_url": "http://127.0.0.1:9"}
                await api.post("/api/v1/integrations", json={**BODY, "config": config}, headers=admin.headers)
            tried = (await api.post("/api/v1/integrations/1/test", headers=admin.headers)).json()
        assert tried["ok"] is False
        assert ("enter it again" in tried["detail"]) is not found


async def test_every_vendor_can_be_connected(desk: httpx2.AsyncClient, there: There) -> None:
    secret = there.peer.secret
    body = {"provider": there.peer.provider, "name": "x", "config": there.config, "secret": secret}
    made = await desk.post("/integrations", json=body)
    assert made.status_code == 201, made.text
    assert (await desk.post(f"/integrations/{made.json()['id']}/test")).json()["ok"] is True
