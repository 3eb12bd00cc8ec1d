"""What follows from a conversation's events where it is held by mail. Only translates."""

from app.conversations.events import SessionChanged, SessionEscalated
from app.core.tasks import TaskCall
from app.mail import tasks
from app.models.conversation import ChannelName, Speaker


def after_change(event: SessionChanged) -> list[TaskCall]:
    if event.channel is not ChannelName.EMAIL or event.message_id is None or event.role is Speaker.CUSTOMER:
        return []
    return [tasks.put_on_way.call(event.message_id)]


def after_escalation(event: SessionEscalated) -> list[TaskCall]:
    return [tasks.hang.call(event.session_id)]
