"""Settings: typed, from the environment, and all of them written down."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.commands.env_example import render
from app.core.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_the_example_file_lists_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == render()


def test_settings_come_from_flat_and_grouped_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDESK_PORT", "9000")
    monkeypatch.setenv("EVIDESK_FILES__MAX_BYTES", "5")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere/evidesk")
    settings = Settings(_env_file=None)
    assert (settings.port, settings.files.max_bytes) == (9000, 5)
    assert settings.database_url is not None
    assert "elsewhere" not in repr(settings)


def test_an_empty_value_in_an_env_file_means_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    file = tmp_path / ".env"
    file.write_text("DATABASE_URL=\nEVIDESK_ADMIN_EMAIL=\n")
    settings = Settings(_env_file=file)
    assert settings.database_url is None
    assert settings.admin_email is None


def test_a_setting_out_of_its_range_is_refused_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDESK_PORT", "70000")
    with pytest.raises(ValidationError, match="port"):
        Settings(_env_file=None)


def test_agents_find_the_tools_on_this_host_unless_told_otherwise() -> None:
    assert Settings(_env_file=None, mcp_port=9001).mcp_endpoint == "http://127.0.0.1:9001/mcp"
    assert Settings(_env_file=None, host="0.0.0.0").mcp_endpoint == "http://127.0.0.1:8001/mcp"
    assert Settings(_env_file=None, host="10.0.0.5").mcp_endpoint == "http://10.0.0.5:8001/mcp"
    assert Settings(_env_file=None, host="::1").mcp_endpoint == "http://[::1]:8001/mcp"
    assert Settings(_env_file=None, mcp_url="http://tools:1/mcp").mcp_endpoint == "http://tools:1/mcp"
