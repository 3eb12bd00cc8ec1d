"""What a step's outcome changes: the decision, the draft, the escalation. Once, in the transaction that ends the step.

A model's claims are checked here against what the tools really returned.
"""

import json
import re
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.redaction import redacted
from app.core.settings import Settings
from app.core.telemetry import correlation_id
from app.inference.operations import Operation
from app.models.agent import AgentRun
from app.models.resolution import (
    DecisionStatus,
    ReplyDraft,
    Resolution,
    ResolutionStatus,
    ResolutionStep,
    RoutingDecision,
    SyncStatus,
)
from app.resolutions import repository
from app.tickets import service as tickets
from app.tickets.schemas import Categorisation

_LINK = re.compile(r"https?://[^\s<>\"'()]{1,500}")
GENERAL = "general"


async def settled(
    settings: Settings,
    db: AsyncSession,
    resolution: Resolution,
    step: ResolutionStep,
    run: AgentRun,
    found: dict[str, Any],
) -> dict[str, Any]:
    """The step's result as it is kept. Raises TicketMissing."""
    result = dict(run.result or {})
    match step.operation:
        case Operation.ROUTE:
            await _decide(settings, db, resolution, run, result, found)
        case Operation.RESPOND:
            result = await _grounded(db, run, result)
        case Operation.CHECK_DRAFT:
            result = _checked(result, found[Operation.RESPOND])
    return result


async def outcome(db: AsyncSession, resolution: Resolution, found: dict[str, Any]) -> ResolutionStatus:
    """Store the draft for a person, and tell whom the case goes to. Raises TicketMissing."""
    draft, quality, verdict = found[Operation.RESPOND], found.get(Operation.CHECK_DRAFT), found[Operation.ESCALATE]
    usable = not draft["abstained"] and quality is not None and quality["verdict"] != "reject"
    if usable:
        db.add(
            ReplyDraft(
                ticket_id=resolution.ticket_id,
                resolution_id=resolution.id,
                body=draft["body"],
                citations=draft["citations"],
                confidence=draft["confidence"],
                quality=quality,
            )
        )
    if verdict["escalate"]:
        await tickets.note_escalation(
            db, resolution.ticket_id, level=verdict["level"], team=verdict["team"], report=verdict["report"]
        )
        return ResolutionStatus.ESCALATED
    return ResolutionStatus.AWAITING_APPROVAL if usable else ResolutionStatus.FINISHED


async def _decide(
    settings: Settings,
    db: AsyncSession,
    resolution: Resolution,
    run: AgentRun,
    result: dict[str, Any],
    found: dict[str, Any],
) -> None:
    """Sure enough: onto the ticket, where what a person chose stays. Else it waits in the review queue."""
    reasons = []
    if result["confidence"] < settings.agents.review_below:
        reasons.append(f"Its confidence is below {settings.agents.review_below:g}.")
    if result["category"] == GENERAL:
        reasons.append("No category was clear enough.")
    calls = await repository.tool_calls(db, run.id)
    if failed := sorted({call.tool for call in calls if call.failed}):
        reasons.append(f"Tools failed: {', '.join(failed)}.")
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at and run.started_at else 0.0
    db.add(
        RoutingDecision(
            ticket_id=resolution.ticket_id,
            run_id=run.id,
            resolution_id=resolution.id,
            type=(found.get(Operation.TRIAGE) or {}).get("type"),
            **{
                name: result[name]
                for name in (
                    "category",
                    "priority",
                    "team",
                    "confidence",
                    "reasoning",
                    "alternatives",
                    "entities",
                    "priority_terms",
                    "weights_version",
                )
            },
            tool_calls=[{"tool": call.tool, "failed": call.failed, "seconds": call.seconds} for call in calls],
            processing_seconds=round(seconds, 4),
            model=run.model or "",
            config_version=run.config_version or 0,
            correlation_id=(correlation_id.get() or "")[:128] or None,
            requires_manual_review=bool(reasons),
            review_reasons=reasons,
            status=DecisionStatus.PENDING_REVIEW if reasons else DecisionStatus.APPLIED,
            sync_status=SyncStatus.PENDING if reasons else SyncStatus.SYNCED,
        )
    )
    if not reasons:
        named = {name: result[name] for name in ("category", "priority", "team", "confidence")}
        await tickets.attach_categorisation(db, tickets.DESK, resolution.ticket_id, found=Categorisation(**named))


async def _grounded(db: AsyncSession, run: AgentRun, result: dict[str, Any]) -> dict[str, Any]:
    """Only citations that stand in what a tool returned to this run; a draft without any is no draft."""
    returned = [json.dumps(call.result, ensure_ascii=False) for call in await repository.tool_calls(db, run.id)]
    everything = _plain(" ".join(_unescaped(text) for text in returned))
    kept = [one for one in result["citations"] if _plain(one["quote"]) in everything]
    dropped = len(result["citations"]) - len(kept)
    known = everything + _plain(str(run.request.get("user_input") or ""))
    links = [link for link in _LINK.findall(result["body"]) if _plain(link.rstrip(".,;:!?")) not in known]
    grounded = {**result, "citations": kept, "unsupported_citations": dropped, "unsupported_links": links}
    if not kept or not result["body"].strip():
        missing = result.get("missing") or "No statement of the draft rests on evidence."
        return {**grounded, "abstained": True, "body": "", "citations": [], "missing": missing}
    return grounded


def _checked(result: dict[str, Any], draft: dict[str, Any]) -> dict[str, Any]:
    """What can be known is not left to a model: links from nowhere and secrets never pass."""
    wrong = []
    if draft.get("unsupported_links"):
        wrong.append("It has a link that is in no evidence.")
    if redacted(draft["body"]) != draft["body"]:
        wrong.append("It holds what looks like a secret.")
    if not wrong:
        return result
    return {**result, "verdict": "reject", "reasons": [*wrong, *result["reasons"]]}


def _unescaped(text: str) -> str:
    return text.replace("\\n", " ").replace('\\"', '"').replace("\\\\", "\\")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
