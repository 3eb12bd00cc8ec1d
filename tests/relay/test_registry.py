import uuid
from typing import ClassVar

import pytest

from app.core.resources import Resources
from app.core.tasks import task
from app.jobs.events import JobDue, JobExhausted
from app.relay.registry import Subscriptions, UnknownEvent
from tests.relay.samples import Said, push_words

JOB = uuid.UUID(int=7)


class Impostor(Said):
    type: ClassVar[str] = "test.said"


@task(name="test.registry.run")
async def run(resources: Resources, job_id: uuid.UUID) -> None:
    raise NotImplementedError


@task(name="test.registry.give_up")
async def give_up(resources: Resources, job_id: uuid.UUID) -> None:
    raise NotImplementedError


def test_an_event_goes_to_each_of_its_handlers_in_their_order() -> None:
    made = Subscriptions()
    made.on(Said, push_words)
    made.on(Said, lambda _event: [run.call(JOB)])
    first, second = made.deliveries("test.said", {"about": "a", "words": "b"})
    assert getattr(first, "channel", None) == "a"
    assert second == run.call(JOB)


def test_an_event_without_handlers_is_known_and_leads_to_nothing() -> None:
    made = Subscriptions()
    with pytest.raises(UnknownEvent):
        made.deliveries("test.said", {"about": "a"})
    made.on(Said)
    assert made.deliveries("test.said", {"about": "a"}) == []


def test_two_events_cannot_have_one_name() -> None:
    made = Subscriptions()
    made.on(Said)
    with pytest.raises(ValueError, match=r"test\.said"):
        made.on(Impostor)


def test_a_job_kind_leads_to_its_tasks() -> None:
    made = Subscriptions()
    made.job("recognition", run=run, exhausted=give_up)
    due = JobDue(job_id=JOB, kind="recognition", subject="file")
    exhausted = JobExhausted(job_id=JOB, kind="recognition", subject="file", reason="often enough")
    assert made.deliveries("job.due", due.model_dump(mode="json")) == [run.call(JOB)]
    assert made.deliveries("job.exhausted", exhausted.model_dump(mode="json")) == [give_up.call(JOB)]
    with pytest.raises(ValueError, match="recognition"):
        made.job("recognition", run=run, exhausted=give_up)


def test_an_event_must_be_about_something() -> None:
    assert due_aggregate() != due_aggregate()
    assert JobExhausted(job_id=JOB, kind="k", subject="s", reason="r").aggregate == f"job:{JOB}"


def due_aggregate() -> str:
    return JobDue(job_id=JOB, kind="k", subject="s").aggregate
