"""What all protocols do alike: join a channel, answer, replay, go live; leave."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar, Generic, Literal, TypeVar

from app.core.auth import Principal
from app.core.errors import Conflict
from app.core.resources import Resources
from app.websocket.access import Access
from app.websocket.channels import subject
from app.websocket.connection import Connection
from app.websocket.feeds import Feeds
from app.websocket.messages import SubscriptionResponse
from app.websocket.payloads import JobSubscriptionData, NotificationSubscriptionData, TicketSubscriptionData
from app.websocket.requests import RequestId

R = TypeVar("R")

About = Callable[[int, bool | None], TicketSubscriptionData | JobSubscriptionData | NotificationSubscriptionData]
"""Makes an answer's data from the channel's `seq` and `recovered`."""


class TooManySubscriptions(Conflict):
    code = "too_many_subscriptions"
    title = "Too many subscriptions"
    detail = "This connection watches as much as it may; unsubscribe from something, or open another one."


def gap_frame(channel: str, seq: int) -> bytes:
    """What a watcher is told when history up to `seq` is lost."""
    about = subject(channel)
    if about.job_id is not None:
        job = JobSubscriptionData(job_id=about.job_id, subscribed=True, seq=seq, recovered=False)
        return SubscriptionResponse(protocol="file", data=job).frame()
    if about.topic is not None:
        told = NotificationSubscriptionData(topic=about.topic, subscribed=True, seq=seq, recovered=False)
        return SubscriptionResponse(protocol="notification", data=told).frame()
    assert about.ticket_id is not None  # noqa: S101 - a channel is about one of the three
    ticket = TicketSubscriptionData(ticket_id=about.ticket_id, subscribed=True, seq=seq, recovered=False)
    return SubscriptionResponse(protocol="ticket", data=ticket).frame()


class BaseProtocol(ABC, Generic[R]):
    name: ClassVar[Literal["ticket", "file", "presence", "notification"]]

    def __init__(self, resources: Resources, feeds: Feeds, access: Access) -> None:
        self.db = resources.db
        self._feeds = feeds
        self._access = access
        self._max_subscriptions = resources.settings.websocket.max_subscriptions

    @abstractmethod
    async def handle(self, connection: Connection, who: Principal, request: R) -> None:
        """Answer one request. Raises the room's Problem for what `who` may not see."""

    async def subscribe(
        self, connection: Connection, channel: str, about: About, *, after: int | None, request_id: RequestId | None
    ) -> None:
        """Subscribing again starts anew, from `after` or from now. Raises TooManySubscriptions, DATABASE_AWAY."""
        self.unsubscribe(connection, channel)
        self.require_room(connection)

        joined = await self._feeds.join(channel, connection, after=after)
        connection.subscriptions[channel] = joined.subscription
        data = about(joined.seq, joined.recovered)
        connection.send(SubscriptionResponse(protocol=self.name, data=data, request_id=request_id).frame())
        await joined.subscription.go_live(joined.missed)

    def require_room(self, connection: Connection) -> None:
        """Raises TooManySubscriptions."""
        if len(connection.subscriptions) >= self._max_subscriptions:
            raise TooManySubscriptions

    def unsubscribe(self, connection: Connection, channel: str) -> None:
        subscription = connection.subscriptions.pop(channel, None)
        if subscription is not None:
            subscription.leave()
