"""The outbox relay. Several may run at once."""

import asyncio

from app.core.settings import get_settings
from app.outbox.relay import run
from app.outbox.subscriptions import build


def main() -> None:
    asyncio.run(run(get_settings(), build()))


if __name__ == "__main__":
    main()
