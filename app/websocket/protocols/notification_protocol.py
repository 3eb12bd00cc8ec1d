"""What is told to a person, wherever they are in the desk: their own matters, to the staff those of the queue, and to
administrators the budget."""

from app.core.auth import Principal
from app.websocket.channels import BUDGET, QUEUE, Subject, own_channel
from app.websocket.connection import Connection
from app.websocket.messages import SubscriptionResponse
from app.websocket.payloads import NotificationSubscriptionData
from app.websocket.protocols.base_protocol import BaseProtocol
from app.websocket.requests import NotificationRequest, SubscribeNotifications

_CHANNELS = {"budget": BUDGET, "queue": QUEUE}


class NotificationProtocol(BaseProtocol[NotificationRequest]):
    name = "notification"

    async def handle(self, connection: Connection, who: Principal, request: NotificationRequest) -> None:
        topic, request_id = request.data.topic, request.request_id
        channel = own_channel(who.user_id) if topic == "own" else _CHANNELS[topic]
        if not isinstance(request, SubscribeNotifications):
            self.unsubscribe(connection, channel)
            left = NotificationSubscriptionData(topic=topic, subscribed=False)
            connection.send(SubscriptionResponse(protocol=self.name, data=left, request_id=request_id).frame())
            return
        await self._access.require(who, Subject(topic=topic, user_id=who.user_id))

        def about(seq: int, recovered: bool | None) -> NotificationSubscriptionData:
            return NotificationSubscriptionData(topic=topic, subscribed=True, seq=seq, recovered=recovered)

        await self.subscribe(connection, channel, about, after=request.data.after, request_id=request_id)
