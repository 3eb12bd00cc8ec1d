"""Which tools to call next, decided from what was asked, what was offered and what came back.

Rounds for a ticket: read every file and look for likes of it (all at once), categorise, route, create. Each round
leaves out what is not offered or was already tried. A tool that failed is not called again, but for the one that
creates the ticket, which gets a second try with the plainest arguments.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, Final

from app.inference.local.conversation import Conversation
from app.inference.local.drafting import decide, draft, title_of
from app.inference.local.sources import gather
from app.inference.local.specialists import SPECIALISTS, Specialist
from app.inference.operations import Operation

SIMILAR_LIMIT: Final = 5
CREATE_TRIES: Final = 2
_QUERY_CHARS: Final = 300


@dataclass(frozen=True, slots=True)
class Call:
    tool: str
    arguments: dict[str, Any]


def wants_ticket(conversation: Conversation, offered: Collection[str]) -> bool:
    """Without a named operation, whether a ticket can be created at all decides it."""
    if conversation.report.operation is None:
        return "create_ticket" in offered
    return conversation.report.operation == Operation.CREATE_TICKET


def plan(conversation: Conversation, offered: Collection[str]) -> list[Call]:
    """The next round of calls; empty when there is nothing left to do but to answer."""
    specialist = SPECIALISTS.get(conversation.report.operation or "")
    if specialist is not None:
        return _specialists(conversation, offered, specialist)
    for calls in _rounds(conversation, offered):
        if calls:
            return calls
    return []


def _specialists(conversation: Conversation, offered: Collection[str], specialist: Specialist) -> list[Call]:
    for asked in specialist.rounds(conversation):
        calls = [Call(tool, arguments) for tool, arguments in asked if tool in offered and not conversation.of(tool)]
        if calls:
            return calls
    return []


def _rounds(conversation: Conversation, offered: Collection[str]) -> Iterator[list[Call]]:
    ticket = wants_ticket(conversation, offered)

    def untried(tool: str) -> bool:
        return tool in offered and not conversation.of(tool)

    first: list[Call] = []
    if "analyze_file" in offered:
        read = {str(result.arguments.get("file_id")) for result in conversation.of("analyze_file")}
        first += [
            Call("analyze_file", {"file_id": file.id}) for file in conversation.report.files if file.id not in read
        ]
    material = gather(conversation)
    query = title_of(material)[:_QUERY_CHARS]
    if ticket:
        first += [
            Call(tool, {"query": query, "limit": SIMILAR_LIMIT})
            for tool in ("search_tickets", "search_knowledge_base")
            if untried(tool)
        ]
    yield first
    if untried("categorize_issue"):
        yield [Call("categorize_issue", {"text": material.judged_text() or query, "title": query})]
    if not ticket:
        return
    if untried("route_to_team"):
        decision = decide(conversation, material)
        arguments = {"category": decision.category, "priority": decision.priority, "text": material.judged_text()}
        yield [Call("route_to_team", arguments)]
    tries = conversation.of("create_ticket")
    if "create_ticket" in offered and len(tries) < CREATE_TRIES and not any(result.ok for result in tries):
        yield [Call("create_ticket", _ticket(conversation, plainest=bool(tries)))]


def _ticket(conversation: Conversation, *, plainest: bool) -> dict[str, Any]:
    made = draft(conversation)
    arguments: dict[str, Any] = {"title": made.title, "description": made.description}
    if not plainest:
        arguments |= {
            "category": made.decision.category,
            "priority": made.decision.priority,
            "team": made.decision.team,
            "tags": made.tags,
            "file_ids": [file.id for file in conversation.report.files],
            "confidence": made.confidence,
        }
    return arguments
