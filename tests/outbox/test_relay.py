import json

from app.core.resources import Resources
from tests.outbox.samples import Asked, Said, relay, say


async def test_pushes_are_numbered_by_channel_and_published_in_order(resources: Resources) -> None:
    await say(resources, Said(about="a", words="one"), Said(about="b", words="two"), Said(about="a", words="three"))
    async with resources.redis.pubsub() as heard, relay(resources) as delivering:
        await heard.subscribe("ws:a", "ws:b")
        for _ in range(2):
            await heard.get_message(timeout=1)
        outcome = await delivering.deliver_batch()
        messages = [json.loads((await heard.get_message(timeout=1))["data"]) for _ in range(3)]
    assert outcome.delivered == 3
    assert [(m["channel"], m["seq"], m["data"]["words"]) for m in messages] == [
        ("a", 1, "one"),
        ("b", 1, "two"),
        ("a", 2, "three"),
    ]


async def test_tasks_reach_the_broker(resources: Resources) -> None:
    await say(resources, Asked(about="a", words="me"))
    async with relay(resources) as delivering:
        print(await delivering.deliver_batch())
    print(await resources.redis.lrange("default", 0, -1))
    assert await resources.redis.llen("default") == 1
