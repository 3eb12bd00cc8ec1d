"""No request that the document allows, or forbids, brings an answer that it does not document.

`make fuzz` runs the same with more of everything: EXAMPLES in the environment, SEED for another course.
"""

import asyncio
import os

import pytest
from fastapi import FastAPI

from app.core.auth import Role
from tests.openapi.fuzzing import SEED, Caller, run

LAST = {"/api/v1/auth/logout", "/api/v1/users/{user_id}"}
"""With these one can end one's own login, after which everything would only say 401."""
UNREACHED = {
    "POST /api/v1/files/presigned": "files are kept in a directory",
    "POST /api/v1/auth/login": "no password is known to the generator",
    "POST /api/v1/auth/refresh": "no refresh token is known to the generator",
    "POST /api/v1/outbox/{event_id}/redrive": "nothing is a dead letter",
    "POST /api/v1/ai-config/providers/{name}/reset": "no model of another's is in use",
    "GET /api/v1/ai-config/{agent_type}/evaluations/{report_id}": "a report is one agent's",
    "POST /api/v1/ai-config/{agent_type}/promote": "a candidate is there only until the next change",
    "POST /api/v1/mails/inbound/webhook": "no secret is known to the generator",
    "DELETE /api/v1/knowledge/embedder/change": "a change may be asked for after it",
    "POST /api/v1/agent/analyze-files": "no file is known by its id in a body",
}
CONSUMED = (
    "{decision_id}", "{doc_id}", "{draft_id}", "{file_id}", "{integration_id}", "{mail_id}", "{sent_id}",
    "{session_id}", "{upload_id}",
)  # fmt: skip
"""Things that one operation ends and another needs: whether all of these succeed is a matter of their order."""
EXAMPLES = int(os.environ.get("EXAMPLES", "0"))

pytestmark = [
    pytest.mark.timeout(900 + 60 * EXAMPLES),
    # Agents at work on the other thread draw random numbers while a strategy is drawn from.
    pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies"),
]


async def fuzz(app: FastAPI, caller: Caller, leaver: Caller, *, phases: list[str], examples: int) -> set[str]:
    """What succeeded at least once; fails with what was found."""
    succeeded = set()
    paths = set(app.openapi()["paths"])
    for who, some in ((caller, paths - LAST), (leaver, LAST)):
        seed = int(os.environ.get("SEED", SEED))
        outcome = await asyncio.to_thread(
            run, app, who, phases=phases, examples=EXAMPLES or examples, paths=some, seed=seed
        )
        assert not outcome.findings, outcome.report()
        succeeded |= outcome.succeeded()
    return succeeded


@pytest.mark.parametrize("role", [Role.ADMIN], indirect=True)
async def test_an_administrator_meets_only_what_is_documented(served: FastAPI, caller: Caller, leaver: Caller) -> None:
    succeeded = await fuzz(served, caller, leaver, phases=["examples", "coverage", "fuzzing", "stateful"], examples=3)
    documented = {f"{method.upper()} {path}" for path, item in served.openapi()["paths"].items() for method in item}
    missed = {operation for operation in documented - succeeded if not any(thing in operation for thing in CONSUMED)}
    assert missed <= set(UNREACHED)


@pytest.mark.parametrize("role", [Role.AGENT, Role.CUSTOMER], indirect=True, ids=str)
async def test_others_meet_only_what_is_documented(served: FastAPI, caller: Caller, leaver: Caller) -> None:
    await fuzz(served, caller, leaver, phases=["examples", "fuzzing"], examples=4)
