"""What a chain of agents leaves for people to review, without the chain."""

import uuid
from dataclasses import dataclass

from app.core.auth import Principal
from app.core.resources import Resources
from app.models.agent import AgentRun, RunStatus
from app.models.base import uuid7
from app.models.job import Job, JobState
from app.models.resolution import (
    DecisionStatus,
    ReplyDraft,
    Resolution,
    ResolutionStatus,
    RoutingDecision,
    SyncStatus,
)


@dataclass(frozen=True, slots=True)
class Awaiting:
    resolution_id: uuid.UUID
    decision_id: int
    draft_id: int


async def awaiting_review(resources: Resources, who: Principal, ticket_id: int) -> Awaiting:
    """A decision and a draft that nobody has looked at yet."""
    async with resources.db.unit_of_work() as db:
        jobs = [
            Job(id=uuid7(), kind=kind, subject="x", state=JobState.SUCCEEDED) for kind in ("agent_run", "resolution")
        ]
        db.add_all(jobs)
        await db.flush()
        run = AgentRun(
            id=uuid7(),
            user_id=who.user_id,
            job_id=jobs[0].id,
            operation="route",
            agent_type="routing",
            status=RunStatus.COMPLETED,
            request={"user_input": "", "files": []},
        )
        resolution = Resolution(
            id=uuid7(), ticket_id=ticket_id, job_id=jobs[1].id, status=ResolutionStatus.AWAITING_APPROVAL
        )
        db.add_all([run, resolution])
        await db.flush()
        decision = RoutingDecision(
            ticket_id=ticket_id,
            run_id=run.id,
            resolution_id=resolution.id,
            type="SUPPORT",
            category="technical",
            priority="high",
            team="support",
            confidence=0.4,
            reasoning="The words are few.",
            alternatives=[],
            entities={},
            priority_terms=[],
            tool_calls=[],
            processing_seconds=0.1,
            model="local",
            config_version=1,
            requires_manual_review=True,
            review_reasons=["The confidence is low."],
            status=DecisionStatus.PENDING_REVIEW,
            sync_status=SyncStatus.PENDING,
        )
        draft = ReplyDraft(
            ticket_id=ticket_id,
            resolution_id=resolution.id,
            body="Restart the tunnel.",
            citations=[],
            confidence=0.5,
            quality={},
        )
        db.add_all([decision, draft])
        await db.flush()
        return Awaiting(resolution.id, decision.id, draft.id)
