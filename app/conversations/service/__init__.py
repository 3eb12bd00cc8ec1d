"""What can be done with conversations. Session and principal first; the caller's unit of work commits."""

from app.conversations.service.answering import Answerer, give_up, take_turn
from app.conversations.service.escalating import hand_over, new_event
from app.conversations.service.flagging import citing, recheck
from app.conversations.service.following import follow
from app.conversations.service.keeping import FOLLOW, RESCUE, look
from app.conversations.service.opening import (
    case,
    customer_of,
    escalation,
    get,
    list_sessions,
    message,
    messages,
    start,
)
from app.conversations.service.overdue import OVERDUE, mark_overdue
from app.conversations.service.recapping import RECAP, recap
from app.conversations.service.resolving import resolve
from app.conversations.service.saying import TURN, say
from app.conversations.service.streaming import check, stream
from app.conversations.service.withdrawing import withdraw

__all__ = [
    "FOLLOW",
    "OVERDUE",
    "RECAP",
    "RESCUE",
    "TURN",
    "Answerer",
    "case",
    "check",
    "citing",
    "customer_of",
    "escalation",
    "follow",
    "get",
    "give_up",
    "hand_over",
    "list_sessions",
    "look",
    "mark_overdue",
    "message",
    "messages",
    "new_event",
    "recap",
    "recheck",
    "resolve",
    "say",
    "start",
    "stream",
    "take_turn",
    "withdraw",
]
