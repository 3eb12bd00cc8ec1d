"""Create the user `admin` if there is none. Prints one JSON object: `{"created": true}`."""

import asyncio
import json
import sys

from app.accounts.service import ensure_admin
from app.core.db import Database
from app.core.settings import Settings, get_settings

DEFAULT_EMAIL = "admin@example.com"


async def create_admin(settings: Settings) -> bool:
    """True when there was none. Exits with a sentence when a setting is missing."""
    if settings.database_url is None:
        sys.exit("Set DATABASE_URL.")
    if settings.admin_password is None:
        sys.exit("Set EVIDESK_ADMIN_PASSWORD: there is no default password.")
    database = Database(settings.database_url.get_secret_value(), settings.database)
    try:
        async with database.unit_of_work() as db:
            return await ensure_admin(
                db,
                email=settings.admin_email or DEFAULT_EMAIL,
                password=settings.admin_password.get_secret_value(),
            )
    finally:
        await database.dispose()


def main() -> None:
    created = asyncio.run(create_admin(get_settings()))
    sys.stdout.write(json.dumps({"created": created}) + "\n")


if __name__ == "__main__":
    main()
