"""What can be wrong with a request about a conversation."""

from app.core.errors import Conflict, NotFound, RateLimited


class SessionMissing(NotFound):
    code = "session_not_found"
    title = "No such conversation"
    detail = "There is no conversation of this id that you may see."


class EscalationMissing(NotFound):
    code = "escalation_not_found"
    title = "Not handed over"
    detail = "This conversation has not been handed over to a person."


class CaseMissing(NotFound):
    code = "case_not_found"
    title = "Not resolved"
    detail = "This conversation has no outcome yet."


class SessionResolved(Conflict):
    code = "session_resolved"
    title = "The conversation is over"
    detail = "A resolved conversation takes no more messages; start a new one."


class SessionNotEscalated(Conflict):
    code = "session_not_escalated"
    title = "The conversation is not with a person"
    detail = "Staff answers in conversations that were handed over; escalate this one first."


class NothingElse(Conflict):
    code = "nothing_else"
    title = "The conversation has nothing else"
    detail = "The customer has said nothing else in this conversation: there is nothing to take this out of."


class SessionBusy(Conflict):
    code = "session_busy"
    title = "A message waits to be answered"
    detail = "The customer has just written, and the desk is still at it: read it, and try again in a moment."


class SourceConflict(Conflict):
    code = "source_conflict"
    title = "This source id was used for another message"
    detail = "A message of this source id came before with other words."


class TooManyStreams(RateLimited):
    code = "too_many_streams"
    title = "Too many open streams"
    detail = "Close a stream before you open another."
