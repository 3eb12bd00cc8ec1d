"""What can be done with connections, and with tickets over them."""

from app.integrations.service.connections import add, change, check, health, list_connections, read, remove
from app.integrations.service.exporting import JOB_KIND, carry_out, exports, give_up, pass_on, state, wait_for

__all__ = [
    "JOB_KIND",
    "add",
    "carry_out",
    "change",
    "check",
    "exports",
    "give_up",
    "health",
    "list_connections",
    "pass_on",
    "read",
    "remove",
    "state",
    "wait_for",
]
