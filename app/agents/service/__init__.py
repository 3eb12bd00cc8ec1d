"""What can be done with runs: ask for one, carry it out, wait for it, look at it."""

from app.agents.service.answering import Claim, Summary, Written, judge_claims, summarize, write_answer
from app.agents.service.batches import batch_shown, start_batch
from app.agents.service.executing import execute, file_processed, give_up
from app.agents.service.opening import NewTicket, open_ticket
from app.agents.service.reporting import shown
from app.agents.service.requesting import JOB_KIND, RepeatKey, ask, request
from app.agents.service.tokens import tool_token
from app.agents.service.trial import try_alone, try_out
from app.agents.service.waiting import channel, wait

__all__ = [
    "JOB_KIND",
    "Claim",
    "NewTicket",
    "RepeatKey",
    "Summary",
    "Written",
    "ask",
    "batch_shown",
    "channel",
    "execute",
    "file_processed",
    "give_up",
    "judge_claims",
    "open_ticket",
    "request",
    "shown",
    "start_batch",
    "summarize",
    "tool_token",
    "try_alone",
    "try_out",
    "wait",
    "write_answer",
]
