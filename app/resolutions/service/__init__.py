"""What can be done with resolutions: start one, go on with it, look at it, and judge what it decided and drafted."""

from app.resolutions.service.advancing import advance, give_up, run_ended
from app.resolutions.service.reading import decisions, drafts, shown
from app.resolutions.service.reviewing import (
    approve_decision,
    correct_decision,
    reject_decision,
    reject_draft,
    send_draft,
)
from app.resolutions.service.starting import JOB_KIND, begin, start

__all__ = [
    "JOB_KIND",
    "advance",
    "approve_decision",
    "begin",
    "correct_decision",
    "decisions",
    "drafts",
    "give_up",
    "reject_decision",
    "reject_draft",
    "run_ended",
    "send_draft",
    "shown",
    "start",
]
