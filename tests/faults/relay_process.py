"""The relay as the product runs it, but with this small room: the real ones take long to load."""

import asyncio

from app.core.settings import get_settings
from app.relay.process import run
from tests.faults.room import subscriptions

if __name__ == "__main__":
    asyncio.run(run(get_settings(), subscriptions()))
