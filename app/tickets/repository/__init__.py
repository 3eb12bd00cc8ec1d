"""Rows of tickets and of what hangs on them, each query starting from what its viewer may see."""

from app.tickets.repository.tickets import TicketRepository, seen
from app.tickets.repository.trail import CommentRepository, Timeline
from app.tickets.repository.vectors import SimilarTickets

__all__ = ["CommentRepository", "SimilarTickets", "TicketRepository", "Timeline", "seen"]
