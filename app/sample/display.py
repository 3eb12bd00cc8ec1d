"""The ticket for people: what it says, where that comes from, and where to go on."""

from pathlib import Path
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from app.embedded.services import Addresses

Document = dict[str, Any]


def show_ticket(console: Console, ticket: Document) -> None:
    facts = Table.grid(padding=(0, 2))
    for name in ("category", "priority", "team"):
        facts.add_row(Text(name, style="dim"), Text(str(ticket.get(name) or "–")))
    confidence = ticket.get("confidence")
    facts.add_row(Text("confidence", style="dim"), Text("–" if confidence is None else f"{confidence:.0%}"))
    parts: list[RenderableType] = [Text(str(ticket.get("title") or ""), style="bold"), facts, _heading("Description")]
    parts.append(Text(str(ticket.get("description") or "")))
    parts += [_heading("Evidence"), *(_evidence(item) for item in ticket.get("evidence") or [])]
    actions = ticket.get("next_actions") or []
    parts += [_heading("Next actions"), *(Text(f"• {action}") for action in actions)]
    console.print(Panel(Group(*parts), title=f"Ticket {ticket.get('ticket_id')}", title_align="left"))


def show_login(console: Console, addresses: Addresses, username: str, password_file: Path) -> None:
    """The password itself stays in its file, out of the terminal's history."""
    body = f'{{"username": "{username}", "password": "\'"$(cat {password_file})"\'"}}'
    login = f"{addresses.http}/api/v1/auth/login"
    lines = [
        f"API documentation  {addresses.http}/docs",
        f"MCP                {addresses.mcp}",
        f"Log in             curl -s {login} -H 'Content-Type: application/json' -d '{body}'",
    ]
    for line in lines:
        console.print(line, markup=False, soft_wrap=True)


def _heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold cyan")


def _evidence(item: Document) -> Text:
    source = item.get("filename") or item.get("source") or "report"
    quote = " ".join(str(item.get("quote") or "").split())
    sure = item.get("confidence")
    tail = "" if sure is None else f"  (read with {sure:.0%} confidence)"
    return Text.assemble("• ", (str(source), "bold"), f": {quote}{tail}")
