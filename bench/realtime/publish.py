"""Numbers, keeps and publishes updates of a ticket as the relay does: what it reads from its input, a line each."""

import asyncio
import json
import os
import sys

import asyncpg

from app.core.redis import connect
from app.outbox.deliveries import REDIS_PREFIX

_KEEP = """
    INSERT INTO notifications (channel, seq, outbox_id, type, protocol, data)
    SELECT $1::varchar, coalesce(max(seq), 0) + 1, coalesce(max(seq), 0) + 1, $2::varchar, 'ticket', $3::jsonb
    FROM notifications WHERE channel = $1::varchar RETURNING seq, created_at
"""
TYPE = "ticket_status_update"


async def main() -> None:
    db = await asyncpg.connect(os.environ["DATABASE_URL"].replace("+asyncpg", ""))
    redis = connect(os.environ["REDIS_URL"])
    for line in sys.stdin:
        told = json.loads(line)
        kept = await db.fetchrow(_KEEP, told["ticket"], TYPE, json.dumps(told["data"]))
        assert kept is not None
        message = {
            "channel": told["ticket"],
            "seq": kept["seq"],
            "protocol": "ticket",
            "type": TYPE,
            "data": told["data"],
            "timestamp": kept["created_at"].isoformat(),
        }
        if told["live"]:
            await redis.publish(REDIS_PREFIX + told["ticket"], json.dumps(message))
        print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
