import uuid
from collections.abc import Sequence
from typing import TypeVar

from sqlalchemy import Select, false, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase

from app.core.auth import Principal
from app.core.repository import Repository
from app.models.agent import AgentRun, AgentToolCall, RunStatus
from app.models.resolution import ReplyDraft, Resolution, ResolutionStatus, ResolutionStep, RoutingDecision
from app.models.user import User
from app.resolutions.errors import DecisionMissing, DraftMissing, ResolutionMissing

Row = TypeVar("Row", bound=DeclarativeBase)
ENDED = (RunStatus.COMPLETED, RunStatus.FAILED)


def _for_staff(query: Select[Row], who: Principal) -> Select[Row]:
    return query if who.is_staff else query.where(false())


class ResolutionRepository(Repository[Resolution]):
    model = Resolution
    missing = ResolutionMissing

    def visible(self) -> Select[Resolution]:
        return _for_staff(select(Resolution), self.who)


class DecisionRepository(Repository[RoutingDecision]):
    model = RoutingDecision
    missing = DecisionMissing

    def visible(self) -> Select[RoutingDecision]:
        return _for_staff(select(RoutingDecision), self.who)


class DraftRepository(Repository[ReplyDraft]):
    model = ReplyDraft
    missing = DraftMissing

    def visible(self) -> Select[ReplyDraft]:
        return _for_staff(select(ReplyDraft), self.who)


async def hold_ticket(db: AsyncSession, ticket_id: int) -> None:
    """One at a time begins to work on a ticket, until the unit of work ends."""
    await db.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(f"resolution:{ticket_id}", 0))))


async def running(db: AsyncSession, ticket_id: int) -> Resolution | None:
    query = select(Resolution).where(Resolution.ticket_id == ticket_id, Resolution.status == ResolutionStatus.RUNNING)
    return (await db.execute(query)).scalar_one_or_none()


async def any_of_ticket(db: AsyncSession, ticket_id: int) -> bool:
    query = select(Resolution.id).where(Resolution.ticket_id == ticket_id).limit(1)
    return (await db.execute(query)).first() is not None


async def locked(db: AsyncSession, resolution_id: uuid.UUID) -> Resolution:
    query = select(Resolution).where(Resolution.id == resolution_id).with_for_update()
    return (await db.execute(query.execution_options(populate_existing=True))).scalar_one()


async def of_job(db: AsyncSession, job_id: uuid.UUID) -> Resolution:
    query = select(Resolution).where(Resolution.job_id == job_id).with_for_update()
    return (await db.execute(query)).scalar_one()


async def job_of_run(db: AsyncSession, run_id: uuid.UUID) -> uuid.UUID | None:
    query = (
        select(Resolution.job_id)
        .join(ResolutionStep, ResolutionStep.resolution_id == Resolution.id)
        .where(ResolutionStep.run_id == run_id)
    )
    return (await db.execute(query)).scalar_one_or_none()


async def steps(db: AsyncSession, resolution_id: uuid.UUID) -> Sequence[ResolutionStep]:
    query = select(ResolutionStep).where(ResolutionStep.resolution_id == resolution_id)
    return (await db.execute(query.order_by(ResolutionStep.position))).scalars().all()


async def run(db: AsyncSession, run_id: uuid.UUID) -> AgentRun:
    query = select(AgentRun).where(AgentRun.id == run_id).execution_options(populate_existing=True)
    return (await db.execute(query)).scalar_one()


async def tool_calls(db: AsyncSession, run_id: uuid.UUID) -> Sequence[AgentToolCall]:
    query = select(AgentToolCall).where(AgentToolCall.run_id == run_id).order_by(AgentToolCall.position)
    return (await db.execute(query)).scalars().all()


async def requester(db: AsyncSession, user_id: int) -> Principal:
    return (await db.execute(select(User).where(User.id == user_id))).scalar_one().as_principal()


async def decision_of(db: AsyncSession, resolution_id: uuid.UUID) -> int | None:
    query = select(RoutingDecision.id).where(RoutingDecision.resolution_id == resolution_id)
    return (await db.execute(query)).scalar_one_or_none()


async def draft_of(db: AsyncSession, resolution_id: uuid.UUID) -> int | None:
    query = select(ReplyDraft.id).where(ReplyDraft.resolution_id == resolution_id)
    return (await db.execute(query)).scalar_one_or_none()
