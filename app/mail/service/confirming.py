"""Mailing the code that proves an address. Asked for in the accounts' room; it goes out by the desk's transport."""

from uuid import UUID

from app.accounts.service import confirming as accounts
from app.core.resources import Resources
from app.jobs import claims
from app.jobs import service as jobs
from app.mail.composing import asking_to_confirm
from app.mail.transports import open_transport
from app.mail.transports.base import Refused, Transport, TransportFault


async def send_confirmation(resources: Resources, job_id: UUID, *, transport: Transport | None = None) -> None:
    """If nobody knows whether it went out, it is sent again: the same code, the same Message-ID. Raises ClaimLost."""
    settings = resources.settings
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        async with resources.db.unit_of_work() as db:
            due = await accounts.due(db, settings, UUID(claim.subject))
            if due is None or settings.mail.address is None:
                await jobs.succeed(db, claim)
                return
        fault: TransportFault | None = None
        try:
            message = asking_to_confirm(due, settings.mail)
            await (transport or open_transport(settings)).send(
                message, sender=settings.mail.address, recipient=due.email, name=due.id.hex
            )
        except TransportFault as found:
            fault = found
        except (ValueError, UnicodeError) as error:
            fault = Refused(f"No mail can be written to this address ({error}).")
        async with resources.db.unit_of_work() as db:
            if fault is None:
                await jobs.succeed(db, claim)
            else:
                passing, most = not isinstance(fault, Refused), settings.jobs.max_attempts
                await claims.end_attempt(db, claim, reason=fault.reason, passing=passing, max_attempts=most)
