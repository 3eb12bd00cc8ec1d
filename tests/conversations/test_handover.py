"""From the assistant to a person and on: what staff gets, what the customer is told, and both sides in one chain."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import func, select, update

from app.conversations import service, tasks
from app.conversations.service.escalating import WHY
from app.conversations.wishes import wants_person
from app.core.auth import Role
from app.core.clock import now
from app.grounding.outcome import Reason
from app.models.conversation import Conversation, Escalation
from app.models.job import Job, JobState
from app.models.ticket import Ticket, TicketComment
from tests.conversations.conftest import Desk
from tests.factories.answers import answer, refusal
from tests.factories.people import register
from tests.factories.resolutions import awaiting_review

QUESTION = "The invoice of March was charged twice, why?"


async def handed_over(desk: Desk, question: str = QUESTION) -> tuple[str, int]:
    """A session with staff, and its ticket."""
    desk.answers.rule = lambda _: refusal()
    session = await desk.ask(question)
    return session, (await desk.session(session))["ticket_id"]


async def comment(desk: Desk, ticket: int, body: str, **more: Any) -> None:
    path = f"/api/v1/tickets/{ticket}/comments"
    who = more.pop("who", desk.agent)
    await desk.call("POST", path, who=who, status=201, json={"body": body, **more})


async def count(desk: Desk, table: Any) -> int:
    async with desk.resources.db.session() as db:
        found: int = (await db.execute(select(func.count()).select_from(table))).scalar_one()
    return found


async def test_what_the_sources_do_not_answer_goes_to_a_person_with_everything(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    shown = await desk.session(session)
    assert (shown["status"], shown["reason"]) == ("escalated", "no_evidence")
    _, told = await desk.messages(session)
    assert str(ticket) in told["content"]
    assert (told["role"], told["reason"]) == ("system", "no_evidence")
    pack = await desk.call("GET", f"/{session}/escalation", who=desk.agent)
    assert (pack["ticket_id"], pack["reason"]) == (ticket, "no_evidence")
    assert [turn["content"] for turn in pack["transcript"]] == [QUESTION]
    assert pack["evidence"]["question"] == QUESTION
    assert pack["evidence"]["evidence"][0]["title"] == "Manual"
    assert pack["evidence"]["signals"]["confidence"] == 0.95
    hours = {"critical": 1, "high": 8, "medium": 24, "low": 72}[pack["priority"]]
    due = datetime.fromisoformat(pack["due_at"]) - datetime.fromisoformat(pack["created_at"])
    assert abs(due - timedelta(hours=hours)) < timedelta(minutes=5)
    seen = await desk.call("GET", f"/api/v1/tickets/{ticket}", who=desk.agent)
    assert seen["requester"]["id"] == desk.customer.id
    assert (seen["team"], seen["priority"]) == (pack["team"], pack["priority"])
    assert QUESTION in seen["description"]
    assert "Hold the red button." in seen["description"]
    trail = await desk.call("GET", f"/api/v1/tickets/{ticket}/timeline", who=desk.agent)
    (entry,) = [row for row in trail if row["action"] == "escalated"]
    assert entry["internal"]
    assert "no_evidence" in entry["changes"]["escalation"][1]["report"]


async def test_the_same_wish_hands_over_once(desk: Desk) -> None:
    session = await desk.ask()
    body = {"event_id": "e-1", "note": "She sounds desperate."}
    first = await desk.call("POST", f"/{session}/escalate", json=body)
    assert await desk.call("POST", f"/{session}/escalate", json=body) == first
    assert (first["reason"], first["note"]) == ("customer_request", "She sounds desperate.")
    assert [turn["role"] for turn in first["transcript"]] == ["customer", "assistant"]
    other = await desk.call("POST", f"/{session}/escalate", json={"note": "Still waiting."})
    assert other["ticket_id"] == first["ticket_id"]
    assert await count(desk, Ticket) == 1
    assert await count(desk, Escalation) == 2
    assert await desk.roles(session) == ["customer", "assistant", "system"]


async def test_an_empty_conversation_can_be_handed_over(desk: Desk) -> None:
    session = await desk.open()
    assert (await desk.call("POST", f"/{session}/escalate"))["transcript"] == []


async def test_who_asks_for_a_person_gets_one(desk: Desk) -> None:
    session = await desk.ask("Let me talk to a human please")
    shown = await desk.session(session)
    assert (shown["status"], shown["reason"], desk.answers.asked) == ("escalated", "customer_request", [])


@pytest.mark.parametrize(
    "text",
    [
        "I want to speak to a person",
        "Can I talk to someone from support?",
        "human please",
        "please connect me with an agent",
        "I'd like to chat with a real person.",
        "I need a human being, not this bot",
        "get me a manager",
        "Ich möchte bitte mit einem Mitarbeiter sprechen.",
        "Verbinden Sie mich mit einem Menschen",
        "Quiero hablar con una persona",
        "Je voudrais parler à un conseiller",
        "Vorrei parlare con un operatore",
        "Quero falar com um atendente",
    ],
)
def test_a_wish_for_a_person_is_understood(text: str) -> None:
    assert wants_person(text)


@pytest.mark.parametrize(
    "text",
    [
        "How do I add a person to my account?",
        "The agent on the server does not start.",
        "I don't want to talk to a person, just tell me the code.",
        "Can I talk to the API with curl?",
        "How can agents speak with each other in the app?",
        "Connect me to the VPN",
        "Who is the operator of the site?",
        "x" * 5000,
    ],
)
def test_a_question_about_people_is_a_question(text: str) -> None:
    assert not wants_person(text)


async def test_both_sides_see_one_conversation_until_it_is_resolved(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await comment(desk, ticket, "Which card was charged?")
    await comment(desk, ticket, "She is a new customer.", visibility="internal")
    await desk.say(session, "The blue one.")
    await desk.work()
    await comment(desk, ticket, "By the way, it is urgent.", who=desk.customer)
    await desk.say(session, "Refunded.", who=desk.agent)
    await desk.work()
    await desk.work()
    said = [(message["role"], message["content"]) for message in await desk.messages(session)]
    assert said[2:] == [
        ("customer", "The blue one."),
        ("agent", "Which card was charged?"),
        ("agent", "Refunded."),
        ("customer", "By the way, it is urgent."),
    ] or sorted(said[2:]) == sorted(
        [
            ("agent", "Which card was charged?"),
            ("customer", "The blue one."),
            ("customer", "By the way, it is urgent."),
            ("agent", "Refunded."),
        ]
    )
    comments = await desk.call("GET", f"/api/v1/tickets/{ticket}/comments")
    assert sorted(row["body"] for row in comments) == sorted(
        ["Which card was charged?", "The blue one.", "By the way, it is urgent.", "Refunded."]
    )
    assert desk.answers.asked == [QUESTION]


async def test_comments_that_are_told_again_come_once_and_in_order(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    for number in range(3):
        await comment(desk, ticket, f"Word {number}")
    for _ in range(3):
        await tasks.follow.handler(desk.resources, ticket)
    await desk.work()
    said = [message["content"] for message in await desk.messages(session) if message["role"] == "agent"]
    assert said == ["Word 0", "Word 1", "Word 2"]


async def test_news_of_a_ticket_that_got_lost_is_found(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await tasks.follow.handler(desk.resources, ticket)
    async with desk.resources.db.unit_of_work() as db:
        assert await service.look(db, seconds=0) == 0
    await comment(desk, ticket, "Are you there?")
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(Conversation).values(followed_at=now() - timedelta(minutes=5)))
        assert await service.look(db, seconds=0) == 1
    await desk.work()
    assert (await desk.roles(session))[-1] == "agent"


async def test_staff_speaks_only_where_it_was_called(desk: Desk) -> None:
    session = await desk.ask()
    body = {"content": "Hello from the desk"}
    refused = await desk.call("POST", f"/{session}/messages", who=desk.agent, status=409, json=body)
    assert refused["code"] == "session_not_escalated"


async def test_what_waits_at_a_handover_is_part_of_it(desk: Desk) -> None:
    session = await desk.open()
    for text in ("First?", "Second?"):
        await desk.say(session, text)
    pack = await desk.call("POST", f"/{session}/escalate")
    assert [turn["content"] for turn in pack["transcript"]] == ["First?", "Second?"]
    await desk.work()
    assert desk.answers.asked == []
    assert await count(desk, TicketComment) == 0


async def test_an_answer_that_comes_after_the_handover_is_not_sent(desk: Desk) -> None:
    session = await desk.open()
    asked = await desk.say(session, "Well?")

    class Meanwhile:
        async def __call__(self, *_: Any, **__: Any) -> Any:
            await desk.call("POST", f"/{session}/escalate")
            return answer("Too late.")

    async with desk.resources.db.session() as db:
        job = (await db.execute(select(Job).where(Job.subject == asked["message_id"]))).scalar_one()
    await service.take_turn(desk.resources, job.id, answer=Meanwhile())
    assert await desk.roles(session) == ["customer", "system"]
    async with desk.resources.db.session() as db:
        assert (await db.get_one(Job, job.id)).state == JobState.SUCCEEDED


async def test_a_message_after_the_ticket_was_closed_opens_another(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await desk.say(session, "It happened again.")
    # The end of the ticket is told only after the message is dealt with.
    path = f"/api/v1/tickets/{ticket}"
    await desk.call("PATCH", path, who=desk.agent, json={"status": "closed"})
    async with desk.resources.db.session() as db:
        jobs = (await db.execute(select(Job.id).where(Job.kind == service.TURN, Job.state == "queued"))).scalars()
    for job_id in jobs:
        await service.take_turn(desk.resources, job_id, answer=desk.answers)
    await desk.work()
    shown = await desk.session(session)
    assert (shown["status"], shown["ticket_id"] != ticket) == ("escalated", True)
    pack = await desk.call("GET", f"/{session}/escalation")
    assert pack["transcript"][-1]["content"] == "It happened again."


async def test_a_message_to_a_resolved_ticket_opens_it_again(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await desk.say(session, "It happened again.")
    await desk.call("PATCH", f"/api/v1/tickets/{ticket}", who=desk.agent, json={"status": "resolved"})
    await tasks.follow.handler(desk.resources, ticket)
    assert (await desk.session(session))["status"] == "escalated"
    await desk.work()
    assert (await desk.session(session))["status"] == "escalated"
    assert (await desk.call("GET", f"/api/v1/tickets/{ticket}"))["status"] == "open"


async def test_a_draft_that_staff_approves_reaches_the_customer(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    review = await awaiting_review(desk.resources, desk.customer.who, ticket)
    edited = {"body": "Please restart the tunnel.", "rating": 4, "note": "More polite."}
    draft = await desk.call("POST", f"/api/v1/agent/drafts/{review.draft_id}/edit", who=desk.agent, json=edited)
    assert (draft["status"], draft["rating"], draft["note"]) == ("edited", 4, "More polite.")
    await desk.work()
    last = (await desk.messages(session))[-1]
    assert (last["role"], last["content"]) == ("agent", "Please restart the tunnel.")


async def test_a_ticket_that_is_deleted_ends_its_conversation(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    boss = await register(desk.resources, Role.SUPERVISOR)
    await desk.call("DELETE", f"/api/v1/tickets/{ticket}", who=boss, status=204)
    await desk.work()
    assert (await desk.session(session))["status"] == "resolved"
    assert "removed" in (await desk.messages(session))[-1]["content"]
    async with desk.resources.db.session() as db:
        assert (await db.get_one(Conversation, UUID(session))).resolved_at is not None


def test_every_reason_has_its_words() -> None:

    assert set(WHY) == set(Reason)
