"""A question by HTTP: stored, answered with its sources, once."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import func, select, update

from app.conversations import service, tasks
from app.core.clock import now
from app.grounding.outcome import Reason
from app.jobs.errors import ClaimLost
from app.models.conversation import Conversation, ImpossibleMove, Message, SessionStatus
from app.models.job import Job, JobState
from app.models.user import User
from tests.conversations.conftest import Desk
from tests.factories.answers import Outcome, Scripted, answer, citation, refusal
from tests.factories.people import register


async def only_job(desk: Desk) -> Job:
    async with desk.resources.db.session() as db:
        return (await db.execute(select(Job).where(Job.kind == service.TURN))).scalar_one()


async def again(desk: Desk, job_id: UUID) -> None:
    """As if its worker had died before anything was stored."""
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(
            update(Job)
            .where(Job.id == job_id)
            .values(state=JobState.QUEUED, lease_expires_at=None, finished_at=None, attempts=0)
        )


async def test_a_question_is_answered_with_the_sources_of_each_sentence(desk: Desk) -> None:
    cited = citation()
    desk.answers.rule = lambda _: answer("Hold the red button.", "It restarts.", cited=cited)
    session = await desk.open(channel="api")
    asked = await desk.say(session, "How do I restart the scanner?")
    assert (asked["role"], asked["position"]) == ("customer", 1)
    assert await desk.roles(session) == ["customer"]
    await desk.work()
    _, answered = await desk.messages(session)
    assert (answered["role"], answered["reply_to"]) == ("assistant", asked["message_id"])
    assert answered["content"] == "Hold the red button.\nIt restarts."
    assert [one["sentence"] for one in answered["citations"]] == [0, 1]
    one = answered["citations"][0]
    assert (one["doc_id"], one["version"], one["chunk_id"]) == (str(cited.document_id), 1, str(cited.chunk_id))
    assert (one["quote"], one["stale"]) == ("Hold the red button.", None)
    shown = await desk.session(session)
    assert (shown["status"], shown["ticket_id"], shown["channel"]) == ("open", None, "api")
    assert shown["summary"].splitlines()[0] == "Customer: How do I restart the scanner?"


async def test_the_next_question_comes_with_what_was_said_before(desk: Desk) -> None:
    session = await desk.ask()
    await desk.say(session, "And the printer?")
    await desk.work()
    assert desk.answers.contexts[0] == []
    assert [(turn.role, turn.text) for turn in desk.answers.contexts[1]] == [
        ("customer", "How do I restart the scanner?"),
        ("assistant", "Hold the red button."),
    ]


async def test_questions_that_come_quickly_are_answered_one_after_the_other(desk: Desk) -> None:
    session = await desk.open()
    for text in ("First?", "Second?", "Third?"):
        await desk.say(session, text)
    await desk.work()
    assert desk.answers.asked == ["First?", "Second?", "Third?"]
    assert [message["role"] for message in await desk.messages(session)] == ["customer"] * 3 + ["assistant"] * 3


async def test_a_message_that_is_sent_again_is_the_same_message(desk: Desk) -> None:
    session = await desk.open()
    first = await desk.say(session, "First?", source_id="m-1")
    assert await desk.say(session, "First?", source_id="m-1") == first
    refused = await desk.call("POST", f"/{session}/messages", status=409, json={"content": "Other", "source_id": "m-1"})
    assert refused["code"] == "source_conflict"
    keyed: dict[str, Any] = {"headers": {"Idempotency-Key": "k"}, "json": {"content": "Second?"}, "status": 201}
    second = await desk.call("POST", f"/{session}/messages", **keyed)
    assert await desk.call("POST", f"/{session}/messages", **keyed) == second
    await desk.work()
    assert desk.answers.asked == ["First?", "Second?"]


async def test_a_turn_that_is_taken_twice_answers_once(desk: Desk) -> None:
    session = await desk.ask()
    job = await only_job(desk)
    await service.take_turn(desk.resources, job.id, answer=desk.answers)
    await again(desk, job.id)
    await service.take_turn(desk.resources, job.id, answer=desk.answers)
    assert await desk.roles(session) == ["customer", "assistant"]
    assert len(desk.answers.asked) == 1


async def test_a_worker_that_lost_its_turn_stores_nothing(desk: Desk) -> None:
    session = await desk.open()
    await desk.say(session, "Well?")
    job = await only_job(desk)
    slow = Scripted(lambda _: answer("From the slow one."), gate=asyncio.Event())
    late = asyncio.create_task(service.take_turn(desk.resources, job.id, answer=slow))
    await slow.began.wait()
    await again(desk, job.id)
    await desk.work()
    assert slow.gate is not None
    slow.gate.set()
    with pytest.raises(ClaimLost):
        await late
    assert [message["content"] for message in await desk.messages(session)] == ["Well?", "Hold the red button."]


async def test_what_fails_for_a_while_is_tried_again_and_answered(desk: Desk) -> None:
    outcomes: list[Outcome] = [RuntimeError("away"), RuntimeError("away"), answer("Late, but right.")]
    desk.answers.rule = lambda _: outcomes.pop(0)
    session = await desk.open()
    await desk.say(session, "Well?")
    job = await only_job(desk)
    for _ in range(2):
        with pytest.raises(RuntimeError):
            await service.take_turn(desk.resources, job.id, answer=desk.answers)
    await service.take_turn(desk.resources, job.id, answer=desk.answers)
    assert [message["content"] for message in await desk.messages(session)] == ["Well?", "Late, but right."]


async def test_what_keeps_failing_is_handed_over(desk: Desk) -> None:
    desk.answers.rule = lambda _: RuntimeError("away")
    session = await desk.open()
    await desk.say(session, "Well?")
    job = await only_job(desk)
    for attempt in range(desk.resources.settings.jobs.max_attempts):
        if attempt < desk.resources.settings.jobs.max_attempts - 1:
            with pytest.raises(RuntimeError):
                await service.take_turn(desk.resources, job.id, answer=desk.answers)
        else:
            await service.take_turn(desk.resources, job.id, answer=desk.answers)
    shown = await desk.session(session)
    assert (shown["status"], shown["reason"]) == ("escalated", "llm_error")
    assert await desk.roles(session) == ["customer", "system"]


async def test_a_turn_that_is_given_up_is_handed_over_once(desk: Desk) -> None:
    """Its last worker was killed: nobody was left to say so."""
    session = await desk.open()
    await desk.say(session, "Well?")
    job = await only_job(desk)
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(Job).values(state=JobState.FAILED, finished_at=now(), error="Given up."))
    for _ in range(2):
        await tasks.give_up_turn.handler(desk.resources, job.id)
    await tasks.give_up_turn.handler(desk.resources, uuid4())
    shown = await desk.session(session)
    assert (shown["status"], shown["reason"]) == ("escalated", "llm_error")
    assert await desk.roles(session) == ["customer", "system"]


async def test_a_message_nobody_is_at_work_on_is_found(desk: Desk) -> None:
    """The job was given up, and the message that said so was lost as well."""
    session = await desk.open()
    await desk.say(session, "Well?")
    async with desk.resources.db.unit_of_work() as db:
        assert await service.look(db, seconds=0) == 0
        await db.execute(update(Job).values(state=JobState.FAILED, finished_at=now()))
    async with desk.resources.db.unit_of_work() as db:
        assert await service.look(db, seconds=3600) == 0
        assert await service.look(db, seconds=0) == 1
        assert await service.look(db, seconds=0) == 0
    await desk.work()
    assert (await desk.session(session))["reason"] == "llm_error"


async def test_others_neither_see_nor_touch_a_conversation(desk: Desk) -> None:
    session = await desk.ask()
    stranger = await register(desk.resources)
    for method, path in (
        ("GET", ""),
        ("GET", "/messages"),
        ("GET", "/stream"),
        ("GET", "/escalation"),
        ("GET", "/case"),
        ("POST", "/escalate"),
        ("POST", "/resolve"),
    ):
        refused = await desk.call(method, f"/{session}{path}", who=stranger, status=404)
        assert refused["code"] == "session_not_found"
    body = {"content": "Let me in"}
    await desk.call("POST", f"/{session}/messages", who=stranger, status=404, json=body)
    assert await desk.call("GET", "", who=stranger) == []
    assert [row["session_id"] for row in await desk.call("GET", "", who=desk.agent)] == [session]
    assert await desk.call("GET", "?status=resolved") == []


async def test_nobody_answers_for_an_account_that_was_closed(desk: Desk) -> None:
    session = await desk.open()
    await desk.say(session, "Well?")
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(User).where(User.id == desk.customer.id).values(active=False))
    await desk.work()
    async with desk.resources.db.session() as db:
        row = await db.get_one(Conversation, UUID(session))
    assert (row.status, row.reason, desk.answers.asked) == ("escalated", "policy", [])


async def test_messages_come_in_pages(desk: Desk) -> None:
    session = await desk.open()
    for number in range(3):
        await desk.say(session, f"Number {number}?")
    first = await desk.api.get(f"/api/v1/sessions/{session}/messages?limit=2", headers=desk.customer.headers)
    assert [row["position"] for row in first.json()] == [1, 2]
    link = first.headers["Link"].partition(">")[0].removeprefix("<")
    assert [row["position"] for row in await desk.call("GET", link)] == [3]


async def test_a_refusal_stores_no_answer(desk: Desk) -> None:
    desk.answers.rule = lambda _: refusal(Reason.CONFLICTING_SOURCES)
    session = await desk.ask("How long is the guarantee?")
    _, told = await desk.messages(session)
    assert (told["role"], told["reason"]) == ("system", "conflicting_sources")
    async with desk.resources.db.session() as db:
        count = select(func.count()).select_from(Message).where(Message.role == "assistant")
        assert (await db.execute(count)).scalar_one() == 0


def test_a_conversation_only_goes_forward() -> None:
    session = Conversation(status=SessionStatus.OPEN)
    session.escalate(ticket_id=1, reason="no_evidence")
    session.resolve()
    with pytest.raises(ImpossibleMove, match="resolved"):
        session.resolve()
    with pytest.raises(ImpossibleMove):
        session.escalate(ticket_id=2, reason="no_evidence")
