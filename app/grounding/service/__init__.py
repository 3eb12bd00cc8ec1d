"""Answering from documents, and what an answer must reach."""

from app.grounding.service.answering import answer, standalone
from app.grounding.service.thresholds import THRESHOLDS

__all__ = ["THRESHOLDS", "answer", "standalone"]
