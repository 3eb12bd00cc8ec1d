"""What the desk does with a ticket after it is stored. Each may come twice, late, or after the ticket is gone."""

from app.core.errors import Unavailable
from app.core.resources import Resources
from app.core.tasks import task
from app.tickets import service
from app.tickets.errors import TicketMissing
from app.tickets.schemas import Categorisation


@task(name="tickets.embed", time_limit=60, retry_on=(Unavailable,))
async def embed_ticket(resources: Resources, ticket_id: int) -> None:
    try:
        async with resources.db.session() as db:
            ticket = await service.get(db, service.DESK, ticket_id)
        vector = await service.vector_of(ticket)
        async with resources.db.unit_of_work() as db:
            await service.keep_vector(db, service.DESK, ticket_id, version=ticket.version, vector=vector)
    except TicketMissing:
        return


@task(name="tickets.categorise", time_limit=60, retry_on=(Unavailable,))
async def categorise_ticket(resources: Resources, ticket_id: int) -> None:
    try:
        async with resources.db.session() as db:
            ticket = await service.get(db, service.DESK, ticket_id)
        guess = await service.categorize(description=ticket.description, title=ticket.title)
        found = Categorisation(
            category=guess.category, priority=guess.priority, team=guess.team, confidence=guess.confidence
        )
        async with resources.db.unit_of_work() as db:
            await service.categorise_once(db, ticket_id, found=found)
    except TicketMissing:
        return
