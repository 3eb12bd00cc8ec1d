"""The image and the compose file, as far as they can be tried without a container engine."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import httpx2
import pytest
import typer
import yaml
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.applications import Starlette

from app.ai_config.catalogue import AgentType
from app.cli import cli
from app.commands.env_example import render
from app.core.resources import Resources
from app.core.settings import Settings
from app.embedded.data_plane import DataPlane
from mcp_server.server import build_http_app
from tests.conftest import ROOT

BIN = Path(sys.executable).parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yml").read_text(encoding="utf-8"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
OURS = {name: service for name, service in COMPOSE["services"].items() if "build" in service}
KNOWN = set(re.findall(r"^# ((?:EVIDESK_)?[A-Z_]+)=", render(), re.MULTILINE))
YAML_STYLE = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"
PASSWORD = "a long passphrase"


@pytest.mark.parametrize(
    "command",
    [
        ["hadolint", "Dockerfile"],
        ["check-jsonschema", "--builtin-schema", "vendor.compose-spec", "compose.yml"],
        ["yamllint", "--strict", "-d", YAML_STYLE, "compose.yml", "redocly.yaml"],
    ],
    ids=lambda command: str(command[0]),
)
def test_the_linters_find_nothing(command: list[str]) -> None:
    done = subprocess.run([BIN / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", OURS)
def test_a_service_runs_a_command_that_exists(service: str) -> None:
    group = cast("typer.core.TyperGroup", typer.main.get_command(cli))
    program, command, *rest = OURS[service]["command"]
    assert (program, rest) == ("evidesk", [])
    assert command in group.commands


def test_all_processes_of_the_product_are_services() -> None:
    assert {service["command"][1] for service in OURS.values()} == {
        "api", "worker", "relay", "mail", "mcp", "migrate", "create-admin"
    }  # fmt: skip


@pytest.mark.parametrize("service", OURS)
def test_a_service_is_given_known_settings_only(service: str) -> None:
    assert set(OURS[service]["environment"]) <= KNOWN


def test_the_image_sets_known_settings_only() -> None:
    set_here = set(re.findall(r"\b(EVIDESK_[A-Z_]+)=", DOCKERFILE))
    assert set_here
    assert set_here <= KNOWN


def test_what_must_be_set_is_named_in_env_example() -> None:
    needed = set(re.findall(r"\$\{(\w+)", (ROOT / "compose.yml").read_text(encoding="utf-8")))
    example = re.sub(r"(?m)^# (?=[A-Z_]+=)", "", (ROOT / ".env.example").read_text(encoding="utf-8"))
    assert needed <= set(re.findall(r"(?m)^([A-Z_]+)=", example))


def test_no_secret_has_a_default() -> None:
    for name, fallback in re.findall(r"\$\{(\w+):?-([^}]*)\}", (ROOT / "compose.yml").read_text(encoding="utf-8")):
        assert fallback == "", name


def test_the_schema_comes_first_and_the_api_after_its_administrator() -> None:
    done = {"condition": "service_completed_successfully"}
    for name, service in OURS.items():
        if name != "migrate":
            assert service["depends_on"]["migrate"] == done, name
            assert {"postgres", "redis"} <= service["depends_on"].keys()
    assert OURS["app"]["depends_on"]["create-admin"] == done
    assert OURS["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}


def test_a_service_waits_only_for_what_has_a_health_check() -> None:
    for name, service in COMPOSE["services"].items():
        for other, how in service.get("depends_on", {}).items():
            check = COMPOSE["services"][other].get("healthcheck", {})
            if how["condition"] == "service_healthy":
                assert "test" in check or (other in OURS and not check), (name, other)


def paths(app: FastAPI | Starlette) -> set[str]:
    return {path for route in iter_route_contexts(app.routes) if (path := getattr(route, "path", None))}


def test_health_checks_ask_addresses_that_are_served(app: FastAPI, settings: Settings) -> None:
    api = re.search(r"127\.0\.0\.1:\{[^}]*'8000'\)\}(/\w+)", DOCKERFILE)
    tools = re.search(r"127\.0\.0\.1:8001(/\w+)", " ".join(OURS["mcp-server"]["healthcheck"]["test"]))
    assert api is not None
    assert tools is not None
    assert api[1] in paths(app)
    assert tools[1] in paths(build_http_app(settings))
    assert urlsplit(OURS["worker"]["environment"]["EVIDESK_MCP_URL"]).path in paths(build_http_app(settings))


def test_only_this_machine_reaches_the_ports() -> None:
    for name, service in COMPOSE["services"].items():
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), name


def test_containers_have_no_rights_that_they_do_not_need() -> None:
    for name, service in OURS.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert "no-new-privileges:true" in service["security_opt"], name


def test_the_image_runs_as_nobody_special_and_says_whether_it_is_well() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    users = re.findall(r"(?m)^USER (\S+)", last)
    assert users
    assert not users[-1].startswith(("root", "0"))
    assert re.search(r"(?m)^HEALTHCHECK ", last)
    assert re.search(r'(?m)^CMD \["evidesk", "api"\]$', last)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What COPY takes into the image: all that .dockerignore lets through."""
    root = tmp_path_factory.mktemp("image")
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert rules[0] == "*"
    for name in (rule[1:] for rule in rules if rule.startswith("!")):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, root / name)
    return root


def in_container(image: Path, service: str, plane: DataPlane, data: Path, *argv: str) -> str:
    """The standard output of a program started as the service is, on our Postgres and Redis."""
    given = {"POSTGRES_PASSWORD": "x", "REDIS_PASSWORD": "x", "EVIDESK_AUTH__SECRET": "s" * 40}
    given |= {"EVIDESK_ADMIN_PASSWORD": PASSWORD, "EVIDESK_ADMIN_EMAIL": "", "EVIDESK_SCAN__CLAMAV": ""}
    environment = {
        name: re.sub(r"\$\{(\w+)[^}]*\}", lambda found: given.get(found[1], ""), value)
        for name, value in OURS[service]["environment"].items()
    }
    environment |= {"DATABASE_URL": plane.database_url, "REDIS_URL": plane.redis_url, "EVIDESK_DATA_DIR": str(data)}
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=image,
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_image_holds_all_that_the_processes_load(image: Path, plane: DataPlane, tmp_path: Path) -> None:
    modules = ["app.main", "app.worker", "app.commands.migrate", "app.commands.create_admin", "mcp_server.server"]
    script = f"import {', '.join(modules)}; print(app.__file__, app.commands.migrate.ROOT); app.main.create_app()"
    said = in_container(image, "app", plane, tmp_path, "-c", script)
    assert said.split() == [str(image / "app/__init__.py"), str(image)]


async def test_after_the_first_start_the_administrator_can_log_in(
    api: httpx2.AsyncClient, resources: Resources, image: Path, plane: DataPlane, tmp_path: Path
) -> None:
    for service in ("migrate", "create-admin", "create-admin"):
        module = OURS[service]["command"][1].replace("-", "_")
        in_container(image, service, plane, tmp_path, "-m", f"app.commands.{module}")
    login = await api.post("/api/v1/auth/login", json={"username": "admin", "password": PASSWORD})
    assert login.status_code == 200
    headers = {"Authorization": f"Bearer {login.json()['access_token']}"}
    configured = await api.get("/api/v1/ai-config", headers=headers)
    assert {config["agent_type"] for config in configured.json()} == {*AgentType}
