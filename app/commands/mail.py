"""The process that takes mail in."""

import asyncio
import sys

from app.core.resources import NotConfigured
from app.core.settings import get_settings
from app.mail.sources.running import run


def main() -> None:
    try:
        asyncio.run(run(get_settings()))
    except NotConfigured as reason:
        sys.exit(str(reason))


if __name__ == "__main__":
    main()
