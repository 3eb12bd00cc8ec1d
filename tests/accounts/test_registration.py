"""Who may come in, and as what."""

import httpx2
import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr, ValidationError
from sqlalchemy import func, select

from app.accounts import service
from app.accounts.errors import AccountTaken, UserNotFound
from app.accounts.schemas import RegisterIn
from app.core.auth import Principal, Role
from app.core.resources import Resources
from app.models.user import User
from tests.factories.people import CHEAP, PASSWORD, principal, register

ANN = {"username": "Ann", "email": "Ann@Example.COM", "password": PASSWORD}
REGISTER = "/api/v1/auth/register"


async def test_a_new_person_is_a_customer_under_lower_case_names(api: httpx2.AsyncClient) -> None:
    answer = await api.post(REGISTER, json=ANN)
    assert answer.status_code == 201
    made = answer.json()
    assert (made["username"], made["email"], made["role"], made["active"]) == (
        "ann",
        "ann@example.com",
        "customer",
        True,
    )
    assert PASSWORD not in answer.text
    assert "password" not in made


async def test_the_password_is_kept_as_an_argon2id_hash(api: httpx2.AsyncClient, resources: Resources) -> None:
    await api.post(REGISTER, json=ANN)
    async with resources.db.session() as db:
        stored = (await db.execute(select(User.password_hash))).scalar_one()
    assert stored.startswith("$argon2id$")
    assert PasswordHasher().verify(stored, PASSWORD)


@pytest.mark.parametrize("taken", [{"username": "aNN"}, {"email": "ann@EXAMPLE.com"}])
async def test_a_name_or_address_can_be_had_once_in_any_case(api: httpx2.AsyncClient, taken: dict[str, str]) -> None:
    await api.post(REGISTER, json=ANN)
    second = {"username": "bob", "email": "bob@example.com", "password": PASSWORD, **taken}
    answer = await api.post(REGISTER, json=second)
    assert (answer.status_code, answer.json()["code"]) == (409, "account_taken")


@pytest.mark.parametrize("name", sorted(service.RESERVED))
async def test_names_of_the_desk_itself_are_not_given_away(api: httpx2.AsyncClient, name: str) -> None:
    answer = await api.post(REGISTER, json={**ANN, "username": name})
    assert answer.status_code == 409


@pytest.mark.parametrize(
    "wrong",
    [
        {"role": "admin"},
        {"username": "a"},
        {"username": "-ann"},
        {"username": "ann@example.com"},
        {"username": "a" * 51},
        {"username": "an\x00n"},
        {"username": 12},
        {"email": "nobody"},
        {"email": "a b@example.com"},
        {"email": "ann@-example.com"},
        {"email": "an\x00n@example.com"},
        {"email": "a" * 400 + "@example.com"},
        {"password": "short"},
        {"password": "x" * 257},
        {"password": None},
    ],
    ids=str,
)
async def test_what_is_no_account_is_refused_by_field(api: httpx2.AsyncClient, wrong: dict[str, object]) -> None:
    answer = await api.post(REGISTER, json={**ANN, **wrong})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert [error["location"][1] for error in answer.json()["errors"]] == [next(iter(wrong))]
    assert PASSWORD not in answer.text


@pytest.mark.parametrize("address", ["desk@localhost", "Ünal@exämple.de", "a+b.c@mail.corp.local", "o'hara@example.ie"])
def test_addresses_of_intranets_and_of_other_alphabets_are_addresses(address: str) -> None:
    assert RegisterIn(username="ann", email=address, password=SecretStr(PASSWORD)).email == address.lower()


def test_half_a_character_in_a_password_is_refused() -> None:
    with pytest.raises(ValidationError, match="well-formed"):
        RegisterIn(username="ann", email="ann@example.com", password=SecretStr("\ud800" * 8))


async def test_the_first_administrator_is_made_once(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        assert await service.ensure_admin(db, email="Boss@Example.com", password=PASSWORD)
    async with resources.db.unit_of_work() as db:
        assert not await service.ensure_admin(db, email="other@example.com", password=PASSWORD)
    async with resources.db.session() as db:
        rows = (await db.execute(select(User.username, User.email, User.role))).all()
    assert [tuple(row) for row in rows] == [("admin", "boss@example.com", "admin")]


async def test_the_first_administrator_needs_an_address_of_their_own(resources: Resources) -> None:
    await principal(resources, username="ann")
    with pytest.raises(AccountTaken):
        async with resources.db.unit_of_work() as db:
            await service.ensure_admin(db, email="ann@example.com", password=PASSWORD)
    with pytest.raises(ValueError, match="address"):
        async with resources.db.unit_of_work() as db:
            await service.ensure_admin(db, email="nobody", password=PASSWORD)


async def test_a_taken_name_leaves_the_unit_of_work_usable(resources: Resources) -> None:
    await principal(resources, username="ann")
    async with resources.db.unit_of_work() as db:
        with pytest.raises(AccountTaken):
            await service.add(
                db, CHEAP, username="ann", email="x@y.z", password=SecretStr(PASSWORD), role=Role.CUSTOMER
            )
        assert (await db.execute(select(func.count()).select_from(User))).scalar_one() == 1


async def test_work_that_goes_on_after_a_request_sees_the_person_as_they_are_now(resources: Resources) -> None:
    admin, ann = await principal(resources, Role.ADMIN), await principal(resources)
    async with resources.db.session() as db:
        assert await service.principal_of(db, ann.user_id) == ann
    async with resources.db.unit_of_work() as db:
        await service.change(db, admin, ann.user_id, active=False)
    async with resources.db.session() as db:
        with pytest.raises(UserNotFound):
            await service.principal_of(db, ann.user_id)


async def test_me_is_the_person_whose_token_it_is(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources, username="ann")
    answer = await api.get("/api/v1/users/me", headers=ann.headers)
    assert (answer.json()["id"], answer.json()["username"]) == (ann.id, "ann")
    assert isinstance(ann.who, Principal)
