"""What is remembered of a conversation: one suite for all stores."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import boto3
import pytest
from botocore.config import Config

from app.conversations.memory import (
    ConversationMemory,
    DynamoMemory,
    MemoryAway,
    PostgresMemory,
    Remembered,
    RememberedTurn,
    dynamodb,
    of,
)
from app.core.resources import NotConfigured, Resources
from app.core.settings import ConversationSettings
from tests.conversations.conftest import Desk
from tests.factories.aws import aws

TABLE = "memories"
EARLY = Remembered(2, "Customer: Hello", (RememberedTurn("customer", "Hello"), RememberedTurn("assistant", "Grüße ❤")))
LATE = Remembered(4, "Customer: Hello again", (RememberedTurn("customer", "x" * 50_000),))


@pytest.fixture(scope="module")
def dynamodb_address() -> Iterator[str]:
    with aws() as address:
        yield address


@pytest.fixture(params=["postgres", "dynamodb"])
async def memory(
    request: pytest.FixtureRequest, resources: Resources, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ConversationMemory]:
    if request.param == "postgres":
        yield PostgresMemory(resources.db)
        return
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", request.getfixturevalue("dynamodb_address"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    dynamodb._client.cache_clear()
    # More patient than the product's: the stand-in loads itself at its first call.
    make: Any = boto3.client
    client = make("dynamodb", config=Config(read_timeout=60, retries={"total_max_attempts": 1}))
    key = {"AttributeName": "session_id"}
    await asyncio.to_thread(
        client.create_table,
        TableName=TABLE,
        KeySchema=[{**key, "KeyType": "HASH"}],
        AttributeDefinitions=[{**key, "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield DynamoMemory(TABLE)
    await asyncio.to_thread(client.delete_table, TableName=TABLE)
    dynamodb._client.cache_clear()


async def test_what_is_remembered_is_recalled_until_it_is_forgotten(memory: ConversationMemory) -> None:
    session = uuid4()
    assert await memory.recall(session) is None
    assert await memory.remember(session, EARLY)
    assert await memory.recall(session) == EARLY
    assert await memory.recall(uuid4()) is None
    assert await memory.remember(session, LATE)
    assert await memory.recall(session) == LATE
    await memory.forget(session)
    assert await memory.recall(session) is None


async def test_a_late_writer_changes_nothing(memory: ConversationMemory) -> None:
    session = uuid4()
    assert await memory.remember(session, LATE)
    assert not await memory.remember(session, EARLY)
    assert not await memory.remember(session, LATE)
    assert await memory.recall(session) == LATE


async def test_of_many_writers_the_one_that_knows_most_wins(memory: ConversationMemory) -> None:
    session = uuid4()
    await asyncio.gather(*(memory.remember(session, Remembered(n, str(n), ())) for n in range(1, 9)))
    found = await memory.recall(session)
    assert found is not None
    assert found.position == 8


async def test_a_table_that_is_missing_is_said_to_be_away(
    dynamodb_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (
        ("ENDPOINT_URL_DYNAMODB", dynamodb_address),
        ("ACCESS_KEY_ID", "x"),
        ("SECRET_ACCESS_KEY", "x"),
    ):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    dynamodb._client.cache_clear()
    with pytest.raises(MemoryAway):
        await DynamoMemory("nowhere").recall(uuid4())
    dynamodb._client.cache_clear()


async def test_an_answer_is_told_what_was_remembered_and_what_came_since(desk: Desk) -> None:
    session = await desk.ask()
    held = await PostgresMemory(desk.resources.db).recall(UUID(session))
    assert held is not None
    assert [turn.role for turn in held.turns] == ["customer", "assistant"]
    assert held.summary.startswith("Customer: How do I restart")
    # A memory that was lost, or is behind, costs nothing but a look at the messages.
    await PostgresMemory(desk.resources.db).forget(UUID(session))
    await desk.say(session, "And the printer?")
    await desk.work()
    assert [turn.role for turn in desk.answers.contexts[-1]] == ["customer", "assistant"]


def test_dynamodb_needs_a_table(resources: Resources) -> None:
    settings = resources.settings.model_copy(update={"conversations": ConversationSettings(memory="dynamodb")})
    with pytest.raises(NotConfigured, match="MEMORY_TABLE"):
        of(replace(resources, settings=settings))
