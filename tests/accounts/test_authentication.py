"""From a credential to a person: forged, expired, revoked, and how soon a change counts."""

import asyncio
import base64
import json
import uuid
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import update

from app.accounts import authentication, principals, service
from app.accounts.authentication import authenticate, mint_tool_token, principal_from_token
from app.core.auth import Role, TokenSigner
from app.core.clock import now
from app.core.errors import Unauthenticated
from app.core.resources import Resources
from app.core.settings import Settings
from app.models.user import LoginFamily
from tests.factories.people import Person, bearer, principal, register
from tests.factories.serving import serving

ME, USERS = "/api/v1/users/me", "/api/v1/users"
HOUR = timedelta(hours=1)


def _unsigned(person: Person) -> str:
    def part(content: dict[str, object]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    claims = {"iss": "evidesk", "sub": str(person.id), "aud": "api", "exp": int(now().timestamp()) + 600}
    return f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims)}."


async def _bad_token(kind: str, ann: Person, resources: Resources) -> str:
    family = str(uuid.uuid4())
    signer = resources.signer
    head, claims, signature = ann.token.split(".")
    return {
        "nonsense": "nonsense",
        "alg none": _unsigned(ann),
        "foreign secret": TokenSigner("other").mint(ann.id, audience="api", lifetime=HOUR, family=family),
        "expired": signer.mint(ann.id, audience="api", lifetime=-HOUR, family=family),
        "cut": f"{head}.{claims}.",
        "changed": f"{head}.{claims[:-2]}xx.{signature}",
        "for tools": mint_tool_token(resources, ann.who, scopes=frozenset({"tickets:read"}), run_id="1"),
        "of no login": signer.mint(ann.id, audience="api", lifetime=HOUR),
        "of an unknown login": signer.mint(ann.id, audience="api", lifetime=HOUR, family=family),
        "of nobody": signer.mint(10**9, audience="api", lifetime=HOUR, family=family),
        "not ASCII": "töken",
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "nonsense",
        "alg none",
        "foreign secret",
        "expired",
        "cut",
        "changed",
        "for tools",
        "of no login",
        "of an unknown login",
        "of nobody",
        "not ASCII",
    ],
)
async def test_a_token_that_is_not_ours_for_here_and_now_is_refused(
    api: httpx2.AsyncClient, resources: Resources, kind: str
) -> None:
    token = await _bad_token(kind, await register(resources), resources)
    answer = await api.get(ME, headers={b"Authorization": f"Bearer {token}".encode()})
    assert (answer.status_code, answer.json()["code"]) == (401, "unauthenticated")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer  ", "Basic YTpi", "token x"])
async def test_no_usable_credential_is_no_login(api: httpx2.AsyncClient, header: str) -> None:
    assert (await api.get(ME, headers={"Authorization": header})).status_code == 401
    assert (await api.get(ME)).status_code == 401


async def test_the_scheme_is_read_in_any_case(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    assert (await api.get(ME, headers={"Authorization": f"bEaReR {ann.token}"})).status_code == 200


REMEMBERED_SECONDS = 0.3


@pytest.fixture
async def remembering(resources: Resources, settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    """The application with a memory short enough to wait for."""
    auth = settings.auth.model_copy(update={"principal_cache_seconds": REMEMBERED_SECONDS})
    async with serving(settings.model_copy(update={"auth": auth})) as client:
        yield client


async def test_a_change_of_role_counts_within_the_remembered_seconds(
    remembering: httpx2.AsyncClient, resources: Resources
) -> None:
    admin, ann = await principal(resources, Role.ADMIN), await register(resources, Role.ADMIN)
    assert (await remembering.get(USERS, headers=ann.headers)).status_code == 200
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.id, role=Role.AGENT)
    await asyncio.sleep(REMEMBERED_SECONDS + 0.05)
    assert (await remembering.get(USERS, headers=ann.headers)).status_code == 403


async def test_a_deactivated_person_is_out_within_the_remembered_seconds_and_stays_out(
    remembering: httpx2.AsyncClient, resources: Resources
) -> None:
    admin, ann = await principal(resources, Role.ADMIN), await register(resources)
    assert (await remembering.get(ME, headers=ann.headers)).status_code == 200
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.id, active=False)
    await asyncio.sleep(REMEMBERED_SECONDS + 0.05)
    assert (await remembering.get(ME, headers=ann.headers)).status_code == 401
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.id, active=True)
    await asyncio.sleep(REMEMBERED_SECONDS + 0.05)
    assert (await remembering.get(ME, headers=ann.headers)).status_code == 401


def test_the_memory_of_people_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(principals, "_REMEMBERED", 2)
    memory = principals._Memory()
    for key in ("a", "b", "c"):
        memory.put(key, None)
    assert [memory.get(key, 60)[0] for key in ("a", "b", "c")] == [False, True, True]


async def test_a_websocket_takes_an_access_token_and_no_api_key(resources: Resources) -> None:
    ann = await register(resources, username="ann")
    assert await principal_from_token(resources, ann.token, "api") == ann.who
    for token in ("evd_12345678_" + "0" * 64, "", "x" * 10_000):
        with pytest.raises(Unauthenticated):
            await principal_from_token(resources, token, "api")


async def test_a_tool_token_is_the_person_within_its_scopes_and_names_its_run(resources: Resources) -> None:
    ann, run = await principal(resources, Role.AGENT), uuid.uuid4()
    token = mint_tool_token(resources, ann, scopes=frozenset({"tickets:read"}), run_id=run)
    who, claims = await authenticate(resources, token, "mcp")
    assert (who.user_id, who.role, who.scopes) == (ann.user_id, Role.AGENT, frozenset({"tickets:read"}))
    assert claims.run_id == str(run)
    assert who.allows("tickets:read")
    assert not who.allows("tickets:write")


async def test_a_tool_token_ends_with_the_account(resources: Resources) -> None:
    admin, ann = await principal(resources, Role.ADMIN), await principal(resources)
    token = mint_tool_token(resources, ann, scopes=frozenset(), run_id="r")
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.user_id, active=False)
    with pytest.raises(Unauthenticated):
        await principal_from_token(resources, token, "mcp")


async def test_a_tool_token_always_names_scopes(resources: Resources) -> None:
    ann = await principal(resources)
    token = resources.signer.mint(ann.user_id, audience="mcp", lifetime=HOUR)
    with pytest.raises(Unauthenticated):
        await principal_from_token(resources, token, "mcp")


async def test_an_access_token_does_not_open_the_tools(resources: Resources) -> None:
    with pytest.raises(Unauthenticated):
        await principal_from_token(resources, (await register(resources)).token, "mcp")


async def test_a_login_that_has_run_out_ends_its_access_tokens(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    async with resources.db.unit_of_work() as db:
        await db.execute(update(LoginFamily).values(expires_at=now()))
    assert (await api.get(ME, headers=bearer(ann.token))).status_code == 401


def test_staff_is_everybody_but_customers() -> None:
    assert authentication.StaffUser is not authentication.AdminUser
