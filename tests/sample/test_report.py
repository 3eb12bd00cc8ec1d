"""The sample report, sent to a desk that keeps to the contract, and to some that do not."""

import io
import wave
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from app.embedded.services import Addresses
from app.sample import report
from app.sample.completeness import IN_THE_PICTURE, missing
from app.sample.report import ATTACHMENTS, REPORT, send_sample
from tests.sample.desk import RESULT, Desk, served


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "SILENCE_SECONDS", 0.05)
    monkeypatch.setattr(report, "POLL_SECONDS", 0.02)


async def sent(desk: Desk, data_dir: Path) -> tuple[bool, str]:
    console = Console(file=io.StringIO(), width=200)
    async with served(desk) as addresses:
        complete = await send_sample(addresses, data_dir, console)
    assert isinstance(console.file, io.StringIO)
    return complete, console.file.getvalue()


async def test_a_complete_ticket_is_printed_with_its_evidence_and_the_way_to_log_in(tmp_path: Path) -> None:
    desk = Desk()
    complete, shown = await sent(desk, tmp_path)
    assert complete
    for words in (
        *("Ticket 12", "Invoices cannot be exported", "incident", "high", "operations", "80%", "In full."),
        "text: cannot export",
        "screenshot.png: Error code: EXP-5031  (read with 99% confidence)",
        "Look at the render queue",
        *("/docs", "http://127.0.0.1:8001/mcp", "curl -s http://127.0.0.1:"),
    ):
        assert words in shown
    assert desk.users["sample"] not in shown
    assert {file["filename"] for file in desk.files.values()} == {path.name for path in ATTACHMENTS}


async def test_a_second_report_logs_in_as_the_same_customer(tmp_path: Path) -> None:
    desk = Desk()
    assert (await sent(desk, tmp_path))[0]
    assert (await sent(desk, tmp_path))[0]
    assert list(desk.users) == ["sample"]


async def test_a_customer_of_another_data_directory_is_not_taken_over(tmp_path: Path) -> None:
    complete, shown = await sent(Desk(users={"sample": "another"}), tmp_path)
    assert not complete
    assert "The user sample exists with another password" in shown


@pytest.mark.parametrize("socket", ["silent", "closed"])
async def test_where_the_socket_does_not_tell_the_status_is_asked_for(socket: str, tmp_path: Path) -> None:
    assert (await sent(Desk(socket=socket), tmp_path))[0]


async def test_a_run_that_goes_on_is_waited_for(tmp_path: Path) -> None:
    desk = Desk(run="later")
    assert (await sent(desk, tmp_path))[0]
    assert desk.polls == 2


@pytest.mark.parametrize(
    ("desk", "said"),
    [
        (Desk(run="fails"), "The run failed: the model does not answer"),
        (Desk(run="broken"), "POST /api/v1/agent/create-ticket was answered with 503"),
        (Desk(jobs="failed"), "screenshot.png is failed, not completed"),
        (Desk(result=RESULT | {"team": None, "title": ""}), "the ticket has no title"),
        (Desk(result=RESULT | {"evidence": []}), "the evidence does not hold the text of the picture (EXP-5031)"),
    ],
)
async def test_what_went_wrong_is_said(desk: Desk, said: str, tmp_path: Path) -> None:
    complete, shown = await sent(desk, tmp_path)
    assert not complete
    assert said in shown


async def test_a_desk_that_is_not_there_is_said(tmp_path: Path) -> None:
    console = Console(file=io.StringIO(), width=200)
    nowhere = Addresses("http://127.0.0.1:1", "ws://127.0.0.1:1/ws", "http://127.0.0.1:1/mcp")
    assert not await send_sample(nowhere, tmp_path, console)
    assert isinstance(console.file, io.StringIO)
    assert "The sample report failed: ConnectError" in console.file.getvalue()


def test_every_lacking_field_is_named() -> None:
    file = {"filename": "voice_note.wav", "processing_status": "processing"}
    lacking = missing({}, [file])
    assert "the ticket has no description" in lacking
    assert "voice_note.wav is processing, not completed" in lacking
    assert len(lacking) == 9
    assert missing(RESULT | {"description": "d"}, []) == []


def test_the_error_code_stands_in_the_picture_alone() -> None:
    assert IN_THE_PICTURE not in REPORT.read_text(encoding="utf-8")
    screenshot, voice = ATTACHMENTS
    with Image.open(screenshot) as picture:
        assert picture.size == (1000, 520)
    with wave.open(str(voice)) as note:
        assert (note.getnchannels(), note.getframerate(), note.getsampwidth()) == (1, 16_000, 2)
        assert note.getnframes() < 16_000 * 15
