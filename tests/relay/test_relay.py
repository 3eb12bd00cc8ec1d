import asyncio
import base64
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.clock import now
from app.core.redis import connect
from app.core.resources import Resources
from app.core.tasks import CARRIER_HEADER, TaskCall
from app.core.telemetry import continued
from app.outbox import writer
from app.outbox.deliveries import Push
from app.relay import batch, notifications, plan
from app.relay.delivering import Relay
from app.relay.notifications import NumberTaken
from app.relay.registry import Subscriptions
from tests.relay.samples import (
    QUESTION,
    Asked,
    Said,
    Shouted,
    answer,
    impatient,
    listening,
    next_messages,
    relay,
    rows,
    say,
    states,
    subscriptions,
)


def failing_for(*words: str) -> Subscriptions:
    """Whatever else is said goes out; these words never do."""
    made = Subscriptions()

    def push(event: Said) -> list[Push]:
        if event.words in words:
            raise RuntimeError(f"cannot say {event.words}")
        return [Push(event.about, "test", "said", {"words": event.words})]

    made.on(Said, push)
    return made


async def deliver_all(resources: Resources, one: Relay) -> None:
    while "pending" in await states(resources):
        await one.deliver_batch()


async def said(resources: Resources, channel: str) -> list[str]:
    kept = await rows(resources, "SELECT data FROM notifications WHERE channel = :c ORDER BY seq", c=channel)
    return [row.data["words"] for row in kept]


async def test_pushes_are_numbered_by_channel_and_published_in_order(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"), Said(about="b", words="two"), Said(about="a", words="three"))
    async with listening(resources, "a", "b") as heard, relay(resources) as delivering:
        outcome = await delivering.deliver_batch()
        messages = await next_messages(heard, 3)
    assert outcome.delivered == 3
    # Two aggregates stand in no order to each other.
    by_channel = sorted((m["channel"], m["seq"], m["type"], m["protocol"], m["data"]["words"]) for m in messages)
    assert by_channel == [
        ("a", 1, "said", "test", "one"),
        ("a", 2, "said", "test", "three"),
        ("b", 1, "said", "test", "two"),
    ]
    assert {*messages[0]} == {"channel", "seq", "protocol", "type", "data", "timestamp"}
    assert await states(resources) == ["delivered"] * 3


async def test_what_is_published_is_already_kept_for_replay(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"))
    async with listening(resources, "a") as heard, relay(resources) as delivering:
        await delivering.deliver_batch()
        (message,) = await next_messages(heard, 1)
    (kept,) = await rows(resources, "SELECT * FROM notifications")
    assert (kept.channel, kept.seq, kept.protocol, kept.type, kept.data) == ("a", 1, "test", "said", {"words": "one"})
    assert kept.created_at.isoformat() == message["timestamp"]


async def test_tasks_reach_the_broker_with_the_trace_of_their_cause(resources: Resources) -> None:
    with continued({"correlation_id": "the-request"}):
        await say(resources, Asked(about="a", words="me"))
    async with relay(resources) as delivering:
        assert (await delivering.deliver_batch()).delivered == 1
        assert (await delivering.deliver_batch()).claimed == 0
    (message,) = [json.loads(raw) for raw in await resources.redis.lrange("default", 0, -1)]
    assert message["headers"]["task"] == "test.answer"
    assert message["headers"][CARRIER_HEADER]["correlation_id"] == "the-request"
    arguments = json.loads(base64.b64decode(message["body"]))[0]
    assert arguments == [{"__type__": "uuid", "__value__": {"hex": QUESTION.hex}}, "me"]


async def test_an_event_waits_until_it_may_go_out_and_its_aggregate_with_it(resources: Resources) -> None:
    async with resources.db.unit_of_work() as db:
        writer.add(db, Said(about="a", words="now"))
        writer.add(db, Said(about="a", words="later"), not_before=now() + timedelta(hours=1))
        writer.add(db, Said(about="a", words="after that"))
    async with relay(resources) as delivering:
        assert (await delivering.deliver_batch()).claimed == 1
        assert (await delivering.deliver_batch()).claimed == 0
    assert await states(resources) == ["delivered", "pending", "pending"]


async def test_a_row_that_fails_holds_back_its_aggregate_and_nobody_else(resources: Resources) -> None:
    await say(resources, *(Said(about=about, words=words) for about in "ab" for words in (f"{about}1", f"{about}2")))
    async with relay(impatient(resources, backoff_seconds=60), failing_for("a1")) as delivering:
        outcome = await delivering.deliver_batch()
    assert (outcome.delivered, outcome.failed) == (2, 1)
    assert await states(resources) == ["pending", "pending", "delivered", "delivered"]
    (failed,) = await rows(resources, "SELECT * FROM outbox WHERE attempts > 0")
    assert failed.last_error == "RuntimeError: cannot say a1"
    assert timedelta(seconds=29) < failed.available_at - now() < timedelta(seconds=61)


async def test_a_row_that_always_fails_becomes_a_dead_letter_and_the_rest_goes_on(resources: Resources) -> None:
    await say(resources, Said(about="a", words="bad"), Said(about="a", words="good"))
    async with relay(impatient(resources), failing_for("bad")) as delivering:
        while await states(resources) != ["dead", "delivered"]:
            await delivering.deliver_batch()
    assert [row.attempts for row in await rows(resources, "SELECT attempts FROM outbox ORDER BY id")] == [3, 0]
    assert await said(resources, "a") == ["good"]


async def put(resources: Resources, type_name: str, payload: dict[str, Any]) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(
            text(
                "INSERT INTO outbox (aggregate, type, payload, carrier, state, attempts)"
                " VALUES (:aggregate, :type, CAST(:payload AS jsonb), '{}', 'pending', 0)"
            ),
            {"aggregate": f"odd:{type_name}", "type": type_name, "payload": json.dumps(payload)},
        )


async def test_rows_that_cannot_be_understood_fail_alone(resources: Resources) -> None:
    subscribed = subscriptions()
    subscribed.on(Shouted, lambda _event: [Push("everybody", "test", "again", {})])
    await put(resources, "test.never_heard_of", {})
    await put(resources, "test.said", {"about": "a", "unknown": 1})
    await put(resources, "job.due", {"job_id": str(QUESTION), "kind": "nobody's", "subject": ""})
    await put(resources, "job.exhausted", {"job_id": str(QUESTION), "kind": "nobody's", "subject": "", "reason": ""})
    await say(resources, Shouted(about="b", words="twice to one channel"), Said(about="c", words="fine"))
    async with relay(impatient(resources, max_attempts=1), subscribed) as delivering:
        await delivering.deliver_batch()
    assert await states(resources) == ["dead"] * 5 + ["delivered"]
    errors = await rows(resources, "SELECT last_error FROM outbox WHERE state = 'dead' ORDER BY id")
    assert [row.last_error.partition(":")[0] for row in errors] == [
        "UnknownEvent", "ValidationError", "UnknownEvent", "UnknownEvent", "RepeatedChannel"
    ]  # fmt: skip


async def test_data_that_the_database_refuses_fails_its_row_alone(resources: Resources) -> None:
    subscribed = Subscriptions()
    subscribed.on(Said, lambda event: [Push(event.about, "test", "said", {"words": event.words.replace("0", "\x00")})])
    await say(resources, *(Said(about=a, words=w) for a, w in [("a", "1"), ("a", "0"), ("a", "2"), ("b", "3")]))
    async with (
        listening(resources, "a", "b") as heard,
        relay(impatient(resources, max_attempts=1), subscribed) as to_say,
    ):
        outcome = await to_say.deliver_batch()
        assert (outcome.delivered, outcome.failed) == (2, 1)
        await to_say.deliver_batch()
        heard_words = [m["data"]["words"] for m in await next_messages(heard, 3)]
    assert heard_words == ["1", "3", "2"]
    assert await states(resources) == ["delivered", "dead", "delivered", "delivered"]


async def test_data_that_is_not_json_fails_its_row_alone(resources: Resources) -> None:
    subscribed = Subscriptions()
    subscribed.on(Said, lambda event: [Push(event.about, "test", "said", {"words": event.words or {1, 2}})])
    await say(resources, Said(about="a"), Said(about="b", words="fine"))
    async with relay(impatient(resources, max_attempts=1), subscribed) as delivering:
        await delivering.deliver_batch()
    assert await states(resources) == ["dead", "delivered"]


async def test_a_call_that_the_broker_cannot_take_fails_its_row_alone(resources: Resources) -> None:
    subscribed = Subscriptions()

    def call(event: Asked) -> list[TaskCall]:
        fine = answer.call(QUESTION, str(event.words))
        return [TaskCall(fine.name, "no such queue", fine.args) if event.words == "bad" else fine]

    subscribed.on(Asked, call)
    await say(resources, *(Asked(about=a, words=w) for a, w in [("a", "1"), ("a", "bad"), ("a", "2"), ("b", "3")]))
    async with relay(impatient(resources, max_attempts=1), subscribed) as delivering:
        outcome = await delivering.deliver_batch()
        assert (outcome.delivered, outcome.failed) == (2, 1)
        await delivering.deliver_batch()
    assert await states(resources) == ["delivered", "dead", "delivered", "delivered"]
    assert await resources.redis.llen("default") == 3


async def test_without_redis_nothing_counts_against_a_row(resources: Resources, unused_tcp_port: int) -> None:
    await say(resources, Said(about="a", words="one"), Asked(about="b", words="me"), Said(about="c", words="two"))
    nowhere = connect(f"redis://127.0.0.1:{unused_tcp_port}/0")
    cut_off = replace(resources, redis=nowhere)
    async with relay(cut_off) as delivering:
        outcome = await delivering.deliver_batch()
    await nowhere.aclose()
    assert (outcome.claimed, outcome.delivered, outcome.failed, outcome.away) == (3, 0, 0, True)
    async with listening(resources, "a", "c") as heard, relay(resources) as delivering:
        assert (await delivering.deliver_batch()).delivered == 3
        # Numbered at the first try, and not again.
        assert [(m["channel"], m["seq"]) for m in await next_messages(heard, 2)] == [("a", 1), ("c", 1)]
    assert {row.attempts for row in await rows(resources, "SELECT attempts FROM outbox")} == {0}


async def test_without_the_broker_only_rows_with_tasks_wait(resources: Resources, unused_tcp_port: int) -> None:
    await say(resources, Said(about="a", words="one"), Asked(about="b", words="me"), Said(about="b", words="behind"))
    nowhere = SecretStr(f"redis://127.0.0.1:{unused_tcp_port}/0")
    cut_off = replace(resources, settings=resources.settings.model_copy(update={"redis_url": nowhere}))
    async with relay(cut_off) as delivering:
        outcome = await delivering.deliver_batch()
    assert (outcome.delivered, outcome.failed, outcome.away) == (1, 0, True)
    assert await states(resources) == ["delivered", "pending", "pending"]
    async with relay(resources) as delivering:
        assert (await delivering.deliver_batch()).delivered == 2
    assert await resources.redis.llen("default") == 1


async def test_what_was_numbered_before_a_crash_keeps_its_number(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"))
    async with resources.db.session() as db:
        # Rolled back at the end, as the server does for a relay that is gone.
        await notifications.number(db, resources.db, plan.make(await batch.claim(db, 10), subscriptions()))
    await say(resources, Said(about="a", words="two"))
    async with relay(resources) as delivering:
        assert (await delivering.deliver_batch()).delivered == 2
    assert await said(resources, "a") == ["one", "two"]


async def test_many_aggregates_share_a_channel_without_gap_or_repetition(resources: Resources) -> None:
    await say(resources, *(Shouted(about=f"x{n}", words=str(n)) for n in range(60)))
    small = impatient(resources, batch_size=7)
    async with (
        relay(small) as first,
        relay(small) as second,
        relay(small) as third,
        listening(resources, "everybody") as heard,
    ):
        await asyncio.gather(*(deliver_all(resources, one) for one in (first, second, third)))
        numbers = [message["seq"] for message in await next_messages(heard, 60)]
    assert numbers == list(range(1, 61))


async def until_somebody_waits(resources: Resources) -> None:
    while not await rows(resources, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'"):  # noqa: ASYNC110 - only the database knows
        await asyncio.sleep(0.01)


async def test_a_number_taken_by_a_relay_without_locks_is_noticed(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"))
    async with resources.db.unit_of_work() as db:
        work = plan.make(await batch.claim(db, 10), subscriptions())
        async with resources.db.unit_of_work() as rival:
            await rival.execute(
                text(
                    "INSERT INTO notifications (channel, seq, outbox_id, type, protocol, data)"
                    " VALUES ('a', 1, 999, 'said', 'test', '{}')"
                )
            )
            numbering = asyncio.create_task(notifications.number(db, resources.db, work))
            await until_somebody_waits(resources)
        with pytest.raises(NumberTaken):
            await numbering


async def test_a_relay_that_loses_the_database_marks_nothing(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"))
    async with relay(resources) as delivering:
        async with resources.db.unit_of_work() as db:
            await db.execute(text("ALTER TABLE notifications RENAME TO elsewhere"))
        try:
            with pytest.raises(SQLAlchemyError):
                await delivering.deliver_batch()
        finally:
            async with resources.db.unit_of_work() as db:
                await db.execute(text("ALTER TABLE elsewhere RENAME TO notifications"))
        assert await states(resources) == ["pending"]
        assert (await delivering.deliver_batch()).delivered == 1


async def test_a_busy_aggregate_does_not_keep_the_others_waiting(resources: Resources) -> None:
    await say(resources, *(Said(about="busy", words=str(n)) for n in range(50)), Said(about="quiet", words="hello"))
    async with relay(impatient(resources, batch_size=10)) as delivering:
        await delivering.deliver_batch()
    assert await said(resources, "quiet") == ["hello"]
    assert await said(resources, "busy") == ["0", "1", "2", "3", "4"]
