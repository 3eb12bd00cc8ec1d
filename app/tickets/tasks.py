"""What the desk does with a ticket after it is stored. Each may come twice, late, or after the ticket is gone.

A message may also be lost: then `service.Rounds` finds what was not done, and makes a job of it.
"""

from app.core.errors import Unavailable
from app.core.resources import Resources
from app.core.tasks import task
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.jobs.tasks import claimed
from app.tickets import service
from app.tickets.errors import TicketMissing
from app.tickets.schemas import Categorisation


@task(name="tickets.embed", time_limit=60, retry_on=(Unavailable,))
async def embed_ticket(resources: Resources, ticket_id: int) -> None:
    await _embed(resources, ticket_id)


@task(name="tickets.categorise", time_limit=60, retry_on=(Unavailable,))
async def categorise_ticket(resources: Resources, ticket_id: int) -> None:
    await _categorise(resources, ticket_id)


@task(name="tickets.catch_up", time_limit=120)
@claimed
async def catch_up(resources: Resources, claim: Claim) -> None:
    async with resources.db.session() as db:
        left = await service.left_to_do(db, int(claim.subject))
    if left is not None and left.embed:
        await _embed(resources, left.ticket_id)
    if left is not None and left.categorise:
        await _categorise(resources, left.ticket_id)
    # Apart from its results: whoever does the same once more changes nothing.
    async with resources.db.unit_of_work() as db:
        await jobs.succeed(db, claim)


async def _embed(resources: Resources, ticket_id: int) -> None:
    try:
        async with resources.db.session() as db:
            ticket = await service.get(db, service.DESK, ticket_id)
        vector = await service.vector_of(ticket)
        async with resources.db.unit_of_work() as db:
            await service.keep_vector(db, service.DESK, ticket_id, version=ticket.version, vector=vector)
    except TicketMissing:
        return


async def _categorise(resources: Resources, ticket_id: int) -> None:
    try:
        async with resources.db.session() as db:
            ticket = await service.get(db, service.DESK, ticket_id)
        async with resources.db.session() as db:
            guess = await service.categorize(db, description=ticket.description, title=ticket.title)
        found = Categorisation(
            category=guess.category, priority=guess.priority, team=guess.team, confidence=guess.confidence
        )
        async with resources.db.unit_of_work() as db:
            await service.categorise_once(db, ticket_id, found=found)
    except TicketMissing:
        return
