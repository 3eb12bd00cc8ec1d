"""In a DynamoDB table with the partition key `session_id` (a string); `expires_at` is for its time to live.

boto3 is synchronous, so each call goes to a thread. Credentials, region and `AWS_ENDPOINT_URL_DYNAMODB` are read by it.
"""

import asyncio
import json
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from app.conversations.memory.base import MemoryAway, Remembered, RememberedTurn

T = TypeVar("T")

ITEM_CHARS = 90_000
"""DynamoDB takes items of 400 KB; a character may be four bytes."""
_KNOWN = "ConditionalCheckFailedException"


class DynamoMemory:
    def __init__(self, table: str, *, keep_days: int = 90) -> None:
        self._table = table
        self._keep_seconds = keep_days * 86_400

    async def recall(self, session_id: UUID) -> Remembered | None:
        found = await _in_thread(
            lambda: _client().get_item(TableName=self._table, Key=_key(session_id), ConsistentRead=True)
        )
        item = found.get("Item")
        if item is None:
            return None
        turns = tuple(RememberedTurn(role, text) for role, text in json.loads(item["turns"]["S"]))
        return Remembered(int(item["position"]["N"]), item["summary"]["S"], turns)

    async def remember(self, session_id: UUID, now: Remembered) -> bool:
        item = {
            **_key(session_id),
            "position": {"N": str(now.position)},
            "summary": {"S": now.summary},
            "turns": {"S": _fitting(now.turns)},
            "expires_at": {"N": str(int(time.time()) + self._keep_seconds)},
        }

        def put() -> bool:
            try:
                _client().put_item(
                    TableName=self._table,
                    Item=item,
                    ConditionExpression="attribute_not_exists(session_id) OR #p < :p",
                    ExpressionAttributeNames={"#p": "position"},
                    ExpressionAttributeValues={":p": item["position"]},
                )
            except ClientError as error:
                if error.response.get("Error", {}).get("Code") == _KNOWN:
                    return False
                raise
            return True

        return await _in_thread(put)

    async def forget(self, session_id: UUID) -> None:
        await _in_thread(lambda: _client().delete_item(TableName=self._table, Key=_key(session_id)))


def _key(session_id: UUID) -> dict[str, Any]:
    return {"session_id": {"S": str(session_id)}}


def _fitting(turns: tuple[RememberedTurn, ...]) -> str:
    """The newest turns that an item has room for."""
    kept: list[list[str]] = []
    room = ITEM_CHARS
    for turn in reversed(turns):
        room -= len(turn.text)
        if room < 0:
            break
        kept.append([turn.role, turn.text])
    return json.dumps(kept[::-1], ensure_ascii=False)


@lru_cache(maxsize=1)
def _client() -> Any:
    config = Config(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 3})
    # By its general type: the stubs at hand are of S3 alone.
    make: Any = boto3.client
    return make("dynamodb", config=config)


async def _in_thread(action: Callable[[], T]) -> T:
    try:
        return await asyncio.to_thread(action)
    except (ClientError, BotoCoreError) as error:
        raise MemoryAway(type(error).__name__) from error
