"""The outbox relay. Several may run at once."""

import asyncio

from app.core.settings import get_settings
from app.relay.process import run
from app.relay.subscriptions import build


def main() -> None:
    settings = get_settings()
    subscriptions = build(
        resolve_new_tickets=settings.agents.resolve_new_tickets, draft_replies=settings.conversations.draft_replies
    )
    asyncio.run(run(settings, subscriptions))


if __name__ == "__main__":
    main()
