"""What can be done with tickets. Session and principal first, the rest by name; the caller's unit of work commits."""

from app.tickets.service.comments import comment, comments
from app.tickets.service.creation import create
from app.tickets.service.editing import assign, change_status, delete, update
from app.tickets.service.reading import get, list_tickets, timeline

__all__ = [
    "assign",
    "change_status",
    "comment",
    "comments",
    "create",
    "delete",
    "get",
    "list_tickets",
    "timeline",
    "update",
]
