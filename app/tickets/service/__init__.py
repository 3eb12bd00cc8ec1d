"""What can be done with tickets. Session and principal first, the rest by name; the caller's unit of work commits."""

from app.tickets.service.categorisation import DESK, attach_categorisation, categorise_once, categorize
from app.tickets.service.comments import comment, comments, withdraw_comment
from app.tickets.service.creation import create
from app.tickets.service.editing import assign, change_status, delete, update
from app.tickets.service.neglected import JOB_KIND as CATCHING_UP
from app.tickets.service.neglected import Rounds, left_to_do
from app.tickets.service.noting import note_escalation, note_export
from app.tickets.service.overdue import move_up
from app.tickets.service.reading import get, list_tickets, timeline, watchable
from app.tickets.service.similarity import find_similar, keep_vector, rank_similar, search, similar, vector_of

__all__ = [
    "CATCHING_UP",
    "DESK",
    "Rounds",
    "assign",
    "attach_categorisation",
    "categorise_once",
    "categorize",
    "change_status",
    "comment",
    "comments",
    "create",
    "delete",
    "find_similar",
    "get",
    "keep_vector",
    "left_to_do",
    "list_tickets",
    "move_up",
    "note_escalation",
    "note_export",
    "rank_similar",
    "search",
    "similar",
    "timeline",
    "update",
    "vector_of",
    "watchable",
    "withdraw_comment",
]
