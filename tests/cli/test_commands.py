"""Each process of its own: what it is started with, and that it starts."""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy import select

from app.commands import api, create_admin, migrate, openapi, relay
from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import get_settings
from app.embedded.data_plane import DataPlane
from app.models.user import User

ROOT = Path(__file__).resolve().parents[2]


def environment(plane: DataPlane, tmp_path: Path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": plane.database_url,
        "REDIS_URL": plane.redis_url,
        "EVIDESK_DATA_DIR": str(tmp_path),
    }


@pytest.fixture
def settings_of_plane(plane: DataPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in environment(plane, tmp_path).items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_the_api_listens_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(uvicorn, "run", lambda app, **options: given.update(options, app=app))
    monkeypatch.setenv("EVIDESK_PORT", "8123")
    monkeypatch.setenv("EVIDESK_WEBSOCKET__MAX_FRAME_BYTES", "4096")
    get_settings.cache_clear()
    try:
        api.main()
    finally:
        get_settings.cache_clear()
    assert given["app"] == "app.main:create_app"
    assert (given["host"], given["port"], given["ws_max_size"]) == ("127.0.0.1", 8123, 4096)
    assert given["log_config"] is None


def test_the_worker_takes_every_queue_unless_told_otherwise(
    settings_of_plane: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By name, since the module finds its broker when it is imported.
    worker = importlib.import_module("app.commands.worker")
    given: list[list[str]] = []
    monkeypatch.setattr(worker.celery, "worker_main", given.append)
    monkeypatch.setattr(sys, "argv", ["worker", "--queues", "recognition"])
    worker.main()
    assert given[0][:4] == ["--quiet", "worker", "--queues", "default,recognition,parts"]
    # Of an option that is given twice, the last one counts.
    assert given[0][-2:] == ["--queues", "recognition"]
    assert given[0][given[0].index("--concurrency") + 1] == "2"


def test_the_relay_runs_with_the_settings(settings_of_plane: None, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    async def run(*arguments: object) -> None:
        given.extend(arguments)

    monkeypatch.setattr(relay, "run", run)
    relay.main()
    assert given[0] == get_settings()


def test_a_migrated_schema_is_migrated_again_without_harm(plane: DataPlane, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", plane.database_url)
    monkeypatch.setattr(sys, "argv", ["migrate"])
    get_settings.cache_clear()
    try:
        migrate.main()
        monkeypatch.setattr(sys, "argv", ["migrate", "0001"])
        migrate.main()
    finally:
        get_settings.cache_clear()


async def test_the_first_admin_is_made_once(resources: Resources) -> None:
    settings = resources.settings.model_copy(update={"admin_password": SecretStr("correct horse battery")})
    assert await create_admin.create_admin(settings)
    assert not await create_admin.create_admin(settings)
    async with resources.db.session() as db:
        admin = (await db.scalars(select(User))).one()
    assert (admin.username, admin.email, admin.role) == ("admin", "admin@example.com", Role.ADMIN)


@pytest.mark.parametrize(
    ("missing", "said"), [("database_url", "Set DATABASE_URL"), ("admin_password", "no default password")]
)
async def test_without_a_password_or_a_database_there_is_no_admin(
    missing: str, said: str, resources: Resources
) -> None:
    settings = resources.settings.model_copy(update={"admin_password": SecretStr("correct horse"), missing: None})
    with pytest.raises(SystemExit, match=said):
        await create_admin.create_admin(settings)


def test_the_first_admin_is_told_on_standard_output(plane: DataPlane, resources: Resources, tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-m", "app.commands.create_admin"],
        cwd=ROOT,
        env=environment(plane, tmp_path) | {"EVIDESK_ADMIN_PASSWORD": "correct horse battery"},
        capture_output=True,
        text=True,
    )
    assert json.loads(answer.stdout) == {"created": True}, answer.stderr


def test_the_openapi_document_is_written_the_same_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["openapi", str(tmp_path / "openapi.json")])
    openapi.main()
    written = (tmp_path / "openapi.json").read_text()
    assert "/api/v1/auth/login" in json.loads(written)["paths"]
    assert written == openapi.document()
