"""Train the classifier from the delivered examples and people's judgements, in this process; say what came of it."""

import asyncio
import json
import sys

from app.core.resources import open_resources
from app.core.settings import Settings, get_settings
from app.jobs.errors import ClaimLost
from app.learning import service
from app.tickets.service import DESK

REFUSED = 1
POLL_SECONDS = 1.0


async def retrain(settings: Settings) -> int:
    async with open_resources(settings) as resources:
        async with resources.db.unit_of_work() as db:
            row = await service.request(db, author_id=None)
        while True:
            try:
                await service.carry_out(resources, row.job_id)
            except ClaimLost:
                sys.stderr.write("Another process has taken the training over.\n")
            async with resources.db.session() as db:
                found = await service.one(db, DESK, row.version)
            if found.status != "training":
                break
            # A worker was faster; it is waited for.
            await asyncio.sleep(POLL_SECONDS)
    sys.stdout.write(json.dumps(found.model_dump(mode="json"), ensure_ascii=False) + "\n")
    return 0 if found.status == "active" else REFUSED


def main() -> int:
    return asyncio.run(retrain(get_settings()))


if __name__ == "__main__":
    sys.exit(main())
