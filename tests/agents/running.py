"""Runs without a request: asked for, carried out step by step."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select

from app.agents import service
from app.agents.schemas import RunOut
from app.core.resources import Resources
from app.inference.operations import Operation
from app.models.agent import AgentRun
from app.models.ticket import Ticket
from tests.agents.models import Script
from tests.factories.people import Person


async def ask(
    resources: Resources,
    person: Person,
    *,
    operation: Operation = Operation.CREATE_TICKET,
    files: Sequence[uuid.UUID] = (),
    **document: Any,
) -> AgentRun:
    given = {"user_input": "The checkout fails with ERR_PAYMENT_504.", **document}
    run, _again = await service.ask(resources.db, person.who, operation=operation, document=given, files=list(files))
    return run


async def carry_out(resources: Resources, run: AgentRun, script: Script) -> None:
    await service.execute(resources, run.job_id, resolve=script.resolve)


async def look(resources: Resources, person: Person, run: AgentRun) -> RunOut:
    async with resources.db.session() as db:
        return await service.shown(db, person.who, run.id)


async def tickets_there_are(resources: Resources) -> int:
    async with resources.db.session() as db:
        return (await db.execute(select(func.count()).select_from(Ticket))).scalar_one()
