"""An answer that was sent says when its source changed, went, or is no longer meant for its reader."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from app.core.auth import Role
from app.core.clock import now
from app.jobs import reaper
from app.knowledge.service import CITED
from app.models.job import Job, JobState
from app.models.outbox import OutboxRow, OutboxState
from tests.conversations.conftest import Desk, Json
from tests.factories.answers import answer, citation
from tests.factories.people import register

DOCUMENTS = "/api/v1/knowledge/documents"
TEXT = "Hold the red button."


async def cited(desk: Desk) -> tuple[str, str]:
    """A document, and a conversation with an answer from it."""
    made = await desk.call("POST", DOCUMENTS, who=desk.agent, status=201, json={"title": "Manual", "text": TEXT})
    await desk.work()
    source = citation(UUID(made["doc_id"]))
    desk.answers.rule = lambda _: answer(cited=source)
    return made["doc_id"], await desk.ask()


async def only_citation(desk: Desk, session: str) -> Json:
    found: Json = (await desk.messages(session))[1]["citations"][0]
    return found


async def put(desk: Desk, document: str, **fields: Any) -> None:
    body = {"title": "Manual", "text": TEXT, **fields}
    await desk.call("PUT", f"{DOCUMENTS}/{document}", who=desk.agent, json=body)
    await desk.work()


async def test_a_changed_source_flags_the_answer(desk: Desk) -> None:
    document, session = await cited(desk)
    assert (await only_citation(desk, session))["stale"] is None
    await put(desk, document, text="Hold the green button.")
    one = await only_citation(desk, session)
    assert (one["stale"], one["quote"], one["version"]) == ("changed", TEXT, 1)


async def test_a_source_that_is_no_longer_allowed_is_no_longer_quoted(desk: Desk) -> None:
    document, session = await cited(desk)
    await put(desk, document, acl={"roles": ["agent"]})
    one = await only_citation(desk, session)
    assert (one["stale"], one["quote"]) == ("not_allowed", "")
    await put(desk, document, acl={"public": True})
    one = await only_citation(desk, session)
    assert (one["stale"], one["quote"]) == (None, TEXT)


async def test_nothing_is_quoted_from_a_deleted_source(desk: Desk) -> None:
    document, session = await cited(desk)
    boss = await register(desk.resources, Role.ADMIN)
    await desk.call("DELETE", f"{DOCUMENTS}/{document}", who=boss, status=204)
    await desk.work()
    one = await only_citation(desk, session)
    assert (one["stale"], one["quote"]) == ("deleted", "")


async def test_a_killed_workers_look_and_a_lost_message_are_made_good(desk: Desk) -> None:
    document, session = await cited(desk)
    body = {"title": "Manual", "text": "Hold the green button."}
    await desk.call("PUT", f"{DOCUMENTS}/{document}", who=desk.agent, json=body)
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(OutboxRow).values(state=OutboxState.DELIVERED))
        killed = {"state": JobState.RUNNING, "claim": "killed", "lease_expires_at": now() - timedelta(minutes=1)}
        await db.execute(update(Job).where(Job.kind == CITED).values(attempts=1, **killed))
    await desk.work()
    assert (await only_citation(desk, session))["stale"] is None
    async with desk.resources.db.unit_of_work() as db:
        await reaper.due(db, desk.resources.settings.jobs)
    await desk.work()
    assert (await only_citation(desk, session))["stale"] == "changed"
