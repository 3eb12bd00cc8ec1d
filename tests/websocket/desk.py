"""Every change that the product knows, by whoever may make it; and what a client keeps of what it hears about them."""

import contextlib
import random
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

from sqlalchemy import select

from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.files import events
from app.files import service as files
from app.files.recognition.merging import HeardPart
from app.files.recognition.result import CutRecording, Recognition, RecognitionSettings, RecordingPart, Segment
from app.jobs import claims
from app.jobs.service import Claim
from app.models.file import ProcessingStatus
from app.models.file_part import FilePart
from app.models.ticket import Priority, TicketStatus, Visibility
from app.outbox import writer as outbox
from app.tickets import service
from app.tickets.errors import TicketClosed, TicketMissing, TransitionImpossible
from app.tickets.schemas import Categorisation, TicketEdit
from tests.factories import people
from tests.factories.recognised import add_file
from tests.websocket.conftest import Document

STEPS = 40
EDITS: list[TicketEdit] = [
    {"title": "VPN is slow"},
    {"description": "It comes and goes."},
    {"priority": Priority.HIGH},
    {"priority": Priority.LOW, "category": "bug"},
    {"team": "network"},
    {"team": None, "tags": ["vpn", "site-2"]},
    {"tags": []},
    {"status": TicketStatus.PENDING},
    {"status": TicketStatus.OPEN, "title": "VPN is down again"},
    {"status": TicketStatus.RESOLVED},
]
CUSTOMERS: list[TicketEdit] = [
    {"title": "VPN"},
    {"description": "Now it is worse."},
    {"tags": ["mine"]},
    {"status": TicketStatus.RESOLVED},
    {"status": TicketStatus.OPEN},
]
SHOWN = {"title", "description", "status", "priority", "category", "team", "tags", "confidence"}
LIMITS = RecognitionSettings()


class TicketCopy:
    """What a client keeps of a ticket, and how it applies each message."""

    def __init__(self, ticket_id: int, fields: Document, comments: list[str]) -> None:
        self.request = "subscribe_ticket", {"ticket_id": ticket_id}
        self.fields = fields
        self.comments = comments
        self.seqs: list[int] = []

    def apply(self, message: Document) -> None:
        self.seqs.append(message["seq"])
        data = message["data"]
        match message["type"]:
            case "ticket_updated":
                self.fields |= data["changes"]
            case "ticket_status_update":
                self.fields["status"] = data["status"]
            case "ticket_assigned":
                self.fields["assignee"] = data["assigned_to"]
            case "ticket_comment_added":
                self.comments.append(data["content"])
            case "ai_categorization_complete":
                self.fields |= {name: data[name] for name in ("category", "priority", "team", "confidence")}
            case "ticket_deleted":
                self.fields = {}
            case unknown:
                raise ValueError(unknown)

    @property
    def state(self) -> Document:
        return {**self.fields, "comments": self.comments} if self.fields else {}


class FileCopy:
    """What a client keeps of a file that is being read."""

    def __init__(self, job_id: UUID) -> None:
        self.job_id = job_id
        self.request = "subscribe_job", {"job_id": str(job_id)}
        self.fields: Document = {}
        self.seqs: list[int] = []

    def apply(self, message: Document) -> None:
        self.seqs.append(message["seq"])
        data = message["data"]
        match message["type"]:
            case "file_upload_started":
                self.fields = {"status": None, "error": None}
            case "file_upload_completed":
                self.fields |= {"status": "pending"}
            case "file_processing_progress":
                self.fields |= {"status": "processing", "stage": data["stage"], "progress": data["progress"]}
            case "ocr_completed" | "transcription_completed":
                self.fields |= {"status": "completed", "progress": 1.0}
            case "file_processing_failed":
                self.fields |= {"status": "failed", "error": data["error"], "stage": data["stage"]}
            case unknown:
                raise ValueError(unknown)

    @property
    def state(self) -> Document:
        return self.fields


Copy = TicketCopy | FileCopy


async def shown(resources: Resources, who: Principal, ticket_id: int) -> TicketCopy:
    """A fresh look by HTTP's own service; empty when it is gone."""
    async with resources.db.session() as db:
        try:
            ticket = await service.get(db, who, ticket_id)
        except TicketMissing:
            return TicketCopy(ticket_id, {}, [])
        comments = await service.comments(db, who, ticket_id, limit=100)
    fields = ticket.model_dump(mode="json", include=SHOWN)
    fields["assignee"] = ticket.assignee.username if ticket.assignee else None
    return TicketCopy(ticket_id, fields, [comment.body for comment in comments.rows])


async def as_it_is(resources: Resources, who: Principal, job_id: UUID, known: Document) -> Document:
    """The file's state, as far as a watcher is told of it."""
    async with resources.db.session() as db:
        _, status = await files.status_of_job(db, who, job_id)
    now_is = {
        # To a watcher a quarantined file is one that cannot be read.
        "status": "failed" if status.processing_status == "quarantined" else status.processing_status,
        "error": status.error,
        "stage": status.stage,
        "progress": status.progress,
    }
    return {name: now_is[name] for name in known}


class Desk:
    """Everything that happens, one change at a time."""

    def __init__(self, resources: Resources, chance: random.Random, owner: people.Person, agent: people.Person) -> None:
        self.resources = resources
        self.chance = chance
        self.owner = owner
        self.agent = agent
        self.ticket_id = 0
        self.job_ids: list[UUID] = []
        self._lives: list[AsyncIterator[None]] = []

    async def change(self, step: int) -> None:
        """One of all changes; one that the ticket's state forbids changes nothing."""
        if self._lives and self.chance.random() < 0.5:
            life = self.chance.choice(self._lives)
            with contextlib.suppress(StopAsyncIteration):
                await anext(life)
            return
        with contextlib.suppress(TicketClosed, TransitionImpossible):
            async with self.resources.db.unit_of_work() as db:
                await self._change_ticket(db, step)

    async def _change_ticket(self, db: Any, step: int) -> None:
        agent, owner, chance, id_ = self.agent.who, self.owner.who, self.chance, self.ticket_id
        match chance.randrange(9):
            case 0:
                await service.assign(db, agent, id_, assignee_id=chance.choice([agent.user_id, None]))
            case 1:
                seen_by = chance.choice(list(Visibility))
                await service.comment(db, agent, id_, body=f"{seen_by} {step}", visibility=seen_by)
            case 2:
                await service.comment(db, owner, id_, body=f"customer {step}")
            case 3:
                found = Categorisation(category="network", priority=Priority.HIGH, team="it", confidence=step / STEPS)
                await service.attach_categorisation(db, agent, id_, found=found, overwrite=chance.random() < 0.5)
            case 4:
                await service.change_status(db, agent, id_, status=chance.choice(list(TicketStatus)[:-1]))
            case 5:
                await service.note_escalation(db, id_, level="l2", team="it", report="look")
            case 6:
                edit = chance.choice(CUSTOMERS)
                if (await service.get(db, owner, id_)).status == TicketStatus.RESOLVED or edit.get("status") != "open":
                    await service.update(db, owner, id_, edit=edit)
            case _:
                await service.update(db, agent, id_, edit=chance.choice(EDITS))

    async def upload(self) -> UUID:
        """A file with its job; what is done to it comes step by step."""
        file_id = await add_file(self.resources, self.owner.who, status=ProcessingStatus.PENDING)
        async with self.resources.db.session() as db:
            job_id = (await files.get(db, self.owner.who, file_id)).job_id
        about = {"file_id": file_id, "job_id": job_id, "timestamp": now(), "filename": "screenshot.png"}
        async with self.resources.db.unit_of_work() as db:
            outbox.add(db, events.FileUploadStarted(**about))
            outbox.add(db, events.FileUploadCompleted(**about, file_size=1000))
        self.job_ids.append(job_id)
        self._lives.append(self._read(file_id, job_id))
        return job_id

    async def _read(self, file_id: UUID, job_id: UUID) -> AsyncIterator[None]:
        """The reading of a file: as a whole, in parts, or in vain."""
        claim = await self._claim(job_id)
        async with self.resources.db.unit_of_work() as db:
            await files.begin(db, claim)
        yield
        if self.chance.random() < 0.2:
            async with self.resources.db.unit_of_work() as db:
                await files.quarantine(db, claim, reason="It is a virus.", stage="validation")
            return
        async with self.resources.db.unit_of_work() as db:
            await files.pass_scan(db, claim, scanners="built-in", flags=[])
        yield
        for share in (0.3, 0.6):
            async with self.resources.db.unit_of_work() as db:
                await files.report_progress(
                    db, claim, file_id=file_id, stage="ocr", fraction=share, message=f"{share:.0%}"
                )
            yield
        outcome = self.chance.choice(("whole", "parts", "failed"))
        async with self.resources.db.unit_of_work() as db:
            if outcome == "failed":
                await files.fail(db, claim, reason="It is torn.", stage="ocr")
            elif outcome == "whole":
                await files.complete(db, claim, _recognised("ocr"), doubted_below=0.5)
            else:
                pieces = [RecordingPart(f"{number}.flac", [(number * 16_000, 16_000)]) for number in range(3)]
                await files.split(db, claim, CutRecording({}, pieces), [f"{file_id}/{n}" for n in range(3)])
        yield
        if outcome == "parts":
            async for _ in self._hear_parts(file_id):
                yield

    async def _hear_parts(self, file_id: UUID) -> AsyncIterator[None]:
        async with self.resources.db.session() as db:
            parts = list((await db.execute(select(FilePart.job_id).where(FilePart.file_id == file_id))).scalars())
        self.chance.shuffle(parts)
        for part in parts:
            claim = await self._claim(part)
            async with self.resources.db.unit_of_work() as db:
                await files.begin_part(db, claim)
            async with self.resources.db.unit_of_work() as db:
                if self.chance.random() < 0.3:
                    await files.fail_part(db, claim, reason="Nobody speaks.", limits=LIMITS)
                else:
                    heard = HeardPart([Segment("hello", 0.8, start_s=0.0, end_s=0.5)], "scripted", "1", "en", [])
                    await files.finish_part(db, claim, heard, limits=LIMITS)
            yield

    async def _claim(self, job_id: UUID) -> Claim:
        claim = await claims.claim(self.resources, job_id)
        assert claim is not None
        return claim

    async def finish(self) -> None:
        for life in self._lives:
            async for _ in life:
                pass


def _recognised(kind: Any) -> Recognition:
    return Recognition(
        analysis_type=kind, text="hello", segments=[], confidence=0.9, engine="scripted", engine_version="1"
    )
