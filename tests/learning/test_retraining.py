"""The classifier learns from what people judged, is used everywhere once it is no worse, and can be taken back."""

import json
import uuid
from collections.abc import Iterator

import httpx2
import numpy as np
import pytest
from sqlalchemy import select

from app.commands.retrain import retrain
from app.core.auth import Role
from app.core.resources import Resources
from app.inference.local import classifier
from app.learning import service as learning
from app.learning.service.retraining import held_out
from app.models.classifier import ClassifierHead
from app.models.learning import ExampleField, ExampleSource, TrainingExample
from tests.factories.people import Person, register

CLASSIFIER = "/api/v1/classifier"
SHIPS = ["Aurora", "Borealis", "Castor", "Dorado", "Electra", "Fornax", "Gemini", "Hydra", "Indus", "Lynx"]
HARBOURS = ["Oslo", "Gdansk", "Turku", "Bergen"]
TEXTS = [
    f"The berth of {ship} in {harbour} is taken, the pilot waits at anchor." for ship in SHIPS for harbour in HARBOURS
]


@pytest.fixture(autouse=True)
def _as_delivered() -> Iterator[None]:
    yield
    classifier.use_shipped()
    classifier.abstain_below(None)


@pytest.fixture
async def boss(resources: Resources) -> Person:
    return await register(resources, Role.ADMIN, "root")


async def judge(resources: Resources, who: Person, texts: list[str], label: str) -> None:
    async with resources.db.unit_of_work() as db:
        db.add_all(
            TrainingExample(
                text=text, field=ExampleField.CATEGORY, label=label, source=ExampleSource.CORRECTION, author_id=who.id
            )
            for text in texts
        )


async def train(resources: Resources) -> ClassifierHead:
    async with resources.db.unit_of_work() as db:
        row = await learning.request(db, author_id=None)
    await learning.carry_out(resources, row.job_id)
    async with resources.db.session() as db:
        return (await db.execute(select(ClassifierHead).where(ClassifierHead.version == row.version))).scalar_one()


async def test_corrections_are_learned_used_by_the_next_request_and_taken_back(
    api: httpx2.AsyncClient, resources: Resources, boss: Person
) -> None:
    asked = {"description": "Aurora cannot dock: her berth in Riga is taken and the pilot is at anchor."}
    before = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert before["category"] != "berth"
    await judge(resources, boss, TEXTS, "berth")

    started = await api.post(f"{CLASSIFIER}/retrain", headers=boss.headers)
    assert (started.status_code, started.json()) == (202, {"version": 1, "status": "training"})
    again = await api.post(f"{CLASSIFIER}/retrain", headers=boss.headers)
    assert again.json()["version"] == 1
    trained = await train(resources)
    assert (trained.version, trained.status, trained.reason) == (1, "active", None)

    report = (await api.get(started.headers["Location"], headers=boss.headers)).json()
    outside = sum(map(held_out, TEXTS))
    assert report["examples"] == {"delivered": 610, "people": len(TEXTS) - outside}
    assert report["held_out"] == {
        "count": outside,
        "accuracy": 1.0,
        "active_accuracy": 0.0,
        "active_version": 0,
        "coverage_at_90": 1.0,
        "selective_accuracy": 1.0,
    }
    assert sum(one["count"] for one in report["judgements"]["reliability"]) == len(TEXTS) - outside
    assert report["judgements"]["threshold"] == report["cross_validation"]["threshold"]
    checked = report["cross_validation"]
    assert checked["accuracy"] > 0.9
    assert checked["ece"] < 0.06
    assert sum(one["count"] for one in checked["reliability"]) == 610 + len(TEXTS) - outside
    assert (await api.get(CLASSIFIER, headers=boss.headers)).json()["version"] == 1

    after = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert (after["category"], after["team"]) == ("berth", "support")
    # What one customer wrote is not quoted to another.
    assert "learned from this desk's own tickets" in after["reasoning"]
    assert not any(ship in after["reasoning"] for ship in SHIPS if ship != "Aurora")

    back = await api.post(f"{CLASSIFIER}/rollback", json={"version": 0}, headers=boss.headers)
    assert (back.status_code, back.json()["version"], back.json()["status"]) == (200, 0, "active")
    last = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert last == before
    assert (await api.post(f"{CLASSIFIER}/rollback", json={"version": 1}, headers=boss.headers)).status_code == 200
    lines = (await api.get(f"{CLASSIFIER}/versions", headers=boss.headers)).json()
    assert [(line["version"], line["status"]) for line in lines] == [(1, "active"), (0, "ready")]


async def test_what_the_desks_own_tickets_do_not_bear_out_is_not_told_unless_an_administrator_wants_it(
    api: httpx2.AsyncClient, resources: Resources, boss: Person
) -> None:
    texts = [f"Berth {number} is needed for a ship tomorrow." for number in range(150)]
    # Which of the two it is, no text tells: half of what is said would be wrong.
    chance = np.random.default_rng(4).random(len(texts)) < 0.5
    await judge(resources, boss, [text for text, one in zip(texts, chance, strict=True) if one], "quay")
    await judge(resources, boss, [text for text, one in zip(texts, chance, strict=True) if not one], "pier")
    await judge(resources, boss, TEXTS[:5], "buoy")
    assert (await train(resources)).status == "active"
    report = (await api.get(CLASSIFIER, headers=boss.headers)).json()
    assert list(report["left_out"]) == ["buoy"]
    assert report["cross_validation"]["accuracy"] > 0.75
    assert report["judgements"]["accuracy"] < 0.75
    assert (report["judgements"]["threshold"], report["judgements"]["coverage_at_90"]) == (None, 0)
    assert report["held_out"]["selective_accuracy"] is None

    asked = {"description": "Berth 7000 is needed for a ship tomorrow."}
    found = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert found["category"] == "general"
    assert found["alternatives"][0]["category"] in ("quay", "pier")
    assert "no confidence has proved to be right often enough" in found["reasoning"]
    changed = await api.put("/api/v1/ai-config/abstention", json={"below": 0.3}, headers=boss.headers)
    assert (changed.status_code, changed.json()["effective"]) == (200, {"below": 0.3})
    told = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert told["category"] in ("quay", "pier")
    back = await api.post("/api/v1/ai-config/abstention/rollback", json={"version": 0}, headers=boss.headers)
    assert back.json()["effective"] == {"below": None}
    again = (await api.post("/api/v1/tickets/categorize", json=asked, headers=boss.headers)).json()
    assert again["category"] == "general"


async def test_a_version_that_is_worse_on_what_was_held_out_is_not_used(
    api: httpx2.AsyncClient, resources: Resources, boss: Person
) -> None:
    # People who contradict themselves: what is learned is the opposite of what is held out.
    texts = [f"I was charged twice, refund invoice number {number} please." for number in range(60)]
    await judge(resources, boss, [text for text in texts if held_out(text)], "billing")
    await judge(resources, boss, [text for text in texts if not held_out(text)], "security")
    trained = await train(resources)
    assert trained.status == "refused"
    assert trained.reason is not None
    assert "the active version 100.0%" in trained.reason
    found = (await api.get(CLASSIFIER, headers=boss.headers)).json()
    assert (found["version"], found["status"]) == (0, "active")
    refused = await api.post(f"{CLASSIFIER}/rollback", json={"version": 1}, headers=boss.headers)
    assert refused.json()["code"] == "classifier_head_unusable"


async def test_too_few_judgements_prove_nothing_and_rare_labels_are_left_out(
    resources: Resources, boss: Person
) -> None:
    learnable = [text for text in TEXTS if not held_out(text)]
    await judge(resources, boss, learnable[:5], "berth")
    trained = await train(resources)
    assert (trained.status, trained.reason) == (
        "refused",
        "Only 0 judgements are held out to compare by; 3 are needed.",
    )
    assert trained.report == {"left_out": {"berth": 5}}


async def test_a_training_is_asked_for_when_people_have_judged_often_enough(resources: Resources, boss: Person) -> None:
    await judge(resources, boss, TEXTS[:4], "berth")
    async with resources.db.unit_of_work() as db:
        assert not await learning.retrain_if_due(db, after=5)
        assert not await learning.retrain_if_due(db, after=0)
        assert await learning.retrain_if_due(db, after=4)
    async with resources.db.unit_of_work() as db:
        assert not await learning.retrain_if_due(db, after=4)
        row = await learning.request(db, author_id=None)
    assert row.version == 1
    await learning.give_up(resources, row.job_id)
    await learning.give_up(resources, row.job_id)
    async with resources.db.session() as db:
        assert (await db.execute(select(ClassifierHead.status))).scalar_one() == "failed"


async def test_only_administrators_see_and_steer_the_classifier(
    api: httpx2.AsyncClient, resources: Resources, boss: Person
) -> None:
    person = await register(resources, Role.SUPERVISOR)
    for path in (CLASSIFIER, f"{CLASSIFIER}/versions", f"{CLASSIFIER}/versions/0"):
        assert (await api.get(path, headers=person.headers)).status_code == 403
    assert (await api.post(f"{CLASSIFIER}/retrain", headers=person.headers)).status_code == 403
    shipped = (await api.get(f"{CLASSIFIER}/versions/0", headers=boss.headers)).json()
    assert shipped["examples"] == {"delivered": 610, "people": 0}
    assert sum(one["count"] for one in shipped["cross_validation"]["reliability"]) == 610
    assert (await api.get(f"{CLASSIFIER}/versions/7", headers=boss.headers)).status_code == 404
    job = uuid.uuid4()
    await learning.carry_out(resources, job)


async def test_the_command_says_what_came_of_it(
    resources: Resources, boss: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await retrain(resources.settings) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["version"], told["status"], told["created_by"]) == (1, "refused", None)
