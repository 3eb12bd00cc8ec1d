from typing import Any

import httpx2
import pytest

from app.agents.declarations import answer_fields
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.resources import Resources
from app.evaluations import service
from app.evaluations.judging import matches
from app.evaluations.service.sets import delivered
from app.inference.local.examples import load_examples
from tests.factories.people import register

SETS = "/api/v1/ai-config/categorization/evaluation-sets"
CASE: dict[str, Any] = {"name": "twice", "input": "I was charged twice.", "expected": {"category": ["billing"]}}


@pytest.mark.parametrize(
    ("expected", "got", "right"),
    [
        ("billing", "Billing", True),
        ("billing", "bill", False),
        (["bug", "incident"], "incident", True),
        (["bug", None], None, True),
        (["bug"], None, False),
        ({"min": 0.5}, 0.5, True),
        ({"min": 0.5, "max": 0.7}, 0.71, False),
        ({"max": 1}, True, False),
        ({"min": 0}, "1", False),
        ({"contains": "E-77"}, "It says e-77.", True),
        ({"contains": "E-77"}, ["E-77"], False),
        (True, True, True),
        (True, 1, False),
        (1, 1.0, True),
        (None, None, True),
    ],
)
def test_a_field_is_right_when_it_is_what_was_expected(expected: Any, got: Any, right: bool) -> None:
    assert matches(expected, got) is right


def test_what_is_delivered_asks_for_fields_that_there_are_and_not_for_what_was_learned() -> None:
    learned = {example.text for example in load_examples()}
    assert len(delivered()) == 6
    for kind, given in delivered().items():
        for case in given.cases:
            assert set(case.expected) <= answer_fields(kind)
            assert case.input not in learned


async def test_sets_are_delivered_once_and_stay_as_they_were_changed(
    desk: httpx2.AsyncClient, resources: Resources
) -> None:
    (line,) = (await desk.get(SETS)).json()
    assert (line["name"], line["cases"], line["updated_by"]) == ("default", 12, None)
    changed = await desk.put(f"{SETS}/default", json={"cases": [CASE]})
    assert changed.status_code == 200, changed.text
    async with resources.db.unit_of_work() as db:
        await service.ensure_defaults(db)
    found = (await desk.get(f"{SETS}/default")).json()
    assert (found["version"], found["updated_by"], found["cases"]) == (2, "root", [{**CASE, "material": None}])
    # Of two, one may go for good.
    assert (await desk.put(f"{SETS}/own", json={"cases": [CASE], "description": "Ours."})).json()["version"] == 1
    assert (await desk.delete(f"{SETS}/default")).status_code == 204
    async with resources.db.unit_of_work() as db:
        await service.ensure_defaults(db)
    assert [one["name"] for one in (await desk.get(SETS)).json()] == ["own"]
    assert (await desk.get(f"{SETS}/default")).json()["code"] == "evaluation_set_unknown"
    assert (await desk.delete(f"{SETS}/default")).status_code == 404


@pytest.mark.parametrize(
    ("cases", "status", "words"),
    [
        ([], 422, ""),
        ([CASE, CASE], 422, "names of their own"),
        ([{**CASE, "expected": {}}], 422, ""),
        ([{**CASE, "expected": {"colour": "red"}}], 400, "'colour', which answers of categorization do not have"),
        ([{**CASE, "expected": {"confidence": {"min": 0.5, "contains": "x"}}}], 422, ""),
        ([{**CASE, "expected": {"confidence": {"least": 0.5}}}], 422, ""),
        ([{**CASE, "input": " "}], 422, "blank"),
        ([{**CASE, "expected": {"category": ["a\x00"]}}], 422, ""),
    ],
)
async def test_a_set_that_cannot_be_judged_by_is_refused(
    desk: httpx2.AsyncClient, cases: list[Any], status: int, words: str
) -> None:
    answer = await desk.put(f"{SETS}/own", json={"cases": cases})
    assert answer.status_code == status
    assert words in answer.text
    assert (await desk.get(f"{SETS}/own")).status_code == 404


async def test_only_administrators_see_sets_and_reports(api: httpx2.AsyncClient, resources: Resources) -> None:
    person = await register(resources, Role.SUPERVISOR)
    for path in (SETS, f"{SETS}/default", "/api/v1/ai-config/categorization/evaluations"):
        assert (await api.get(path, headers=person.headers)).status_code == 403
    async with resources.db.session() as db:
        assert await service.all_sets(db, person.who, AgentType.CATEGORIZATION) == []
