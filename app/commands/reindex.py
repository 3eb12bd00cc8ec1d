"""`evidesk knowledge reindex`: the index of vectors made anew from what the database has.

Another index is filled beside the one that is searched, and takes its place when it is full.
"""

import asyncio
import json
import sys

from app.core.resources import Resources, open_resources
from app.core.settings import get_settings
from app.core.vectors.base import IndexUnavailable
from app.knowledge import service as knowledge

FAILED = 1


async def reindex(resources: Resources) -> dict[str, str | int]:
    """How many vectors of each embedder there are now. Raises IndexUnavailable."""
    return await knowledge.rebuild_index(resources)


async def run() -> int:
    async with open_resources(get_settings()) as resources:
        try:
            counted = await reindex(resources)
        except IndexUnavailable as error:
            sys.stderr.write(f"{error}\n")
            return FAILED
    sys.stdout.write(json.dumps(counted) + "\n")
    return 0


def main() -> int:
    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
