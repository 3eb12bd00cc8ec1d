"""A ticket's way through the agents on the local model, over HTTP, with tools over MCP."""

import uuid
from typing import Any

import httpx2
from sqlalchemy import func, select

from app.agents.events import RunCompleted
from app.core.resources import Resources
from app.directory import service as directory
from app.directory.schemas import ProfileIn
from app.inference.operations import Operation
from app.jobs import claims
from app.learning import service as learning
from app.models.agent import AgentRun
from app.models.learning import ExampleField
from app.models.outbox import OutboxRow
from app.models.resolution import Resolution, ResolutionStep, RoutingDecision
from app.models.ticket import TicketStatus
from app.relay import subscriptions
from app.resolutions import service
from app.resolutions.events import ResolutionProgressed
from app.tickets import service as tickets
from app.tickets.events import TicketCreated
from tests.factories.people import Person
from tests.factories.runs import deliver
from tests.factories.tickets import ticket
from tests.resolutions.conftest import Desk

PRINTER = "The office printer on floor 3 is offline and shows the error E-77."
CURE = "Restart the print server, then send the page again."


async def everything(resources: Resources) -> None:
    while await deliver(resources):
        pass


async def solved_before(resources: Resources, ada: Person, agent: Person) -> int:
    first = await ticket(resources, ada.who, title="Printer offline", description=PRINTER)
    async with resources.db.unit_of_work() as db:
        await tickets.comment(db, agent.who, first.id, body=CURE)
        await tickets.change_status(db, agent.who, first.id, status=TicketStatus.RESOLVED)
        vector = await tickets.vector_of(first)
        await tickets.keep_vector(db, agent.who, first.id, version=1, vector=vector)
    return first.id


async def progress_told(resources: Resources, ticket_id: int) -> list[dict[str, Any]]:
    query = select(OutboxRow.payload).where(
        OutboxRow.aggregate == f"ticket:{ticket_id}", OutboxRow.type == ResolutionProgressed.type
    )
    async with resources.db.session() as db:
        return list((await db.execute(query.order_by(OutboxRow.id))).scalars())


async def resolved(resources: Resources, desk: Desk, number: int) -> dict[str, object]:
    started = await desk.post(f"resolve/{number}", 202)
    await everything(resources)
    found: dict[str, object] = await desk.get(f"resolutions/{started['resolution_id']}")
    return found


async def test_a_problem_met_before_is_routed_and_answered_from_its_evidence(
    equipped: Resources, desk: Desk, ada: Person, agent: Person
) -> None:
    first = await solved_before(equipped, ada, agent)
    again = await ticket(equipped, ada.who, title="Printer offline again", description=PRINTER)
    found = await resolved(equipped, desk, again.id)
    operations = [step["operation"] for step in found["steps"]]  # type: ignore[attr-defined] # JSON
    assert operations == ["gather_context", "triage", "route", "respond", "check_draft", "escalate"]
    assert (found["progress"], found["error"]) == (1, None)
    assert found["status"] in ("awaiting_approval", "escalated")

    told = await progress_told(equipped, again.id)
    steps = [(state, operation) for operation in operations for state in ("started", "completed")]
    assert [(one["state"], one["step"]) for one in told] == [*steps, ("ended", None)]
    assert [one["progress"] for one in told] == sorted(one["progress"] for one in told)
    assert (told[-1]["status"], told[-1]["progress"]) == (found["status"], 1)

    (decision,) = await desk.get(f"decisions?ticket_id={again.id}")
    assert {call["tool"] for call in decision["tool_calls"]} == {
        "categorize_issue",
        "extract_entities",
        "check_vip_status",
        "check_service_status",
        "get_historical_context",
        "calculate_priority",
        "route_to_team",
    }
    assert (decision["model"], decision["config_version"], decision["id"]) == ("local", 1, found["decision_id"])
    assert decision["entities"]["language"] == "en"
    assert decision["priority_terms"][0]["name"] == "base"
    assert decision["type"] in ("BUG", "INCIDENT", "SUPPORT")
    assert decision["processing_seconds"] > 0
    assert decision["correlation_id"]

    (draft,) = await desk.get("drafts?status=pending")
    assert CURE in draft["body"]
    assert [one["ticket_id"] for one in draft["citations"]] == [first]
    assert draft["quality"]["verdict"] == "pass"
    sent = await desk.post(f"drafts/{draft['id']}/approve", rating=5, note="Good.")
    assert (sent["status"], sent["final_body"], sent["rating"]) == ("approved", None, 5)
    async with equipped.db.session() as db:
        (said,) = (await tickets.comments(db, ada.who, again.id)).rows
    assert (said.id, said.body, said.author.username) == (sent["comment_id"], draft["body"], agent.username)
    assert (await desk.post(f"drafts/{draft['id']}/reject", 409))["code"] == "already_reviewed"


async def test_without_evidence_there_is_no_draft_and_a_person_is_called(
    equipped: Resources, desk: Desk, ada: Person
) -> None:
    asked = await ticket(equipped, ada.who, title="Coffee machine leaks", description="Water everywhere in the hall.")
    found = await resolved(equipped, desk, asked.id)
    assert (found["status"], found["draft_id"]) == ("escalated", None)
    steps = found["steps"]
    assert isinstance(steps, list)
    assert [step["operation"] for step in steps][-2:] == ["respond", "escalate"]
    assert "There is no evidence to answer from." in steps[-1]["result"]["reasons"]
    async with equipped.db.session() as db:
        entries = (await tickets.timeline(db, tickets.DESK, asked.id)).rows
        seen = (await tickets.timeline(db, ada.who, asked.id)).rows
    assert "escalated" in [entry.action for entry in entries]
    assert "escalated" not in [entry.action for entry in seen]


async def test_an_unsure_decision_waits_for_a_person_and_the_correction_is_learnt(
    equipped: Resources, desk: Desk, ada: Person, agent: Person
) -> None:
    vague = await ticket(equipped, ada.who, title="Hello", description="Something about the thing we spoke of.")
    await resolved(equipped, desk, vague.id)
    (waiting,) = await desk.get("decisions?requires_manual_review=true")
    assert (waiting["status"], waiting["sync_status"]) == ("pending_review", "pending")
    assert waiting["review_reasons"]
    corrected = await desk.post(
        f"decisions/{waiting['id']}/correct", category="billing", team="billing", type="SUPPORT", note="A refund."
    )
    assert (corrected["status"], corrected["sync_status"]) == ("corrected", "synced")
    assert corrected["corrections"] == {"category": "billing", "team": "billing", "type": "SUPPORT"}
    assert await desk.get("decisions?requires_manual_review=true") == []
    assert (await desk.post(f"decisions/{waiting['id']}/approve", 409))["code"] == "already_reviewed"
    await everything(equipped)
    async with equipped.db.session() as db:
        stands = await tickets.get(db, agent.who, vague.id)
        (example,) = await learning.examples(db, ExampleField.CATEGORY)
        kinds = [one.label for one in await learning.examples(db, ExampleField.TYPE)]
    assert (stands.category, stands.team) == ("billing", "billing")
    assert (example.label, example.source, example.author_id) == ("billing", "correction", agent.id)
    assert kinds == ["SUPPORT"]


async def test_approved_and_rejected_decisions(
    api: httpx2.AsyncClient, equipped: Resources, desk: Desk, ada: Person, agent: Person
) -> None:
    made = []
    for title in ("Hello", "Hi"):
        vague = await ticket(equipped, ada.who, title=title, description="Something about the thing we spoke of.")
        made.append(vague.id)
        await resolved(equipped, desk, vague.id)
    second, first = await desk.get("decisions?requires_manual_review=true")
    approved = await desk.post(f"decisions/{first['id']}/approve", rating=4)
    assert (approved["status"], approved["sync_status"]) == ("approved", "synced")
    # Nothing has to be said to it, not even an empty object.
    rejected = (await api.post(f"/api/v1/agent/decisions/{second['id']}/reject", headers=agent.headers)).json()
    assert (rejected["status"], rejected["sync_status"]) == ("rejected", "skipped")
    await everything(equipped)
    async with equipped.db.session() as db:
        examples = await learning.examples(db, ExampleField.PRIORITY)
        stands = await tickets.get(db, agent.who, made[0])
    assert [(one.ticket_id, one.source) for one in examples] == [(made[0], "rating")]
    assert stands.team == first["team"]


async def test_a_draft_may_be_changed_or_thrown_away(
    equipped: Resources, desk: Desk, ada: Person, agent: Person
) -> None:
    await solved_before(equipped, ada, agent)
    for title in ("Printer offline again", "Printer offline once more"):
        again = await ticket(equipped, ada.who, title=title, description=PRINTER)
        await resolved(equipped, desk, again.id)
    second, first = await desk.get("drafts")
    edited = await desk.post(f"drafts/{first['id']}/edit", body="Just restart it.")
    assert (edited["status"], edited["final_body"], edited["body"]) == ("edited", "Just restart it.", first["body"])
    rejected = await desk.post(f"drafts/{second['id']}/reject", note="Wrong printer.")
    assert (rejected["status"], rejected["comment_id"], rejected["note"]) == ("rejected", None, "Wrong printer.")


async def test_asking_again_while_it_works_starts_nothing_and_knocks_are_harmless(
    equipped: Resources, desk: Desk, ada: Person
) -> None:
    asked = await ticket(equipped, ada.who)
    first = await desk.post(f"resolve/{asked.id}", 202)
    assert (await desk.post(f"resolve/{asked.id}", 202))["resolution_id"] == first["resolution_id"]
    async with equipped.db.session() as db:
        job_id = (await db.execute(select(Resolution.job_id))).scalar_one()
    for _ in range(3):
        await service.advance(equipped, job_id)
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(ResolutionStep))).scalar_one() == 1
    await everything(equipped)
    await service.advance(equipped, job_id)
    async with equipped.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(RoutingDecision))).scalar_one() == 1
        runs = (await db.execute(select(AgentRun.operation).where(AgentRun.internal))).scalars().all()
    assert len(runs) == len(set(runs))


async def test_a_worker_killed_between_two_steps_is_taken_over(equipped: Resources, desk: Desk, ada: Person) -> None:
    """The one that was killed held the claim and wrote nothing; when its lease is over another goes on."""
    asked = await ticket(equipped, ada.who)
    started = await desk.post(f"resolve/{asked.id}", 202)
    async with equipped.db.session() as db:
        resolution = (await db.execute(select(Resolution))).scalar_one()
    held = await claims.claim(equipped, resolution.job_id)
    assert held is not None
    await service.advance(equipped, resolution.job_id)
    assert (await desk.get(f"resolutions/{started['resolution_id']}"))["steps"] == []
    async with equipped.db.unit_of_work() as db:
        await claims.release(db, held, error="killed", max_attempts=5)
    await service.advance(equipped, resolution.job_id)
    await everything(equipped)
    found = await desk.get(f"resolutions/{started['resolution_id']}")
    assert found["finished_at"] is not None
    assert [step["position"] for step in found["steps"]] == list(range(len(found["steps"])))


async def test_a_ticket_deleted_meanwhile_ends_the_work(
    equipped: Resources, desk: Desk, ada: Person, boss: Person
) -> None:
    asked = await ticket(equipped, ada.who)
    started = await desk.post(f"resolve/{asked.id}", 202)
    async with equipped.db.unit_of_work() as db:
        await tickets.delete(db, boss.who, asked.id)
    await everything(equipped)
    found = await desk.get(f"resolutions/{started['resolution_id']}")
    assert (found["status"], found["error"]) == ("failed", "The ticket was deleted.")
    async with equipped.db.unit_of_work() as db:
        await service.begin(db, asked.id)
        await service.begin(db, 999_999)


async def test_a_ticket_deleted_during_the_last_step_ends_the_work(
    equipped: Resources, desk: Desk, ada: Person, boss: Person
) -> None:
    asked = await ticket(equipped, ada.who)
    started = await desk.post(f"resolve/{asked.id}", 202)
    steps: list[dict[str, Any]] = []
    while not steps or steps[-1]["operation"] != Operation.ESCALATE:
        assert await deliver(equipped)
        steps = (await desk.get(f"resolutions/{started['resolution_id']}"))["steps"]
    async with equipped.db.unit_of_work() as db:
        await tickets.delete(db, boss.who, asked.id)
    await everything(equipped)
    found = await desk.get(f"resolutions/{started['resolution_id']}")
    assert (found["status"], found["error"]) == ("failed", "The ticket was deleted.")


async def test_what_is_given_up_is_told(equipped: Resources, desk: Desk, ada: Person) -> None:
    asked = await ticket(equipped, ada.who)
    started = await desk.post(f"resolve/{asked.id}", 202)
    async with equipped.db.session() as db:
        job_id = (await db.execute(select(Resolution.job_id))).scalar_one()
    for _ in range(2):
        await service.give_up(equipped, job_id)
    found = await desk.get(f"resolutions/{started['resolution_id']}")
    assert (found["status"], found["progress"]) == ("failed", 1)


async def test_customers_see_nothing_of_it(
    equipped: Resources, api: httpx2.AsyncClient, desk: Desk, ada: Person
) -> None:
    asked = await ticket(equipped, ada.who)
    found = await resolved(equipped, desk, asked.id)
    steps = found["steps"]
    assert isinstance(steps, list)
    run = f"/api/v1/agent/runs/{steps[0]['run_id']}"
    assert (await api.get(run, headers=ada.headers)).status_code == 404
    assert (await desk.get(f"runs/{steps[0]['run_id']}"))["operation"] == "gather_context"
    for path in ("decisions", "drafts", f"resolutions/{found['resolution_id']}"):
        assert (await api.get(f"/api/v1/agent/{path}", headers=ada.headers)).status_code == 403
    assert (await api.post(f"/api/v1/agent/resolve/{asked.id}", headers=ada.headers)).status_code == 403
    assert (await desk.post("resolve/999999", 404))["code"] == "ticket_not_found"
    assert (await desk.post("decisions/999999/approve", 404))["code"] == "decision_not_found"
    assert (await desk.post("drafts/999999/approve", 404))["code"] == "draft_not_found"
    assert (await desk.post("decisions/1/correct", 422))["code"] == "validation_failed"


async def test_important_customers_are_told_of(equipped: Resources, desk: Desk, ada: Person) -> None:
    async with equipped.db.unit_of_work() as db:
        await directory.store_profile(db, ada.id, given=ProfileIn(vip=True, tier="gold"))
    asked = await ticket(
        equipped,
        ada.who,
        title="Checkout is down",
        description="The checkout is down for all customers since nine, HTTP 503. We are losing money, urgent!",
    )
    found = await resolved(equipped, desk, asked.id)
    steps = found["steps"]
    assert isinstance(steps, list)
    assert steps[0]["result"]["vip"] is True
    assert steps[-1]["result"]["level"] in ("on_call", "supervisor")
    (decision,) = await desk.get("decisions")
    assert "vip" in {term["name"] for term in decision["priority_terms"]}


def test_new_tickets_are_begun_with_only_where_that_is_configured() -> None:
    created = TicketCreated(ticket_id=1, requester_id=1, categorise=False).model_dump(mode="json")
    named = [call.name for call in subscriptions.build().deliveries("ticket.created", created)]  # type: ignore[union-attr] # tasks
    assert "resolutions.begin" not in named
    eager = subscriptions.build(resolve_new_tickets=True).deliveries("ticket.created", created)
    assert "resolutions.begin" in [call.name for call in eager]  # type: ignore[union-attr] # tasks
    ended = RunCompleted(run_id=uuid.UUID(int=1), operation=Operation.CREATE_TICKET, ticket_id=1)
    calls = subscriptions.build().deliveries("run.completed", ended.model_dump(mode="json"))
    assert "resolutions.run_ended" not in [getattr(call, "name", None) for call in calls]
