"""Sends the sample report, shows how it goes on, and prints the ticket that comes of it."""

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from websockets.exceptions import WebSocketException

from app.embedded.process import kept_secret
from app.embedded.services import Addresses
from app.sample.client import DONE, Document, ReportClient, SampleFailed, next_message, report_client
from app.sample.completeness import missing
from app.sample.display import show_login, show_ticket

HERE = Path(__file__).parent
REPORT = HERE / "report.txt"
ATTACHMENTS = {HERE / "screenshot.png": "Read the picture", HERE / "voice_note.wav": "Listen to the voice note"}
USERNAME = "sample"
PROCESSING_SECONDS = 300.0
POLL_SECONDS = 0.5
SILENCE_SECONDS = 5.0
LAST_MESSAGES = frozenset({"ocr_completed", "transcription_completed", "file_processing_failed"})


async def send_sample(addresses: Addresses, data_dir: Path, console: Console) -> bool:
    """True when the ticket is complete; what is missing is printed. Nothing is raised: the product goes on serving."""
    password = kept_secret(data_dir / "sample.password")
    try:
        async with report_client(addresses.http, addresses.websocket) as client:
            ticket, files = await _send(client, password, console)
    except SampleFailed as reason:
        console.print(f"The sample report failed. {reason}", style="red", markup=False, soft_wrap=True)
        return False
    except (httpx2.HTTPError, TimeoutError) as error:
        console.print(f"The sample report failed: {error!r}", style="red", markup=False, soft_wrap=True)
        return False
    show_ticket(console, ticket)
    show_login(console, addresses, USERNAME, data_dir / "sample.password")
    lacking = missing(ticket, files)
    for sentence in lacking:
        console.print(f"The ticket is not complete: {sentence}.", style="red", markup=False)
    return not lacking


async def _send(client: ReportClient, password: str, console: Console) -> tuple[Document, list[Document]]:
    columns = (
        *(SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn()),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        entry = progress.add_task("Log in as a customer", total=1, note="")
        await _enter(client, password)
        progress.update(entry, completed=1)
        uploads = [await _upload(client, path, progress) for path in ATTACHMENTS]
        jobs = {
            str(upload["job_id"]): progress.add_task(title, total=1, note="")
            for upload, title in zip(uploads, ATTACHMENTS.values(), strict=True)
        }
        await _watch(client, uploads, jobs, progress)
        writing = progress.add_task("The agent writes the ticket", total=None, note="")
        answer = await client.create_ticket(REPORT.read_text(encoding="utf-8"), [str(file["id"]) for file in uploads])
        ticket = await _result(client, answer)
        files = [await client.get(f"/files/{upload['id']}") for upload in uploads]
        progress.update(writing, total=1, completed=1)
    return ticket, files


async def _enter(client: ReportClient, password: str) -> None:
    if await client.log_in(USERNAME, password):
        return
    if await client.register(USERNAME, password) and await client.log_in(USERNAME, password):
        return
    raise SampleFailed(f"The user {USERNAME} exists with another password than the one in this data directory.")


async def _upload(client: ReportClient, path: Path, progress: Progress) -> Document:
    task = progress.add_task(f"Upload {path.name}", total=1, note="")
    upload = await client.upload(path)
    progress.update(task, completed=1, note=f"{upload['file_size'] / 1024:.0f} KB")
    return upload


async def _watch(client: ReportClient, uploads: list[Document], jobs: dict[str, TaskID], progress: Progress) -> None:
    """Until every job is done. The socket tells; where it is silent or breaks, the status is asked for."""
    pending = dict(jobs)
    async with asyncio.timeout(PROCESSING_SECONDS):
        with suppress(OSError, WebSocketException):
            async with client.job_messages(list(jobs)) as socket:
                while pending:
                    message = await next_message(socket, SILENCE_SECONDS)
                    if message is not None:
                        _advance(message, pending, progress)
                    else:
                        await _ask(client, uploads, pending, progress)
        while pending:
            await _ask(client, uploads, pending, progress)
            await asyncio.sleep(POLL_SECONDS)


async def _ask(client: ReportClient, uploads: list[Document], pending: dict[str, TaskID], progress: Progress) -> None:
    for upload in uploads:
        if (task := pending.get(str(upload["job_id"]))) is None:
            continue
        status = await client.get(f"/files/{upload['id']}/status")
        if status["processing_status"] in DONE:
            progress.update(task, completed=1, note=status.get("error") or "")
            del pending[str(upload["job_id"])]


def _advance(message: Document, pending: dict[str, TaskID], progress: Progress) -> None:
    data = message.get("data", {})
    task = pending.get(str(data.get("job_id")))
    if task is None:
        return
    if message["type"] == "file_processing_progress":
        progress.update(task, completed=data["progress"], note=f"{data['stage']}: {data['message']}")
    elif message["type"] in LAST_MESSAGES:
        progress.update(task, completed=1, note=data.get("error") or "")
        del pending[str(data["job_id"])]


async def _result(client: ReportClient, answer: Document) -> Document:
    """Of a finished run at once, of one that goes on (202) when it is finished."""
    run = answer
    async with asyncio.timeout(PROCESSING_SECONDS):
        while "ticket_id" not in run:
            await asyncio.sleep(POLL_SECONDS)
            run = await client.get(f"/agent/runs/{answer['run_id']}")
            if run["status"] == "failed":
                raise SampleFailed(f"The run failed: {run.get('error')}")
            if run["status"] == "completed":
                run = run["result"] | {"run_id": answer["run_id"]}
    described = await client.get(f"/tickets/{run['ticket_id']}")
    return run | {"description": described["description"], "team": run.get("team") or described.get("team")}
