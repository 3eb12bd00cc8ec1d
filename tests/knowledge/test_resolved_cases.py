from app.core.auth import Principal, Role
from app.core.resources import Resources
from app.knowledge import service as knowledge
from app.knowledge.service import TEXT_CHARS
from app.models.ticket import TicketStatus, Visibility
from app.tickets import service as tickets
from tests.factories.people import principal
from tests.factories.tickets import ticket


async def solve(resources: Resources, who: Principal, *said: tuple[str, Visibility], **fields: str) -> int:
    """A resolved ticket with these words on it and a vector."""
    agent = await principal(resources, Role.AGENT)
    made = await ticket(resources, who, **fields)
    async with resources.db.unit_of_work() as db:
        for body, visibility in said:
            await tickets.comment(db, agent, made.id, body=body, visibility=visibility)
        await tickets.change_status(db, agent, made.id, status=TicketStatus.RESOLVED)
        vector = await tickets.vector_of(made)
        await tickets.keep_vector(db, tickets.DESK, made.id, version=1, vector=vector)
    return made.id


async def test_what_both_words_and_meaning_find_comes_first(resources: Resources) -> None:
    ada = await principal(resources)
    meant = await solve(resources, ada, title="Cannot sign in", description="My password is refused.")
    both = await solve(resources, ada, title="Login fails", description="The login form refuses my password.")
    async with resources.db.session() as db:
        found = await knowledge.resolved_cases(db, ada, query="login fails", limit=2)
    assert [evidence.ticket_id for evidence in found] == [both, meant]
    assert found[0].score == 1
    assert found[0].score > found[1].score > 0


async def test_the_answer_is_the_last_public_word_and_never_an_internal_one(resources: Resources) -> None:
    ada = await principal(resources)
    await solve(
        resources,
        ada,
        ("We look into it.", Visibility.PUBLIC),
        ("Restart the gateway.", Visibility.PUBLIC),
        ("The customer pays late, no hurry.", Visibility.INTERNAL),
        title="Gateway E-77",
        description="x" * 5000,
    )
    silent = await solve(resources, ada, title="Gateway E-78", description="It went away.")
    staff = await principal(resources, Role.SUPERVISOR)
    for who in (ada, staff):
        async with resources.db.session() as db:
            found = {item.title: item for item in await knowledge.resolved_cases(db, who, query="gateway", limit=5)}
        assert found["Gateway E-77"].resolution == "Restart the gateway."
        assert len(found["Gateway E-77"].text) == TEXT_CHARS
        assert (found["Gateway E-78"].ticket_id, found["Gateway E-78"].resolution) == (silent, None)


async def test_the_thanks_of_the_customer_is_no_answer(resources: Resources) -> None:
    ada, agent = await principal(resources), await principal(resources, Role.AGENT)
    gateway = await solve(resources, ada, ("Restart it.", Visibility.PUBLIC), title="Gateway E-77", description="down")
    printer = await solve(resources, ada, title="Printer of the gateway", description="down")
    async with resources.db.unit_of_work() as db:
        for number in (gateway, printer):
            await tickets.comment(db, ada, number, body="Thanks!")
            await tickets.change_status(db, agent, number, status=TicketStatus.RESOLVED)
    async with resources.db.session() as db:
        found = {one.ticket_id: one.resolution for one in await knowledge.resolved_cases(db, ada, query="gateway")}
    assert found == {gateway: "Restart it.", printer: None}


async def test_nobody_learns_from_tickets_they_may_not_see(resources: Resources) -> None:
    ada, ben = await principal(resources), await principal(resources)
    await solve(resources, ada, title="Gateway E-77", description="down")
    async with resources.db.session() as db:
        assert await knowledge.resolved_cases(db, ben, query="gateway") == []


async def test_an_open_problem_answers_nothing(resources: Resources) -> None:
    ada = await principal(resources)
    await ticket(resources, ada, title="Gateway E-77", description="down")
    async with resources.db.session() as db:
        assert await knowledge.resolved_cases(db, ada, query="gateway") == []
