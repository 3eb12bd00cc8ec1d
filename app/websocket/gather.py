"""Questions to the database that come at the same time, asked as one."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import islice
from typing import Generic, TypeVar

from app.websocket.repository import DATABASE_AWAY

K = TypeVar("K")
V = TypeVar("V")

MOST = 1000


class Gather(Generic[K, V]):
    """While one question is under way, those that come are put together into the next.

    An answer is never older than the question: what comes while one is under way waits for the next.
    """

    def __init__(self, ask: Callable[[list[K]], Awaitable[Mapping[K, V]]]) -> None:
        """`ask` answers every key, or raises DATABASE_AWAY for all of them."""
        self._ask = ask
        self._waiting: dict[K, asyncio.Future[V]] = {}
        self._asking: asyncio.Task[None] | None = None

    async def get(self, key: K) -> V:
        """Raises DATABASE_AWAY."""
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
        if self._asking is None:
            self._asking = asyncio.create_task(self._answer())
        # Several may wait for the same answer; one that is cancelled must not take it from the others.
        return await asyncio.shield(answer)

    async def settled(self) -> None:
        """Nothing is under way any more: a question that is broken off would leave its connection open."""
        if self._asking is not None:
            await asyncio.wait([self._asking])

    async def _answer(self) -> None:
        try:
            while self._waiting:
                asked = {key: self._waiting.pop(key) for key in list(islice(self._waiting, MOST))}
                await self._answer_some(asked)
        finally:
            self._asking = None

    async def _answer_some(self, asked: "dict[K, asyncio.Future[V]]") -> None:
        try:
            found = await self._ask(list(asked))
            for key, answer in asked.items():
                answer.set_result(found[key])
        except DATABASE_AWAY as error:
            for answer in asked.values():
                answer.set_exception(error)
                # Whoever asked may have left.
                answer.exception()
        finally:
            for answer in asked.values():
                answer.cancel()
