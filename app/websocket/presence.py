"""Who looks at a ticket and who writes on it, in all API processes: so that no two of the staff answer at once.

None of it is history. Each process writes its own people into one Redis hash a ticket, with the time until which that
holds, and renews it; what is not renewed is not there any more, so a process that dies takes its people along within
`LEASE_SECONDS`. Times are Redis's own: the clocks of processes need not agree. While Redis is away a process knows its
own people alone.
"""

import asyncio
import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from app.core.clock import now
from app.core.redis import REDIS_AWAY, Redis, RedisError, heed_cancellation
from app.core.telemetry import get_logger
from app.websocket.messages import PresenceUpdate
from app.websocket.payloads import PresenceData, PresentData
from app.websocket.redis_pubsub import RedisPubSub

log = get_logger(__name__)

PREFIX = "ws:presence:"
"""Of the hash and of the channel alike: "ws:presence:12"."""

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
TYPING_SECONDS = 10.0
"""Who typed and has not said so again for so long is only viewing."""

FIRST_SECONDS = 2.0
"""How long a first look at a ticket waits for Redis before it makes do with what this process knows."""

GAP_SECONDS = 0.25
"""Between two updates of a ticket to its watchers, and between two writes to Redis: however busily people type."""

State = Literal["viewing", "typing"]

_EXCHANGE = """
local clock = redis.call('TIME')
local at = clock[1] * 1000 + math.floor(clock[2] / 1000)
local said = redis.call('HGET', KEYS[1], ARGV[1])
local changed = (said and string.match(said, '^%d+ (.*)$') or '') ~= ARGV[2]
if ARGV[2] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', at + ARGV[3]) .. ' ' .. ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
local stored = redis.call('HGETALL', KEYS[1])
local living = {}
for i = 1, #stored, 2 do
  local ends, people = string.match(stored[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) < at then
    redis.call('HDEL', KEYS[1], stored[i])
    changed = true
  else
    living[stored[i]] = people
  end
end
local told = cjson.encode(living)
if changed then
  redis.call('PUBLISH', KEYS[1], told)
end
return told
"""
"""Write what one process knows, drop what has lapsed, tell all processes if that changed anything, answer with all."""


class Sink(Protocol):
    """Who is told: a socket."""

    def send(self, frame: bytes) -> None:
        """Never waits."""


@dataclass(eq=False, slots=True)
class Seat:
    """One connection at one ticket. `state` None: it only watches."""

    room: "Room"
    sink: Sink
    username: str
    state: State | None = None
    since: datetime = field(default_factory=now)
    typing_until: float = 0.0

    def leave(self) -> None:
        self.room.leave(self)


class Room:
    """One ticket, as far as connections of this process are there."""

    def __init__(self, ticket_id: int, presence: "Presence") -> None:
        self.ticket_id = ticket_id
        self.seats: set[Seat] = set()
        self.elsewhere: list[PresentData] = []
        self.heard = 0.0
        self.known = asyncio.Event()
        self._presence = presence
        self._told: list[PresentData] = []
        self._telling: asyncio.TimerHandle | None = None
        self._quiet_until = 0.0

    def leave(self, seat: Seat) -> None:
        self.seats.discard(seat)
        if seat.state is not None:
            self.changed()
        if not self.seats:
            self._presence.close(self)

    def changed(self) -> None:
        self._presence.write_soon(self)
        self.tell()

    def here(self) -> list[PresentData]:
        """Those of this process."""
        return merged(
            PresentData(username=seat.username, state=seat.state, since=seat.since)
            for seat in self.seats
            if seat.state is not None
        )

    def people(self) -> list[PresentData]:
        return merged([*self.here(), *self.elsewhere])

    def tell(self) -> None:
        """The watchers, unless they know; not more often than every `GAP_SECONDS`."""
        loop = asyncio.get_running_loop()
        if self._telling is None and self.people() != self._told:
            self._telling = loop.call_at(max(loop.time(), self._quiet_until), self._tell)

    def _tell(self) -> None:
        self._telling = None
        people = self.people()
        if people == self._told:
            return
        self._told = people
        self._quiet_until = asyncio.get_running_loop().time() + GAP_SECONDS
        frame = PresenceUpdate(data=PresenceData(ticket_id=self.ticket_id, people=people, timestamp=now())).frame()
        for seat in self.seats:
            seat.sink.send(frame)


class Presence:
    """All tickets at which connections of this process are."""

    def __init__(self, redis: Redis, redis_url: str) -> None:
        self._redis = redis
        self._process = secrets.token_hex(8)
        self._script = redis.register_script(_EXCHANGE)
        self._rooms: dict[int, Room] = {}
        self._unwritten: set[Room] = set()
        self._wake = asyncio.Event()
        self._pubsub = RedisPubSub(redis_url, prefix=PREFIX, received=self._received, confirmed=self._confirmed)

    async def run(self) -> None:
        """Until cancelled."""
        listening = asyncio.create_task(self._pubsub.run())
        try:
            await self._keep_writing()
        finally:
            listening.cancel()
            await asyncio.wait([listening])

    async def enter(self, ticket_id: int, sink: Sink, username: str) -> Seat:
        """To watch; whoever is to be seen calls `show`."""
        room = self._rooms.get(ticket_id)
        seat = Seat(room or Room(ticket_id, self), sink, username)
        seat.room.seats.add(seat)
        try:
            if room is None:
                self._rooms[ticket_id] = seat.room
                await self._pubsub.add(str(ticket_id))
                self.write_soon(seat.room)
            async with asyncio.timeout(FIRST_SECONDS):
                await seat.room.known.wait()
        except TimeoutError:
            log.warning("presence_unknown", ticket_id=ticket_id)
        except BaseException:
            seat.leave()
            raise
        return seat

    def show(self, seat: Seat, state: State) -> None:
        if state == "typing":
            seat.typing_until = asyncio.get_running_loop().time() + TYPING_SECONDS
        if seat.state is None:
            seat.since = now()
        if seat.state != state:
            seat.state = state
            seat.room.changed()

    def close(self, room: Room) -> None:
        if self._rooms.get(room.ticket_id) is room:
            del self._rooms[room.ticket_id]
            self._pubsub.remove(str(room.ticket_id))

    def write_soon(self, room: Room) -> None:
        self._unwritten.add(room)
        self._wake.set()

    async def _keep_writing(self) -> None:
        loop = asyncio.get_running_loop()
        renew_at = loop.time() + RENEW_SECONDS
        while True:
            heed_cancellation()
            try:
                async with asyncio.timeout_at(renew_at):
                    await self._wake.wait()
            except TimeoutError:
                renew_at = loop.time() + RENEW_SECONDS
                self._calm_down(loop.time())
                self._unwritten.update(self._rooms.values())
            self._wake.clear()
            rooms, self._unwritten = list(self._unwritten), set()
            await self._exchange(rooms)
            await asyncio.sleep(GAP_SECONDS / 5)

    def _calm_down(self, at: float) -> None:
        for room in self._rooms.values():
            for seat in room.seats:
                if seat.state == "typing" and seat.typing_until <= at:
                    seat.state = "viewing"
            if at - room.heard > LEASE_SECONDS:
                # Redis has told nothing for as long as anything that it told may hold.
                room.elsewhere = []
            room.tell()

    async def _exchange(self, rooms: list[Room]) -> None:
        try:
            async with self._redis.pipeline(transaction=False) as pipe:
                for room in rooms:
                    # A room that is closed is no longer ours to speak for: another may be open for the ticket.
                    own = self._rooms.get(room.ticket_id, room).here()
                    said = json.dumps([person.model_dump(mode="json") for person in own]) if own else ""
                    arguments: list[str | int] = [self._process, said, int(LEASE_SECONDS * 1000)]
                    await self._script(keys=[f"{PREFIX}{room.ticket_id}"], args=arguments, client=pipe)
                answers = await pipe.execute()
        except (*REDIS_AWAY, RedisError) as error:
            # The next renewal tells it all again.
            log.warning("presence_not_shared", error=type(error).__name__)
        else:
            for room, told in zip(rooms, answers, strict=True):
                self._hear(room, told)
        for room in rooms:
            room.known.set()

    def _received(self, channel: str, payload: str) -> None:
        room = self._rooms.get(int(channel))
        if room is not None:
            self._hear(room, payload)

    def _confirmed(self, channel: str) -> None:
        """Messages come from now on; what was told before is read."""
        room = self._rooms.get(int(channel))
        if room is not None:
            self.write_soon(room)

    def _hear(self, room: Room, told: str) -> None:
        processes: dict[str, str] = json.loads(told)
        processes.pop(self._process, None)
        room.elsewhere = [PresentData.model_validate(one) for said in processes.values() for one in json.loads(said)]
        room.heard = asyncio.get_running_loop().time()
        room.tell()


def merged(people: Iterable[PresentData]) -> list[PresentData]:
    """Each person once, whoever came first first."""
    found: dict[str, PresentData] = {}
    for one in people:
        known = found.setdefault(one.username, one)
        state: State = "typing" if "typing" in (known.state, one.state) else "viewing"
        found[one.username] = PresentData(username=one.username, state=state, since=min(known.since, one.since))
    return sorted(found.values(), key=lambda one: (one.since, one.username))
