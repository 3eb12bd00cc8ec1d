from app.core.auth import Role
from app.core.resources import Resources
from app.learning import service as learning
from app.models.learning import ExampleField, ExampleSource
from tests.factories.people import principal
from tests.factories.tickets import ticket


async def test_the_last_judgement_of_a_tickets_field_is_the_one_that_stands(resources: Resources) -> None:
    who = await principal(resources, Role.AGENT)
    other = await principal(resources, Role.AGENT)
    about = await ticket(resources, who)
    async with resources.db.unit_of_work() as db:
        first = {ExampleField.CATEGORY: "bug", ExampleField.TEAM: "engineering"}
        await learning.keep(
            db, author_id=who.user_id, ticket_id=about.id, text="a", labels=first, source=ExampleSource.APPROVAL
        )
        await learning.keep(
            db,
            author_id=other.user_id,
            ticket_id=about.id,
            text="b",
            labels={ExampleField.CATEGORY: "incident"},
            source=ExampleSource.CORRECTION,
        )
    async with resources.db.session() as db:
        (category,) = await learning.examples(db, ExampleField.CATEGORY)
        (team,) = await learning.examples(db, ExampleField.TEAM)
        assert list(await learning.examples(db, ExampleField.PRIORITY)) == []
    assert (category.label, category.source, category.text, category.author_id) == (
        "incident",
        "correction",
        "b",
        other.user_id,
    )
    assert (team.label, team.source, team.ticket_id) == ("engineering", "approval", about.id)


async def test_without_a_label_nothing_is_kept(resources: Resources) -> None:
    who = await principal(resources, Role.AGENT)
    about = await ticket(resources, who)
    async with resources.db.unit_of_work() as db:
        await learning.keep(
            db, author_id=who.user_id, ticket_id=about.id, text="a", labels={}, source=ExampleSource.RATING
        )
        assert list(await learning.examples(db, ExampleField.CATEGORY)) == []
