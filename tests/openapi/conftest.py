"""A desk with something of everything in it, for schemathesis to meet."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select, update

from app.accounts.service.confirming import token_of
from app.ai_config.catalogue import AgentType
from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import ConversationSettings, HttpSettings, IntegrationSettings, RateLimitSettings, Settings
from app.integrations import service as integrations
from app.integrations.github.client import GitHubCredentials, GitHubSettings
from app.integrations.schemas import GitHubIn
from app.integrations.vendors import Provider
from app.knowledge import service as knowledge
from app.knowledge.schemas import DocumentIn
from app.knowledge.tasks import index_document
from app.mail import service as mail
from app.main import create_app
from app.models.base import uuid7
from app.models.conversation import Message
from app.models.file import File, ProcessingStatus, ScanStatus
from app.models.job import Job, JobState
from app.models.knowledge import Chunk
from app.models.mail import Mail, MailState, SentMail, SentState
from app.models.user import EmailConfirmation, User
from tests.factories import people
from tests.factories.people import Person
from tests.factories.resolutions import awaiting_review
from tests.factories.runs import tool_server, working
from tests.factories.serving import serving
from tests.openapi.fuzzing import Caller

MANY = 10_000_000


@pytest.fixture
async def equipped(resources: Resources) -> AsyncIterator[Resources]:
    """A tool server, and somebody who carries out runs."""
    async with tool_server(resources) as found, working(found):
        yield found


@pytest.fixture
def patient(settings: Settings, equipped: Resources) -> Settings:
    """Nobody is refused for asking too often, and nobody waits long for a run."""
    return settings.model_copy(
        update={
            "auth": settings.auth.model_copy(update={"login_attempts": MANY, "confirmations_hourly": MANY}),
            "mail": settings.mail.model_copy(update={"address": "support@desk.example"}),
            "conversations": ConversationSettings(stream_seconds=0.05, heartbeat_seconds=0.05),
            "http": HttpSettings(run_wait_seconds=0.05),
            "rate_limit": RateLimitSettings(requests=MANY, anonymous_requests=MANY),
            "mcp_url": equipped.settings.mcp_url,
            "integrations": IntegrationSettings(hosts=["127.0.0.1"], private_hosts=["127.0.0.1"]),
        }
    )


@pytest.fixture
def served(patient: Settings) -> FastAPI:
    return create_app(patient)


@pytest.fixture
def role(request: pytest.FixtureRequest) -> Role:
    """Given by the test's parameters."""
    given: Role = request.param
    return given


@pytest.fixture
async def caller(role: Role, patient: Settings, equipped: Resources) -> Caller:
    """Somebody with tickets, a comment, a file, a run and API keys of their own."""
    async with serving(patient.model_copy(update={"http": HttpSettings(run_wait_seconds=90)})) as api:
        person = await people.register(equipped, role)
        others = [(await people.register(equipped)).id for _ in range(3)]
        known = await _furnish(api, equipped, person)
        return Caller(person.token, {**known, **GENERAL, "path.user_id": others})


@pytest.fixture
async def leaver(role: Role, caller: Caller, equipped: Resources) -> Caller:
    """Another of the same role, whose login may end."""
    person = await people.register(equipped, role)
    return Caller(person.token, {"path.user_id": caller.known["path.user_id"], "header.If-Match": ["*"]})


GENERAL: dict[str, list[int | str]] = {
    "path.agent_type": [*map(str, AgentType)],
    "path.event_id": [1],
    "path.name": ["local", "default"],
    "path.version": [1, 0],
    "header.If-Match": ["*"],
    "header.Upload-Offset": ["0"],
    "header.Upload-Length": ["1000"],
    "header.Upload-Metadata": ["filename YXBwLmxvZw=="],
    "body.model": ["local"],
    "body.url": ["https://example.com/manual"],
    "body.embedder": ["compatible:one/tiny", "compatible:two/tiny"],
}


async def _furnish(api: httpx2.AsyncClient, resources: Resources, person: Person) -> dict[str, list[int | str]]:
    async def post(path: str, *, status: int = 201, **content: Any) -> Any:
        response = await api.post(f"/api/v1{path}", headers=person.headers, **content)
        assert response.status_code == status, response.text
        return response.json()

    tickets = [await post("/tickets", json={"title": "VPN", "description": f"Down: {n}."}) for n in range(4)]
    await post(f"/tickets/{tickets[0]['id']}/comments", json={"body": "Since nine."})
    files = [
        (await post("/files/upload", files={"file": ("log.txt", b"ERROR E-4012 at vpn0%d" % n, "text/plain")}))["id"]
        for n in range(12)
    ]
    ran = await post("/agent/create-ticket", json={"user_input": "The printer on floor 3 says E-77."})
    batch = await post("/agent/batch", status=202, json={"operation": "categorize", "tickets": [tickets[0]["id"]]})
    reviews = [await awaiting_review(resources, person.who, ticket["id"]) for ticket in tickets for _ in range(4)]
    documents = [await _document(resources) for _ in range(3)]
    await _looked_through(resources, files)
    uploads = [await _announced(api, person) for _ in range(6)]
    connections = [await _connection(resources, name) for name in ("one", "two", "three", "four")]
    keys = [await post("/users/me/api-keys", json={"name": "x", "scopes": ["tickets:read"]}) for _ in range(2)]
    sessions = [(await post("/sessions", json={}))["session_id"] for _ in range(6)]
    for session in sessions[:4]:
        await post(f"/sessions/{session}/messages", json={"content": "What does E-77 mean?"})
    for session in sessions[:2]:
        await post(f"/sessions/{session}/escalate", status=200)
    await post(f"/sessions/{sessions[0]}/resolve", status=200)
    mails, sent = await _mails(resources, sessions[2])
    return {
        "body.token": await _codes(resources, person),
        "path.mail_id": mails,
        "path.sent_id": sent,
        "path.session_id": sessions,
        "path.ticket_id": [*(ticket["id"] for ticket in tickets), ran["ticket_id"]],
        "path.file_id": files,
        "path.upload_id": uploads,
        "path.run_id": [ran["run_id"]],
        "path.integration_id": connections,
        "path.key_id": [key["id"] for key in keys],
        "path.batch_id": [batch["batch_id"]],
        "path.resolution_id": [str(review.resolution_id) for review in reviews],
        "path.decision_id": [review.decision_id for review in reviews],
        "path.draft_id": [review.draft_id for review in reviews],
        "path.doc_id": [document for document, _ in documents],
        "path.chunk_id": [chunk for _, chunk in documents],
    }


async def _mails(resources: Resources, session: str) -> tuple[list[str], list[str]]:
    """Some that could not be read, and one that did not go out."""
    taken = [
        await mail.receive(resources, mail.Incoming("maildir", b"From: ada@example.org\r\n\r\nNumber %d" % n))
        for n in range(4)
    ]
    async with resources.db.unit_of_work() as db:
        for one in taken[:3]:
            row = await db.get_one(Mail, one.mail_id)
            row.state = MailState.UNREADABLE
            job = await db.get_one(Job, row.job_id)
            job.state, job.finished_at = JobState.FAILED, now()
        said = (await db.execute(select(Message.id).where(Message.session_id == UUID(session)))).scalars().first()
        sent = SentMail(
            session_id=UUID(session),
            said_id=said,
            job_id=row.job_id,
            message_id="x@desk.example",
            to_address="ada@example.org",
            headers={},
            state=SentState.FAILED,
        )
        db.add(sent)
    return [str(one.mail_id) for one in taken], [str(sent.id)]


async def _codes(resources: Resources, person: Person) -> list[str]:
    """For the person's address; each is good once."""
    ids = [uuid7() for _ in range(4)]
    async with resources.db.unit_of_work() as db:
        email = (await db.get_one(User, person.id)).email
        expires_at = now() + timedelta(days=1)
        db.add_all(EmailConfirmation(id=one, user_id=person.id, email=email, expires_at=expires_at) for one in ids)
    return [token_of(resources.settings, one) for one in ids]


async def _looked_through(resources: Resources, files: list[str]) -> None:
    """Read to the end: every second one has a preview, the others are in quarantine."""

    async def one() -> AsyncIterator[bytes]:
        yield b"a picture"

    async with resources.db.unit_of_work() as db:
        for number, file_id in enumerate(files):
            file = await db.get_one(File, UUID(file_id))
            file.rendered_at = now()
            if number % 2:
                file.scan_status, file.processing_status = ScanStatus.QUARANTINED, ProcessingStatus.QUARANTINED
                continue
            file.scan_status, file.processing_status = ScanStatus.CLEAN, ProcessingStatus.FAILED
            file.preview_key = f"derived/{file_id}"
            file.preview_size = await resources.storage.put(file.preview_key, one())
        ended = Job.id.in_(select(File.job_id))
        await db.execute(update(Job).where(ended).values(state=JobState.SUCCEEDED, finished_at=now()))


async def _document(resources: Resources) -> tuple[str, str]:
    """One that is indexed, and a passage of it."""
    agent = await people.register(resources, Role.AGENT)
    async with resources.db.unit_of_work() as db:
        made = await knowledge.create(db, agent.who, document=DocumentIn(title="Manual", text="Hold the red button."))
    async with resources.db.session() as db:
        job_id = (
            (await db.execute(select(Job.id).where(Job.subject == f"{made.doc_id}:{made.version}"))).scalars().one()
        )
    await index_document.handler(resources, job_id)
    async with resources.db.session() as db:
        chunk = (await db.execute(select(Chunk.id).where(Chunk.document_id == made.doc_id))).scalars().first()
    return str(made.doc_id), str(chunk)


async def _connection(resources: Resources, name: str) -> int:
    """To a port where nobody answers."""
    given = GitHubIn(
        provider=Provider.GITHUB,
        name=name,
        config=GitHubSettings(owner="acme", repo="shop", base_url="http://127.0.0.1:9"),
        secret=GitHubCredentials(token=SecretStr("x")),
    )
    async with resources.db.unit_of_work() as db:
        return (await integrations.add(resources, db, given=given)).id


async def _announced(api: httpx2.AsyncClient, person: Person) -> str:
    headers = {**person.headers, "Tus-Resumable": "1.0.0", "Upload-Length": "90000000"}
    answer = await api.post("/api/v1/files/resumable", headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"].rpartition("/")[2]
