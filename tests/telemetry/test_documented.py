"""The guide for the person on call names what there is."""

import re
from pathlib import Path

import httpx2

from tests.telemetry.conftest import Road

ROOT = Path(__file__).resolve().parent.parent.parent
GUIDE = (ROOT / "docs/how-to-observe.md").read_text()
OF_A_HISTOGRAM = re.compile(r"_(bucket|count|sum)$")


async def test_every_metric_of_the_guide_is_scraped_and_the_other_way_round(road: Road) -> None:
    await road.api.post(
        "/api/v1/files/upload", files={"file": ("a.txt", b"It fails.", "text/plain")}, headers=road.person.headers
    )
    shown = await _metrics(road.api)
    told = {OF_A_HISTOGRAM.sub("", name) for name in re.findall(r"\bevidesk_[a-z_]+", GUIDE)}
    assert shown == told


async def _metrics(api: httpx2.AsyncClient) -> set[str]:
    types = re.findall(r"^# TYPE (evidesk_\w+) (\w+)$", (await api.get("/metrics")).text, re.MULTILINE)
    return {name for name, _ in types if not name.endswith("_created")}


def _events() -> list[str]:
    table = GUIDE.partition("| event | says |")[2].partition("\n\n")[0]
    return [event for row in re.findall(r"^\| (`.+?) \|", table, re.MULTILINE) for event in re.findall(r"\w+", row)]


def test_every_event_of_the_guide_is_logged_somewhere() -> None:
    source = "".join(path.read_text() for room in ("app", "mcp_server") for path in (ROOT / room).rglob("*.py"))
    assert len(_events()) > 10
    assert [event for event in _events() if f'"{event}"' not in source] == []
