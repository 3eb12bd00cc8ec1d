"""How a request and its run meet: asked for, waited for, answered, or left to be looked up."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastapi import Request, Response
from pydantic import BaseModel

from app.agents import service
from app.agents.errors import AgentRunFailed
from app.agents.preferences import preference
from app.agents.schemas import RunAccepted
from app.core.auth import Principal
from app.core.http import API_PREFIX
from app.core.idempotency import REPLAYED, fingerprint, key_of
from app.core.resources import Resources
from app.inference.operations import Operation
from app.models.agent import AgentRun, RunStatus

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Asked:
    run: AgentRun
    headers: dict[str, str]

    def answer(self, shape: Callable[[Result], BaseModel], *, status: int = 200) -> Response:
        """The run's result, with its `run_id`, in the given shape; 202 while there is none. Raises AgentRunFailed."""
        run = self.run
        if run.status == RunStatus.FAILED:
            raise AgentRunFailed(run.error, headers=self.headers, run_id=str(run.id), reason=run.error or "")
        if run.status != RunStatus.COMPLETED:
            return _json(RunAccepted(run_id=run.id, status=run.status), 202, self.headers)
        return _json(shape({**(run.result or {}), "run_id": run.id}), status, self.headers)


async def asked(
    request: Request,
    resources: Resources,
    who: Principal,
    operation: Operation,
    document: dict[str, Any],
    files: list[uuid.UUID],
    prefer: str | None,
) -> Asked:
    """Ask for a run, which is committed at once, and wait for it as long as the client prefers."""
    wanted = preference(prefer, most=resources.settings.http.run_wait_seconds)
    key = key_of(request)
    repeat = None if key is None else service.RepeatKey(key, fingerprint(request, await request.body()))
    run, again = await service.ask(
        resources.db, who, operation=operation, document=document, files=files, repeat=repeat
    )
    run = await service.wait(resources, run.id, seconds=wanted.seconds)
    headers = {"Location": f"{API_PREFIX}/agent/runs/{run.id}"}
    if again:
        headers[REPLAYED] = "true"
    if wanted.applied is not None:
        headers["Preference-Applied"] = wanted.applied
    return Asked(run, headers)


def _json(body: BaseModel, status: int, headers: dict[str, str]) -> Response:
    return Response(body.model_dump_json(), status, headers=headers, media_type="application/json")
