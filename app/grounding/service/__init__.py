"""Answering from documents, and what an answer must reach."""

from app.grounding.service.answering import answer, standalone
from app.grounding.service.thresholds import history, in_force, roll_back, shown, update

__all__ = ["answer", "history", "in_force", "roll_back", "shown", "standalone", "update"]
