"""The `evidesk` command: what it becomes, with which addresses, and what it says when it cannot."""

import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli, main
from app.core.settings import Settings
from app.embedded.instance import Child, Instance, State
from app.embedded.process import Identity
from app.embedded.up import Up

Became = tuple[list[str], dict[str, str]]


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "REDIS_URL", "EVIDESK_DATA_DIR", "EVIDESK_PORT"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def became(monkeypatch: pytest.MonkeyPatch) -> list[Became]:
    programs: list[Became] = []
    monkeypatch.setattr(os, "execve", lambda _, argv, env: programs.append((argv[1:], env)))
    return programs


def evidesk(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(cli, list(words))
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("words", "program"),
    [
        (["api"], ["-m", "app.commands.api"]),
        (["worker", "--queues", "recognition"], ["-m", "app.commands.worker", "--queues", "recognition"]),
        (["relay"], ["-m", "app.commands.relay"]),
        (["mail"], ["-m", "app.commands.mail"]),
        (["mcp"], ["-m", "mcp_server"]),
        (["mcp", "--stdio"], ["-m", "app.commands.mcp_stdio"]),
        (["migrate"], ["-m", "app.commands.migrate", "head"]),
        (["create-admin"], ["-m", "app.commands.create_admin"]),
        (["knowledge", "reembed", "local"], ["-m", "app.commands.reembed", "--", "local"]),
        (["knowledge", "reindex"], ["-m", "app.commands.reindex"]),
        (["openapi", "x.json"], ["-m", "app.commands.openapi", "x.json"]),
        (
            ["knowledge", "load", "docs", "https://example.com/", "--role", "agent", "--team", "billing"],
            [
                *("-m", "app.commands.load_knowledge", "--username=admin", "--wait=3600"),
                *("--role=agent", "--team=billing", "--", "docs", "https://example.com/"),
            ],
        ),
    ],
)
def test_a_command_becomes_its_process(
    words: list[str], program: list[str], became: list[Became], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://named/desk")
    monkeypatch.setenv("REDIS_URL", "redis://named/0")
    assert evidesk(*words)[0] == 0
    assert became[0][0] == program
    assert became[0][1]["DATABASE_URL"] == "postgresql://named/desk"


def test_beside_a_running_instance_its_servers_are_used(became: list[Became], tmp_path: Path) -> None:
    ours = Identity.of(os.getpid())
    assert ours is not None
    (tmp_path / ".evidesk").mkdir()
    state = State(ours, "2026-11-21T08:00:00+00:00", {"API": "http://x"}, "postgresql://a/b", "redis://c/0")
    state.children.append(Child("api", ours))
    Instance(tmp_path / ".evidesk").write(state)
    assert evidesk("relay")[0] == 0
    assert became[0][1]["DATABASE_URL"] == "postgresql://a/b"
    assert became[0][1]["REDIS_URL"] == "redis://c/0"
    code, output = evidesk("status")
    assert code == 0
    assert f"It is process {os.getpid()}" in output


def test_without_addresses_it_says_which_to_set(became: list[Became]) -> None:
    code, output = evidesk("relay")
    assert code == 2
    assert "Set DATABASE_URL, or start everything with 'evidesk up'." in output
    assert became == []
    assert evidesk("openapi")[0] == 0


def test_migrating_needs_no_redis(became: list[Became], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://named/desk")
    assert evidesk("migrate")[0] == 0
    assert evidesk("relay")[0] == 2


def test_nothing_runs_on_an_empty_directory() -> None:
    code, output = evidesk("status")
    assert code == 1
    assert "Nothing runs on" in output


def test_a_setting_that_makes_no_sense_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EVIDESK_PORT", "99999")
    code, output = evidesk("up")
    assert code == 2
    assert "The setting PORT is not usable: Input should be less than or equal to 65535" in output


def test_up_runs_on_the_directory_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Path, bool]] = []

    async def run(self: Up) -> int:
        seen.append((self.data_dir, self.once))
        return 7

    monkeypatch.setattr(Up, "run", run)
    assert evidesk("up", "--once", "--data-dir", str(tmp_path / "here"))[0] == 7
    assert evidesk("up")[0] == 7
    assert seen == [(tmp_path / "here", True), (tmp_path / ".evidesk", False)]
    assert Settings(_env_file=None).data_dir == Path(".evidesk")


def test_help_lists_every_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["evidesk", "--help"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    listed = capsys.readouterr().out
    assert all(name in listed for name in ("up", "api", "worker", "relay", "mcp", "migrate", "openapi", "status"))
