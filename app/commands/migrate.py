"""Bring the schema of DATABASE_URL to a revision: the newest, or the one named."""

import sys
from pathlib import Path

from alembic import command
from alembic.config import Config

ROOT = Path(__file__).resolve().parents[2]


def main() -> None:
    revision = sys.argv[1] if len(sys.argv) > 1 else "head"
    command.upgrade(Config(ROOT / "alembic.ini"), revision)


if __name__ == "__main__":
    main()
