"""What can be wrong with a request about a ticket."""

from app.core.errors import Conflict, Forbidden, Invalid, NotFound


class TicketMissing(NotFound):
    code = "ticket_not_found"
    title = "No such ticket"
    detail = "There is no ticket of this number that you may see."


class TicketClosed(Conflict):
    code = "ticket_closed"
    title = "The ticket is closed"
    detail = "A closed ticket takes no more comments or corrections; open a new ticket that names it."


class TransitionImpossible(Conflict):
    code = "impossible_transition"
    title = "The status cannot change so"
    detail = "This ticket cannot go from its present status to the wanted one."


class StaffOnly(Forbidden):
    code = "staff_only"
    title = "Only staff may do this"
    detail = "Only the support staff may set these fields."


class SupervisorOnly(Forbidden):
    code = "supervisor_only"
    title = "Only supervisors may do this"
    detail = "Only a supervisor or an administrator may delete a ticket."


class AssigneeUnfit(Invalid):
    code = "assignee_invalid"
    title = "Nobody to assign to"
    detail = "A ticket is assigned to an active member of the staff; this user is not one."
