"""How conversations end, and what others may learn from them."""

from typing import Any

import pytest

from app.conversations.matter import matter
from app.core.auth import Role
from app.core.resources import Resources
from app.knowledge import service as knowledge
from app.models.conversation import Handling, Message
from tests.conversations.conftest import Desk
from tests.conversations.test_handover import comment, handed_over
from tests.factories.answers import answer, citation, refusal
from tests.factories.people import Person, register


async def found(resources: Resources, who: Person, query: str) -> list[Any]:
    async with resources.db.session() as db:
        return await knowledge.search(db, who.who, query=query)


async def test_an_answered_question_can_be_resolved_by_its_customer(desk: Desk) -> None:
    cited = citation()
    desk.answers.rule = lambda _: answer(cited=cited)
    session = await desk.ask("How do I restart the scanner?")
    case = await desk.call("POST", f"/{session}/resolve")
    assert (case["resolution"], case["ticket_id"]) == ("Hold the red button.", None)
    assert [(one["doc_id"], one["version"]) for one in case["references"]] == [(str(cited.document_id), 1)]
    assert case["tags"]
    assert all(len(tag.split()) <= 2 for tag in case["tags"])
    assert await desk.call("POST", f"/{session}/resolve", json={"resolution": "Other"}) == case
    assert await desk.call("GET", f"/{session}/case") == case
    shown = await desk.session(session)
    assert shown["status"] == "resolved"
    assert shown["resolved_at"] is not None
    refused = await desk.call("POST", f"/{session}/messages", status=409, json={"content": "More"})
    assert refused["code"] == "session_resolved"
    refused = await desk.call("POST", f"/{session}/escalate", status=409)
    assert refused["code"] == "session_resolved"


async def test_resolving_the_ticket_resolves_the_conversation_and_the_other_way_round(desk: Desk) -> None:
    session, ticket = await handed_over(desk)
    await comment(desk, ticket, "The second charge was refunded.")
    await desk.call("PATCH", f"/api/v1/tickets/{ticket}", who=desk.agent, json={"status": "resolved"})
    await desk.work()
    assert (await desk.session(session))["status"] == "resolved"
    assert (await desk.call("GET", f"/{session}/case"))["resolution"] == "The second charge was refunded."
    other, second = await handed_over(desk, "The app crashes with E-77")
    await desk.call("POST", f"/{other}/resolve", who=desk.agent, json={"resolution": "A new version was installed."})
    assert (await desk.call("GET", f"/api/v1/tickets/{second}"))["status"] == "resolved"
    await desk.work()
    assert (await desk.session(other))["status"] == "resolved"


async def test_staff_does_not_end_what_the_customer_has_just_gone_on_with(desk: Desk) -> None:
    session, _ = await handed_over(desk)
    await desk.say(session, "Wait, there is more.")
    refused = await desk.call("POST", f"/{session}/resolve", who=desk.agent, status=409)
    assert refused["code"] == "session_busy"
    await desk.work()
    await desk.call("POST", f"/{session}/resolve", who=desk.agent)


async def test_a_case_is_found_by_those_who_may_see_its_origin_and_names_nobody(desk: Desk) -> None:
    question = "Error E-4711 at ada@example.com, call +44 20 7946 0958 about the gateway"
    session, ticket = await handed_over(desk, question)
    await comment(desk, ticket, "Restart the gateway; confirmed with ada@example.com.")
    await desk.call("POST", f"/{session}/resolve", who=desk.agent)
    await desk.work()
    stranger = await register(desk.resources)
    for who, sees in ((desk.customer, True), (desk.agent, True), (stranger, False)):
        passages = await found(desk.resources, who, "E-4711 gateway")
        assert bool(passages) is sees
        for passage in passages:
            assert "Restart the gateway" in passage.text
            assert "[EMAIL]" in passage.text
            assert "ada@example.com" not in passage.text + passage.title
            assert "7946" not in passage.text + passage.title


async def test_a_handover_and_its_case_are_about_what_was_left_open_not_what_came_first(desk: Desk) -> None:
    open_question = "What does a new battery for the drone cost?"
    desk.answers.rule = lambda asked: refusal() if "battery" in asked else answer()
    session = await desk.ask("How do I restart the scanner?")
    for said in (open_question, "My serial number is 4711."):
        await desk.say(session, said)
        await desk.work()
    ticket = (await desk.session(session))["ticket_id"]
    assert (await desk.call("GET", f"/api/v1/tickets/{ticket}", who=desk.agent))["title"] == open_question
    case = await desk.call("POST", f"/{session}/resolve", who=desk.agent, json={"resolution": "80 euros."})
    assert not {"restart", "scanner"} & set(case["tags"])
    await desk.work()
    (passage,) = await found(desk.resources, desk.agent, "battery")
    assert passage.title == f"Resolved: {open_question}"
    assert "80 euros." in passage.text


@pytest.mark.parametrize(
    ("said", "about"),
    [
        ([("How?", "answered"), ("Let me talk to a human please", None)], "How?"),
        ([("How?", "answered"), ("Why?", "answered"), ("human please", "handed_over"), ("So?", "forwarded")], "Why?"),
        ([("How?", "answered"), ("Why?", "handed_over"), ("When?", "handed_over"), ("So?", "forwarded")], "Why?"),
        ([("Why?", "handed_over"), ("So?", "forwarded"), ("When?", None)], "When?"),
        ([("Why?", "handed_over"), ("So?", "forwarded"), ("When?", "handed_over")], "When?"),
        ([("How?", "answered"), ("Why?", "answered")], "Why?"),
        ([("human please", None)], "human please"),
        ([], None),
    ],
)
def test_the_matter_is_what_nothing_answered(said: list[tuple[str, str | None]], about: str | None) -> None:
    messages = [Message(content=text, handled_as=handled and Handling(handled)) for text, handled in said]
    one = matter(messages)
    assert (one and one.content) == about


async def test_nothing_is_left_of_a_case_whose_origin_was_deleted(desk: Desk) -> None:
    session, ticket = await handed_over(desk, "The gateway shows E-4711")
    await comment(desk, ticket, "Restart the gateway.")
    await desk.work()
    await desk.call("POST", f"/{session}/resolve", who=desk.agent)
    await desk.work()
    assert await found(desk.resources, desk.agent, "E-4711 gateway")
    boss = await register(desk.resources, Role.SUPERVISOR)
    await desk.call("DELETE", f"/api/v1/tickets/{ticket}", who=boss, status=204)
    await desk.work()
    assert await found(desk.resources, desk.agent, "E-4711 gateway") == []
    assert (await desk.call("GET", f"/{session}/case"))["doc_id"] is None


async def test_a_conversation_without_an_answer_teaches_nothing(desk: Desk) -> None:
    session = await desk.open()
    await desk.say(session, "Never mind.")
    case = await desk.call("POST", f"/{session}/resolve")
    assert (case["resolution"], case["doc_id"]) == (None, None)
    await desk.work()
    assert desk.answers.asked == []
    missing = await desk.call("GET", f"/{await desk.open()}/case", status=404)
    assert missing["code"] == "case_not_found"
