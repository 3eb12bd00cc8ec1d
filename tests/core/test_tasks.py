"""Tasks as a worker process runs them: without a running event loop of its own, hence in threads here."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest
from celery.exceptions import Reject
from kombu import Consumer, Message
from opentelemetry import trace
from pydantic import SecretStr

from app.core import tasks
from app.core.resources import NotConfigured, Resources
from app.core.tasks import CARRIER_HEADER, TaskCall, TaskTimedOut, celery, configure, retry_delay, task
from app.core.telemetry import correlation_id

ID = uuid.UUID(int=5)
TRACE = "0af7651916cd43dd8448eb211c80319c"
CARRIER = {"correlation_id": "the-request", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}


class Flaky(Exception):
    pass


ran: list[Any] = []


@task(name="test.note", queue="recognition", expires=30)
async def note(resources: Resources, number: uuid.UUID, word: str) -> None:
    trace_id = f"{trace.get_current_span().get_span_context().trace_id:032x}"
    ran.append((number, word, correlation_id.get(), trace_id, id(asyncio.get_running_loop()), id(resources)))
    await resources.redis.set("noted", word)


@task(name="test.tries_again", max_retries=2, retry_on=(Flaky,))
async def flaky(resources: Resources, failures: int) -> None:
    ran.append(failures)
    if len(ran) <= failures:
        raise Flaky


@task(name="test.slow", time_limit=0.05)
async def slow(resources: Resources, seconds: int) -> None:
    if seconds == 0:
        raise TimeoutError
    try:
        await asyncio.sleep(seconds)
    finally:
        ran.append("cleaned up")


@pytest.fixture(autouse=True)
async def process(resources: Resources) -> AsyncIterator[None]:
    ran.clear()
    configure(resources.settings)
    yield
    await asyncio.to_thread(tasks.close_process)


async def run(call: TaskCall, **headers: Any) -> None:
    """As a worker does with a message, retries included, but at once."""
    await asyncio.to_thread(lambda: celery.tasks[call.name].apply(args=call.args, headers=headers).get())


async def test_a_call_names_the_task_its_queue_and_its_ids() -> None:
    assert note.call(ID, "word") == TaskCall("test.note", "recognition", (ID, "word"), 30)


async def test_a_call_takes_nothing_but_ids_by_position() -> None:
    with pytest.raises(TypeError):
        note.call(ID, word="word")
    with pytest.raises(TypeError):
        note.call(ID, ["word"])  # type: ignore[arg-type] # what it refuses


async def test_an_id_comes_out_of_the_broker_as_it_went_in() -> None:
    def sent_and_received() -> list[Any]:
        came: list[Any] = []

        def take(body: Any, message: Message) -> None:
            came.extend(body[0])
            message.ack()

        with celery.connection_for_write() as connection:
            celery.send_task("test.note", args=note.call(ID, "word").args, queue="recognition", connection=connection)
            with Consumer(connection, queues=celery.conf.task_queues, callbacks=[take], accept=["json"]):
                connection.drain_events(timeout=30)
        return came

    assert await asyncio.to_thread(sent_and_received) == [ID, "word"]


async def test_the_parts_of_a_long_recording_do_not_keep_other_files_waiting() -> None:
    def order() -> list[str]:
        came: list[str] = []

        def take(_body: object, message: Message) -> None:
            came.append(message.delivery_info["routing_key"])
            message.ack()

        with celery.connection_for_write() as connection:
            for queue in (*["parts"] * 6, "recognition"):
                celery.send_task("test.note", args=(str(ID), "word"), queue=queue, connection=connection)
            queues = celery.conf.task_queues
            with Consumer(connection, queues=queues, callbacks=[take], accept=["json"], prefetch_count=1):
                while len(came) < 7:
                    connection.drain_events(timeout=30)
        return came

    assert "recognition" in (await asyncio.to_thread(order))[:3]


async def test_the_handler_is_the_plain_function(resources: Resources) -> None:
    await note.handler(resources, ID, "word")
    assert await resources.redis.get("noted") == "word"


async def test_a_task_goes_on_with_the_trace_and_correlation_id_of_its_cause(resources: Resources) -> None:
    await run(note.call(ID, "word"), **{CARRIER_HEADER: CARRIER})
    assert ran[0][:4] == (ID, "word", "the-request", TRACE)
    assert await resources.redis.get("noted") == "word"


async def test_all_tasks_of_a_process_share_one_loop_and_resources_but_no_correlation_id() -> None:
    await run(note.call(ID, "one"))
    await run(note.call(ID, "two"))
    (*_, first, _, loop, held), (*_, second, _, same_loop, same_held) = ran
    assert (loop, held) == (same_loop, same_held)
    assert first != second


async def test_a_fork_starts_with_a_loop_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    await run(note.call(ID, "parent"))
    inherited, pid = tasks._process._runner, os.getpid()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: pid + 1)
        await run(note.call(ID, "child"))
        assert ran[0][4] != ran[1][4]
        assert inherited is not None
        assert not inherited.get_loop().is_closed()
        await asyncio.to_thread(tasks.close_process)
    (parents, stack, _resources) = tasks._process.inherited.pop()
    await asyncio.to_thread(parents.run, stack.aclose())
    await asyncio.to_thread(parents.close)


async def test_closing_twice_or_before_the_first_task_is_nothing() -> None:
    await asyncio.to_thread(tasks.close_process)
    await asyncio.to_thread(tasks.close_process)


async def test_a_retryable_error_is_tried_again() -> None:
    await run(flaky.call(2))
    assert ran == [2, 2, 2]


async def test_retries_come_to_an_end() -> None:
    with pytest.raises(Flaky):
        await run(flaky.call(9))
    assert ran == [9, 9, 9]


async def test_without_the_broker_a_retry_gives_the_message_back(resources: Resources, unused_tcp_port: int) -> None:
    nowhere = SecretStr(f"redis://127.0.0.1:{unused_tcp_port}/0")
    configure(resources.settings.model_copy(update={"redis_url": nowhere}))
    tasks._process.settings = resources.settings

    def work() -> None:
        celery_task = celery.tasks["test.tries_again"]
        celery_task.push_request(args=(9,), called_directly=False, retries=0, id=str(ID))
        try:
            celery_task.run(9)
        finally:
            celery_task.pop_request()

    with pytest.raises(Reject) as refused:
        await asyncio.to_thread(work)
    assert refused.value.args == (refused.value.args[0], True)


async def test_a_task_past_its_time_is_cancelled_and_cleans_up() -> None:
    with pytest.raises(TaskTimedOut, match=r"test\.slow took longer than 0\.05 s"):
        await run(slow.call(30))
    assert ran == ["cleaned up"]


async def test_a_timeout_inside_a_task_is_not_the_tasks() -> None:
    with pytest.raises(TimeoutError):
        await run(slow.call(0))


async def test_a_task_needs_a_known_queue_and_a_configured_process(resources: Resources) -> None:
    with pytest.raises(ValueError, match="nowhere"):
        task(name="test.nowhere", queue="nowhere")
    with pytest.raises(NotConfigured):
        configure(resources.settings.model_copy(update={"redis_url": None}))
    tasks._process.settings = None
    with pytest.raises(NotConfigured):
        await run(note.call(ID, "word"))


def test_the_delay_between_tries_grows_with_jitter_to_a_limit() -> None:
    for retries, most in ((0, 1.0), (3, 8.0), (100, 120.0)):
        delays = [retry_delay(retries) for _ in range(200)]
        assert most / 2 <= min(delays) < max(delays) <= most
        assert max(delays) - min(delays) > most / 5
