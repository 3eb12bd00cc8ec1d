"""An administrator changes a prompt, tries it, gates it, sees it live on the next run, and rolls back: by HTTP alone,
with the lines of docs/ai-config.md."""

import json
import re
import shlex
from typing import Any

import httpx2

from app.core.resources import Resources
from tests.conftest import ROOT
from tests.evaluations.speaking import MODEL, Sorter

FOLLOWED = re.compile(r"<!-- followed by a test -->\n```sh\n(.*?)```", re.DOTALL)
TRIAGE = "/api/v1/ai-config/categorization"
PROMPT = "You sort reports for {{company}} into {{categories}}."


class Shell:
    """Carries out a document's curl lines one by one."""

    def __init__(self, api: httpx2.AsyncClient) -> None:
        self.api = api
        self.variables = {"API": "/api/v1"}
        block = FOLLOWED.search((ROOT / "docs/ai-config.md").read_text(encoding="utf-8"))
        assert block is not None
        self._lines = block[1].strip().splitlines()

    async def next(self) -> tuple[int, Any]:
        program, *words = shlex.split(self._lines.pop(0))
        assert program == "curl"
        method, body, url = "GET", None, ""
        while words:
            match words.pop(0):
                case "-H":
                    assert words.pop(0) == "$AUTH"
                case "-X":
                    method = words.pop(0)
                case "--json":
                    method = "POST" if method == "GET" else method
                    body = json.loads(words.pop(0))
                case address:
                    url = re.sub(r"\$(\w+)", lambda found: self.variables[found[1]], address)
        answer = await self.api.request(method, url, json=body)
        return answer.status_code, answer.json()

    @property
    def done(self) -> bool:
        return not self._lines


async def test_a_prompt_is_changed_tried_gated_seen_live_and_rolled_back(
    staffed: Resources, desk: httpx2.AsyncClient, sorter: Sorter
) -> None:
    # The installation's own choice before all that: a model that follows prompts.
    await desk.put(TRIAGE, json={"model": MODEL, "timeout": 60})
    shell = Shell(desk)

    _, shown = await shell.next()
    assert (shown["version"], shown["model"]) == (2, MODEL)
    status, _ = await shell.next()
    assert status == 200

    status, tried = await shell.next()
    assert status == 200
    assert (tried["candidate"]["result"]["category"], tried["active"]["version"]) == ("billing", 2)
    assert (await desk.get(TRIAGE)).json()["version"] == 2

    status, updated = await shell.next()
    assert status == 200
    assert (updated["version"], updated["changes"]["system_prompt"]["after"]) == (3, PROMPT)
    assert (updated["gate"]["active_score"], updated["gate"]["candidate_score"]) == (1.0, 1.0)

    status, sorted_ = await shell.next()
    assert (status, sorted_["category"]) == (200, "billing")
    assert sorter.systems[-1].startswith("You sort reports for our company into general, bug, ")
    shell.variables["RUN"] = sorted_["run_id"]
    _, run = await shell.next()
    assert (run["config_version"], run["model"], run["answered_by"]) == (3, MODEL, MODEL)

    status, refused = await shell.next()
    assert (status, refused["code"]) == (409, "gate_refused")
    assert (refused["active_score"], refused["candidate_score"]) == (1.0, 0.0)

    status, back = await shell.next()
    assert (status, back["version"]) == (200, 4)
    assert back["changes"]["system_prompt"]["before"] == PROMPT
    _, again = await shell.next()
    latest = (await desk.get(f"/api/v1/agent/runs/{again['run_id']}")).json()
    assert latest["config_version"] == 4
    assert sorter.systems[-1] == shown["system_prompt"]
    _, history = await shell.next()
    assert [(one["version"], one["status"], one["updated_by"]) for one in history] == [
        (4, "active", "root"),
        (3, "past", "root"),
        (2, "past", "root"),
        (1, "past", None),
    ]
    assert shell.done
