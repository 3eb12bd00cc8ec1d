"""A version that must prove itself, over a real tool server and a model behind real HTTP."""

import asyncio
import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from app.core.auth import Role
from app.core.resources import Resources
from app.evaluations import service
from app.models.evaluation import EvaluationReport
from app.models.job import Job
from app.models.user import User
from tests.evaluations.speaking import MODEL, Sorter

TRIAGE = "/api/v1/ai-config/categorization"
CASES = [
    {"name": "twice", "input": "I was charged twice.", "expected": {"category": ["billing"], "team": "billing"}},
    {
        "name": "locked",
        "input": "My password is gone.",
        "expected": {"category": "account", "confidence": {"min": 0.5}},
    },
]
GOOD = {"system_prompt": "Sort it for {{company}}.", "gate": True, "evaluation_set": "own"}
BAD = {"system_prompt": "Say general, always.", "gate": True, "evaluation_set": "own"}


@pytest.fixture
async def ready(desk: httpx2.AsyncClient) -> httpx2.AsyncClient:
    """Version 2 asks the remote model; it is to prove itself on two cases."""
    assert (await desk.put(TRIAGE, json={"model": MODEL, "timeout": 60})).status_code == 200
    assert (await desk.put(f"{TRIAGE}/evaluation-sets/own", json={"cases": CASES})).status_code == 200
    return desk


async def test_a_version_that_is_no_worse_is_let_in_with_its_report(
    staffed: Resources, ready: httpx2.AsyncClient, sorter: Sorter
) -> None:
    answer = await ready.put(TRIAGE, json=GOOD)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["version"], found["status"], sorted(found["changes"])) == (3, "updated", ["system_prompt"])
    assert (found["gate"]["active_score"], found["gate"]["candidate_score"]) == (1.0, 1.0)
    assert (await ready.get(TRIAGE)).json()["version"] == 3
    assert "Sort it for our company." in sorter.systems
    report = (await ready.get(answer.headers["Location"])).json()
    assert (report["status"], report["created_by"], report["set_version"], report["changes"]) == (
        "accepted",
        "root",
        1,
        ["system_prompt"],
    )
    assert (report["active"]["version"], report["candidate"]["version"]) == (2, 3)
    assert [case["name"] for case in report["cases"]] == ["twice", "locked"]
    first = report["cases"][0]["candidate"]
    assert first["fields"] == {"category": {"right": True, "got": "billing"}, "team": {"right": True, "got": "billing"}}
    (line,) = (await ready.get(f"{TRIAGE}/evaluations")).json()
    assert line["report_id"] == report["report_id"]
    other = answer.headers["Location"].replace("categorization", "triage")
    assert (await ready.get(other)).json()["code"] == "evaluation_unknown"


async def test_a_worse_version_is_refused_and_both_scores_are_told(
    staffed: Resources, ready: httpx2.AsyncClient
) -> None:
    answer = await ready.put(TRIAGE, json=BAD)
    assert (answer.status_code, answer.json()["code"]) == (409, "gate_refused")
    problem = answer.json()
    assert (problem["active_score"], problem["candidate_score"], problem["margin"]) == (1.0, 0.25, 0.02)
    assert "scores 0.250 on the set “own”, the active one 1.000" in problem["detail"]
    assert (await ready.get(TRIAGE)).json()["version"] == 2
    report = (await ready.get(f"{TRIAGE}/evaluations/{problem['report_id']}")).json()
    assert (report["status"], report["candidate"]) == ("refused", {"version": None, "score": 0.25, "failed": 0})
    # A margin wide enough lets the same version in, here as a candidate.
    wide = await ready.put(TRIAGE, json={**BAD, "margin": 0.75, "rollout": 20})
    assert (wide.status_code, wide.json()["status"], wide.json()["rollout"]) == (200, "candidate", 20)
    # And to take all runs it has to prove itself again.
    assert (await ready.put(TRIAGE, json={"rollout": 100, "gate": True, "evaluation_set": "own"})).status_code == 409
    promoted = await ready.put(TRIAGE, json={"rollout": 100, "gate": True, "evaluation_set": "own", "margin": 1})
    assert (promoted.status_code, promoted.json()["version"]) == (200, 3)


async def test_a_version_whose_runs_all_fail_is_refused(
    staffed: Resources, ready: httpx2.AsyncClient, sorter: Sorter
) -> None:
    sorter.status = 400
    answer = await ready.put(TRIAGE, json={**GOOD, "margin": 1})
    assert answer.json()["code"] == "gate_refused"
    assert "Every run of the new version failed" in answer.json()["detail"]
    report = (await ready.get(answer.headers["Location"])).json()
    assert (report["active"]["failed"], report["candidate"]["failed"]) == (2, 2)


async def test_nobody_has_to_wait_for_the_verdict(staffed: Resources, ready: httpx2.AsyncClient) -> None:
    answer = await ready.put(TRIAGE, json=GOOD, headers={"Prefer": "respond-async"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "respond-async")
    report_id = uuid.UUID(answer.json()["report_id"])
    ended = await service.wait(staffed, report_id, seconds=60)
    assert ended.status == "accepted"
    assert (await ready.get(TRIAGE)).json()["version"] == 3


async def test_what_was_overtaken_by_another_change_is_not_let_in(
    equipped: Resources, ready: httpx2.AsyncClient
) -> None:
    report = await _asked(ready, GOOD)
    await ready.put(TRIAGE, json={"max_tokens": 99})
    await service.carry_out(equipped, await _job(equipped, report))
    found = (await ready.get(f"{TRIAGE}/evaluations/{report}")).json()
    assert (found["status"], found["error"]) == (
        "failed",
        "Version 2, which it was to be compared with, is no longer active.",
    )
    assert (await ready.get(TRIAGE)).json()["version"] == 3


async def test_a_comparison_is_settled_once_whoever_carries_it_out(
    equipped: Resources, ready: httpx2.AsyncClient
) -> None:
    report = await _asked(ready, GOOD)
    job = await _job(equipped, report)
    await asyncio.gather(*(service.carry_out(equipped, job) for _ in range(3)))
    await service.carry_out(equipped, job)
    assert (await ready.get(TRIAGE)).json()["version"] == 3
    assert len((await ready.get(f"{TRIAGE}/history")).json()) == 3


async def test_who_is_no_administrator_any_more_changes_nothing(equipped: Resources, ready: httpx2.AsyncClient) -> None:
    report = await _asked(ready, GOOD)
    async with equipped.db.unit_of_work() as db:
        await db.execute(update(User).values(role=Role.AGENT))
    await service.carry_out(equipped, await _job(equipped, report))
    async with equipped.db.session() as db:
        row = await db.get(EvaluationReport, uuid.UUID(report))
    assert row is not None
    assert (row.status, row.candidate_version) == ("failed", None)


async def test_a_comparison_that_is_given_up_says_so(equipped: Resources, ready: httpx2.AsyncClient) -> None:
    report = await _asked(ready, GOOD)
    await service.give_up(equipped, await _job(equipped, report))
    assert (await ready.get(f"{TRIAGE}/evaluations/{report}")).json()["status"] == "failed"


@pytest.mark.parametrize(
    ("change", "status", "words"),
    [
        ({"evaluation_set": "none"}, 400, "has no set called “none”"),
        ({"margin": -0.1}, 400, "margin"),
        ({"gate": "yes"}, 400, "gate"),
        ({"system_prompt": "{{x}}"}, 400, "no variable"),
    ],
)
async def test_what_cannot_be_judged_is_refused_at_once(
    ready: httpx2.AsyncClient, change: dict[str, Any], status: int, words: str
) -> None:
    answer = await ready.put(TRIAGE, json={**GOOD, **change})
    assert answer.status_code == status
    assert words in answer.json()["detail"]


async def test_without_a_candidate_there_is_nothing_to_prove(ready: httpx2.AsyncClient) -> None:
    answer = await ready.put(TRIAGE, json={"gate": True, "rollout": 100})
    assert answer.json()["code"] == "candidate_missing"
    assert (await ready.put(TRIAGE, json={"gate": True})).status_code == 400


async def _asked(desk: httpx2.AsyncClient, body: dict[str, Any]) -> str:
    answer = await desk.put(TRIAGE, json=body, headers={"Prefer": "respond-async"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["report_id"])


async def _job(resources: Resources, report: str) -> uuid.UUID:
    async with resources.db.session() as db:
        row = await db.get(EvaluationReport, uuid.UUID(report))
        assert row is not None
        assert await db.get(Job, row.job_id)
        return row.job_id
