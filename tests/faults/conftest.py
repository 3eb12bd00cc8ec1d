from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from app.embedded.data_plane import DataPlane
from tests.emptying import empty
from tests.faults.site import Site, opened

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture(scope="package")
def private_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataPlane]:
    """Not the session's: its Redis is killed, and keeps what it writes."""
    with DataPlane(tmp_path_factory.mktemp("faults"), durable=True) as running:
        config = Config(ROOT / "alembic.ini")
        config.set_main_option("sqlalchemy.url", running.database_url.replace("%", "%%"))
        command.upgrade(config, "head")
        yield running


@pytest.fixture
async def site(private_plane: DataPlane, tmp_path: Path) -> AsyncIterator[Site]:
    async with opened(private_plane, tmp_path) as made:
        await empty(made.resources.db)
        await made.resources.redis.flushdb()
        yield made
