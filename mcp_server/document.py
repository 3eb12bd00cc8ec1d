"""The list of tools in docs/mcp.md, written from the tools themselves: `python -m mcp_server.document`."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path

from fastmcp.tools.base import Tool

from app.core.settings import Settings
from mcp_server.server import build_server

DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "mcp.md"
BEGIN, END = "<!-- tools: begin -->\n", "<!-- tools: end -->\n"
_SENTENCE = re.compile(r"(?<=[.!?])\s")


def rendered(tools: Sequence[Tool]) -> str:
    lines = ["| tool | effect | arguments | does |", "|---|---|---|---|"]
    for tool in sorted(tools, key=lambda one: one.name):
        required = tool.parameters.get("required", [])
        names = [name if name in required else f"{name}?" for name in tool.parameters["properties"]]
        first = _SENTENCE.split(" ".join((tool.description or "").split()), maxsplit=1)[0]
        arguments = ", ".join(f"`{name}`" for name in names) or "none"
        lines.append(f"| `{tool.name}` | {_effect(tool)} | {arguments} | {first} |")
    return "\n".join(lines) + "\n"


def _effect(tool: Tool) -> str:
    hints = tool.annotations
    if hints is None:
        raise ValueError(f"{tool.name} does not say what its effects are")
    effect = "reads" if hints.read_only_hint else "changes" if hints.destructive_hint else "adds"
    once = "" if hints.read_only_hint or not hints.idempotent_hint else ", once"
    return f"{effect}{once}{', asks another system' if hints.open_world_hint else ''}"


async def current() -> str:
    """The document as it should be."""
    tools = await build_server(Settings(_env_file=None)).list_tools(run_middleware=False)
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    return f"{before}{BEGIN}{rendered(tools)}{END}{rest.partition(END)[2]}"


def main() -> None:
    DOCUMENT.write_text(asyncio.run(current()), encoding="utf-8")


if __name__ == "__main__":
    main()
