"""What can be done with evaluations: keep sets, ask for a comparison, carry it out, wait for it, look at it."""

from app.evaluations.service.gate import JOB_KIND, Gate, ask, carry_out, give_up, wait
from app.evaluations.service.reports import listed, shown
from app.evaluations.service.sets import all_sets, drop_set, ensure_defaults, one_set, store_set

__all__ = [
    "JOB_KIND",
    "Gate",
    "all_sets",
    "ask",
    "carry_out",
    "drop_set",
    "ensure_defaults",
    "give_up",
    "listed",
    "one_set",
    "shown",
    "store_set",
    "wait",
]
