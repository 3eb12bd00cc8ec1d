"""What calls cost, and what happens as the month's money goes."""

from decimal import Decimal

import httpx2
import pytest
from sqlalchemy import select

from app.analytics import service
from app.core.auth import Role
from app.core.resources import Resources
from app.inference.calls import ModelCall
from app.inference.platform import CostSection
from app.models.outbox import OutboxRow
from app.outbox.deliveries import Push
from app.relay import subscriptions
from tests.factories.people import Person, register

BUDGET = CostSection(monthly_budget_usd=10)


def call(dollars: str | None, **about: str) -> ModelCall:
    cost = None if dollars is None else Decimal(dollars)
    return ModelCall(**{"model": "openai:gpt-4o", "provider": "openai", "outcome": "answered", **about}, cost_usd=cost)  # type: ignore[arg-type]


async def spend(resources: Resources, person: Person, *dollars: str | None, operation: str = "categorize") -> None:
    async with resources.db.unit_of_work() as db:
        calls = [call(one) for one in dollars]
        await service.record(db, calls, user_id=person.id, operation=operation, run_id=None, costs=BUDGET)


async def told(resources: Resources) -> list[str]:
    async with resources.db.session() as db:
        rows = (await db.execute(select(OutboxRow).order_by(OutboxRow.id))).scalars().all()
    built = subscriptions.build()
    return [d.type for row in rows for d in built.deliveries(row.type, row.payload) if isinstance(d, Push)]


async def over(resources: Resources) -> bool:
    async with resources.db.session() as db:
        return await service.over_budget(db, BUDGET)


async def test_the_budget_is_warned_of_once_and_stops_what_costs(resources: Resources) -> None:
    ada = await register(resources)
    await spend(resources, ada, "7.99")
    assert (await told(resources), await over(resources)) == ([], False)
    await spend(resources, ada, "0.02")
    await spend(resources, ada, "0.50")
    assert (await told(resources), await over(resources)) == (["budget_nearly_spent"], False)
    await spend(resources, ada, "1.00")
    await spend(resources, ada, "1.00")
    assert (await told(resources), await over(resources)) == (["budget_nearly_spent", "budget_spent"], True)


async def test_costs_are_reported_by_day_operation_model_and_person(
    resources: Resources, api: httpx2.AsyncClient
) -> None:
    ada, ben, admin = await register(resources), await register(resources), await register(resources, Role.ADMIN)
    await spend(resources, ada, "0.25", None)
    await spend(resources, ben, "0.50", operation="triage")
    report = (await api.get("/api/v1/analytics/ai-costs", headers=admin.headers)).json()
    (day,) = report["by_day"]
    assert (day["calls"], day["cost_usd"], day["unpriced_calls"]) == (3, pytest.approx(0.75), 1)
    assert [(one["name"], one["cost_usd"]) for one in report["by_operation"]] == [("triage", 0.5), ("categorize", 0.25)]
    assert {one["name"] for one in report["by_user"]} == {ada.username, ben.username}
    assert [one["name"] for one in report["by_model"]] == ["openai:gpt-4o"]
    assert (report["budget"]["state"], report["budget"]["spent_usd"]) == ("no_budget", pytest.approx(0.75))
    assert report["tickets"] == {
        "tickets": 0, "cost_usd": 0, "per_ticket_usd": None, "target_usd": 0.1, "within_target": None
    }  # fmt: skip
    past = await api.get("/api/v1/analytics/ai-costs?since=2020-01-01&until=2020-02-01", headers=admin.headers)
    assert past.json()["by_day"] == []


async def test_prometheus_is_told_the_share_of_the_budget_that_is_spent(
    resources: Resources, api: httpx2.AsyncClient
) -> None:
    ada, admin = await register(resources), await register(resources, Role.ADMIN)
    await spend(resources, ada, "8.50")
    assert "\nevidesk_ai_budget_spent_ratio " not in (await api.get("/metrics")).text
    budget = {"costs": {"monthly_budget_usd": 10}}
    await api.put("/api/v1/ai-config/platform", json=budget, headers=admin.headers)
    assert "\nevidesk_ai_budget_spent_ratio 0.85\n" in (await api.get("/metrics")).text


async def test_a_period_without_a_day_is_refused(api: httpx2.AsyncClient, resources: Resources) -> None:
    boss = await register(resources, Role.ADMIN)
    asked = {"since": "2026-11-25", "until": "2026-11-01"}
    answer = await api.get("/api/v1/analytics/ai-costs", params=asked, headers=boss.headers)
    assert (answer.status_code, answer.json()["code"]) == (422, "period_empty")
