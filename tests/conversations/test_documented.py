"""The lines of docs/conversations.md do what the page says, with the product's own gate."""

import json
import shlex
from typing import Any

from app.grounding import service as grounding
from tests.conftest import ROOT
from tests.conversations.conftest import Desk


def commands() -> list[list[str]]:
    text = (ROOT / "docs" / "conversations.md").read_text(encoding="utf-8")
    blocks = [part.partition("```")[0] for part in text.split("```sh\n")[1:]]
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line.startswith("curl ")]


async def test_a_newcomer_can_follow_the_page(desk: Desk) -> None:
    desk.answers = grounding.answer  # type: ignore[assignment] # the real one
    session, said = "", []
    for words in commands():
        method = words[words.index("-X") + 1] if "-X" in words else "GET"
        path = next(word for word in words if word.startswith("$API")).removeprefix("$API")
        who = desk.agent if any("$STAFF" in word for word in words) else desk.customer
        if path.endswith("/stream"):
            continue
        more: dict[str, Any] = {"json": json.loads(words[words.index("-d") + 1])} if "-d" in words else {}
        headers = {**who.headers, "Content-Type": "application/json"}
        answer = await desk.api.request(method, f"/api/v1{path.replace('$SESSION', session)}", headers=headers, **more)
        assert answer.status_code in (200, 201), f"{path}: {answer.text}"
        said.append(answer.json())
        if path == "/sessions":
            session = said[-1]["session_id"]
        await desk.work()
    answered, pack, shown, case = said[3], said[5], said[6], said[9]
    assert [message["role"] for message in answered] == ["customer", "assistant"]
    quote = answered[1]["citations"][0]
    assert "red button" in quote["quote"]
    text = await desk.call("GET", f"/api/v1/knowledge/documents/{quote['doc_id']}/versions/{quote['version']}")
    assert text["text"][quote["start"] : quote["end"]] == quote["quote"]
    assert (shown["status"], shown["ticket_id"]) == ("escalated", pack["ticket_id"])
    assert case["resolution"] == "Told the price of a battery."
