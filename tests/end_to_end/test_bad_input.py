"""Every operation, as the OpenAPI document lists them, meets the same bad input. Each room tests its own kind."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import Settings
from app.main import create_app
from tests.factories import people
from tests.factories.people import Person, bearer
from tests.factories.recognised import add_file
from tests.factories.tickets import ticket

DOCUMENT = create_app(Settings(_env_file=None)).openapi()
IDS: dict[str, Any] = {
    "agent_type": "customer_support",
    "batch_id": "01890000-0000-7000-8000-000000000000",
    "chunk_id": "01890000-0000-7000-8000-000000000000",
    "decision_id": 1,
    "doc_id": "01890000-0000-7000-8000-000000000000",
    "draft_id": 1,
    "event_id": 1,
    "file_id": "01890000-0000-7000-8000-000000000000",
    "integration_id": 1,
    "key_id": 1,
    "mail_id": "01890000-0000-7000-8000-000000000000",
    "name": "local",
    "resolution_id": "01890000-0000-7000-8000-000000000000",
    "report_id": "01890000-0000-7000-8000-000000000000",
    "sent_id": "01890000-0000-7000-8000-000000000000",
    "session_id": "01890000-0000-7000-8000-000000000000",
    "run_id": "01890000-0000-7000-8000-000000000000",
    "ticket_id": 1,
    "upload_id": "01890000-0000-7000-8000-000000000000",
    "user_id": 1,
    "version": 1,
}
TUS = {
    "Tus-Resumable": "1.0.0",
    "Upload-Length": "10",
    "Upload-Offset": "0",
    "Content-Type": "application/offset+octet-stream",
}
"""What the protocol of resumable uploads asks of every request."""
STAFFS_OWN = {"report_id", "event_id", "integration_id", "mail_id", "resolution_id", "sent_id", "user_id"}
HUGE = 10**30
TEXTS = {"body", "description", "email", "input", "name", "title", "user_input", "username"}
Operation = tuple[str, str, dict[str, Any]]


def operations() -> Iterator[Operation]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def named(found: list[Operation]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize(
        ("method", "path", "operation"), found, ids=[f"{method} {path}" for method, path, _ in found]
    )


def example(operation: dict[str, Any]) -> dict[str, Any]:
    """A body that the operation takes."""
    content = operation["requestBody"]["content"]["application/json"]["schema"]
    reference = next(
        part["$ref"] for part in [content, *content.get("anyOf", ()), *content.get("oneOf", ())] if "$ref" in part
    )
    schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
    return dict(schema["examples"][0]) if "examples" in schema else {}


def takes_json(operation: dict[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", {})


SECURED = [one for one in operations() if {"bearer": []} in one[2]["security"] and {} not in one[2]["security"]]
JSON = [one for one in operations() if takes_json(one[2])]
BY_ID = [one for one in operations() if "_id}" in one[1]]
OF_OTHERS = [one for one in BY_ID if not STAFFS_OWN & {*re.findall(r"{(\w+)}", one[1])}]


@pytest.fixture
async def admin(resources: Resources) -> Person:
    return await people.register(resources, Role.ADMIN)


def tus_of(path: str) -> dict[str, str]:
    return TUS if "/resumable" in path else {}


def refused(response: httpx2.Response, *statuses: int) -> None:
    assert response.status_code in statuses, response.text
    if response.request.method == "HEAD":
        return
    problem = response.json()
    assert response.headers["content-type"] == "application/problem+json"
    assert problem["status"] == response.status_code
    assert problem["detail"]
    assert problem["code"] != "internal_error"


@named(SECURED)
async def test_without_a_good_token_nothing_is_done(
    api: httpx2.AsyncClient, resources: Resources, admin: Person, method: str, path: str, operation: dict[str, Any]
) -> None:
    late = resources.signer.mint(admin.id, audience="api", lifetime=timedelta(seconds=-1), family="0" * 32)
    for_tools = resources.signer.mint(admin.id, audience="mcp", lifetime=timedelta(hours=1), run_id="x")
    head, claims, signature = admin.token.split(".")
    forged = f"{head}.{claims}.{signature[::-1]}"
    body = example(operation) if takes_json(operation) else None
    for headers in ({}, bearer(late), bearer(for_tools), bearer(forged), bearer("x" * 5000), {"X-API-Key": "evk_no"}):
        response = await api.request(method, path.format(**IDS), headers={**tus_of(path), **headers}, json=body)
        refused(response, 401)
        assert response.headers["www-authenticate"].startswith("Bearer")


@named(JSON)
async def test_a_body_that_is_not_what_was_asked_for_is_refused(
    api: httpx2.AsyncClient, admin: Person, method: str, path: str, operation: dict[str, Any]
) -> None:
    good = example(operation)
    for body in ({**good, "no_such_field": 1}, [good], "text", 7, {**good, "\x00": "x"}):
        refused(await api.request(method, path.format(**IDS), headers=admin.headers, json=body), 400, 422)
    for name in good:
        for value in ({"a": [1]}, [[]], -1, *(["\x00"] if name in TEXTS else [])):
            wrong = {**good, name: value}
            refused(await api.request(method, path.format(**IDS), headers=admin.headers, json=wrong), 400, 422)


@named(JSON)
async def test_a_body_that_is_no_json_is_refused(
    api: httpx2.AsyncClient, admin: Person, method: str, path: str, operation: dict[str, Any]
) -> None:
    as_json = {**admin.headers, "content-type": "application/json"}
    deep = b'{"title":' + b"[" * 5000 + b"]" * 5000 + b"}"
    for content in (b'{"title": "\xff\xfe"}', b'{"title": "\\ud800"}', b"{", b'{"a": NaN}', b"\x00", deep):
        refused(await api.request(method, path.format(**IDS), headers=as_json, content=content), 400, 422)
    refused(await api.request(method, path.format(**IDS), headers=as_json, content=b" " * 3_000_000), 413)
    lying = {**admin.headers, "content-type": "image/png"}
    refused(await api.request(method, path.format(**IDS), headers=lying, content=b'{"title": "x"}'), 400, 415, 422)


@named(BY_ID)
async def test_an_id_that_cannot_be_is_refused(
    api: httpx2.AsyncClient, admin: Person, method: str, path: str, operation: dict[str, Any]
) -> None:
    body = example(operation) if takes_json(operation) else None
    for odd in (HUGE, -1, 2**63, "1.5", "%00", "..%2f", "٣", "x" * 3000):
        given = path.format(**dict.fromkeys(IDS, odd))
        headers = {**tus_of(path), **admin.headers}
        refused(await api.request(method, given, headers=headers, json=body), 400, 404, 405, 422)


@named(OF_OTHERS)
async def test_what_is_anothers_is_not_there(
    api: httpx2.AsyncClient, resources: Resources, method: str, path: str, operation: dict[str, Any]
) -> None:
    owner, stranger = await people.register(resources), await people.register(resources)
    theirs = await ticket(resources, owner.who)
    file_id = await add_file(resources, owner.who)
    key = {"name": "x", "scopes": ["tickets:read"]}
    made = await api.post("/api/v1/users/me/api-keys", headers=owner.headers, json=key)
    ids = {**IDS, "ticket_id": theirs.id, "file_id": file_id, "key_id": made.json()["id"]}
    body = example(operation) if takes_json(operation) else None
    headers = {**tus_of(path), **stranger.headers}
    refused(await api.request(method, path.format(**ids), headers=headers, json=body), 403, 404)
    if method == "get":
        refused(await api.request(method, path.format(**ids), headers=stranger.headers), 404)
