"""What people's judgements are kept for: examples, and the versions of the classifier that learned from them."""

from app.learning.service.examples import examples, keep
from app.learning.service.heads import SHIPPED, in_force, one, refresh, roll_back, versions
from app.learning.service.retraining import JOB_KIND, carry_out, give_up, request, retrain_if_due

__all__ = [
    "JOB_KIND",
    "SHIPPED",
    "carry_out",
    "examples",
    "give_up",
    "in_force",
    "keep",
    "one",
    "refresh",
    "request",
    "retrain_if_due",
    "roll_back",
    "versions",
]
