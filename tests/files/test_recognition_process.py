import asyncio
import io
import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from app.files.content_type import ContentType, identify
from app.files.recognition import child
from app.files.recognition.result import (
    Hostile,
    Recognition,
    RecognitionFailed,
    RecognitionSettings,
    Stage,
    Unreadable,
)
from app.files.recognition_process import RecognitionProcess
from app.files.rendering.result import RenderLimits
from app.files.sample import Sample
from tests.files import samples

TEXT = ContentType("text/plain", "txt", "text", False, "test")


def quiet(_stage: Stage, _fraction: float, _message: str) -> None:
    """Nobody listens."""


@pytest.fixture(scope="module")
def process() -> Iterator[RecognitionProcess]:
    running = RecognitionProcess()
    yield running
    running.close()


def scripted(tmp_path: Path, body: str) -> RecognitionProcess:
    """A process whose child is a few lines of Python instead of the engines."""
    script = tmp_path / "child.py"
    script.write_text(f"import json, os, sys, time\nfor line in sys.stdin:\n    {body}\n")
    return RecognitionProcess([sys.executable, str(script)])


async def run(running: RecognitionProcess, path: Path, *, seconds: float = 60) -> Recognition:
    content = identify(Sample.of_path(path))
    return await running.run(path, content, settings=RecognitionSettings(), seconds=seconds, progress=quiet)


async def test_a_picture_is_read_in_the_child_with_progress_on_the_way(
    process: RecognitionProcess, tmp_path: Path
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(samples.png("Child process"))
    steps: list[tuple[Stage, float, str]] = []
    found = await process.run(
        path,
        identify(Sample.of_path(path)),
        settings=RecognitionSettings(),
        seconds=60,
        progress=lambda *step: steps.append(step),
    )
    await asyncio.sleep(0)
    assert found.text == "Child process"
    assert found.segments[0].box is not None
    assert steps[-1][:2] == ("ocr", 1.0)


async def test_a_preview_is_made_in_the_child_and_a_bomb_is_not(process: RecognitionProcess, tmp_path: Path) -> None:
    path, limits = tmp_path / "a.png", RenderLimits(side=64, max_pixels=10_000_000)
    path.write_bytes(samples.png("Child process"))
    made = await process.render(path, "image", "png", folder=tmp_path, limits=limits, seconds=60)
    assert [(one.kind, one.media_type) for one in made] == [("shown", "image/png"), ("preview", "image/webp")]
    assert (tmp_path / "preview").read_bytes()[8:12] == b"WEBP"
    path.write_bytes(samples.png_header(100_000, 100_000))
    with pytest.raises(RecognitionFailed):
        await process.render(path, "image", "png", folder=tmp_path, limits=limits, seconds=60)


async def test_engines_are_loaded_before_the_first_file(tmp_path: Path) -> None:
    seen = tmp_path / "requests"
    running = scripted(tmp_path, f"open({str(seen)!r}, 'a').write(line)")
    running.warm_up(RecognitionSettings())
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(RecognitionFailed, match="longer than"):
        await run(running, tmp_path / "a.txt", seconds=3)
    assert seen.read_text().startswith('{"warm_up": ')


async def test_failures_keep_their_kind_and_reason(process: RecognitionProcess, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(samples.png("x")[:60])
    with pytest.raises(Unreadable, match="cannot be decoded"):
        await run(process, path)
    path.write_bytes(samples.png_header(100_000, 100_000))
    with pytest.raises(Hostile, match="100,000"):
        await run(process, path)


async def test_an_engine_that_hangs_is_stopped_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    body = 'print(json.dumps({"progress": ["transcription", 0.5, "on"]}), flush=True); time.sleep(60)'
    running = scripted(tmp_path, body)
    began = time.monotonic()
    with pytest.raises(RecognitionFailed, match=r"longer than the 0\.5 s") as failure:
        await run(running, path, seconds=0.5)
    assert time.monotonic() - began < 10
    assert failure.value.stage == "transcription"
    running.close()


async def test_an_engine_that_crashes_is_tried_once_more_then_the_file_failed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    tries = tmp_path / "tries"
    running = scripted(tmp_path, f"open({str(tries)!r}, 'a').write('x'); os.kill(os.getpid(), 11)")
    with pytest.raises(Unreadable, match="crashes its decoder"):
        await run(running, path)
    assert tries.read_text() == "xx"


async def test_an_engine_that_takes_too_much_memory_is_stopped_and_the_next_file_read(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    done = json.dumps({"failed": {"reason": "next.", "stage": "ocr", "hostile": False}})
    first = tmp_path / "first"
    running = scripted(
        tmp_path,
        f"print({done!r}, flush=True) if os.path.exists({str(first)!r}) else "
        f"(open({str(first)!r}, 'w'), bytearray(b'x') * 700_000_000, time.sleep(60))",
    )
    content = identify(Sample.of_path(path))
    limits = RecognitionSettings(memory_bytes=300 * 1024**2)
    with pytest.raises(RecognitionFailed, match="more memory than the 300 MiB"):
        await running.run(path, content, settings=limits, seconds=60, progress=quiet)
    with pytest.raises(Unreadable, match="next"):
        await running.run(path, content, settings=limits, seconds=60, progress=quiet)
    await asyncio.to_thread(running.close)


async def test_a_picture_that_is_a_bomb_under_the_pixel_limit_ends_only_its_child(tmp_path: Path) -> None:
    """A hundred million pixels with transparency in 100 kB: 400 MB when decoded, more on the way to a reading."""
    path = tmp_path / "a.png"
    path.write_bytes(samples.encoded(Image.new("RGBA", (10_000, 10_000))))
    running = RecognitionProcess()
    limits = RecognitionSettings(memory_bytes=400 * 1024**2)
    with pytest.raises(RecognitionFailed, match="more memory than the 400 MiB"):
        await running.run(path, identify(Sample.of_path(path)), settings=limits, seconds=100, progress=quiet)
    (tmp_path / "a.txt").write_text("still alive")
    found = await run(running, tmp_path / "a.txt")
    assert found.text == "still alive"
    await asyncio.to_thread(running.close)


async def test_a_child_heavy_with_earlier_files_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    started = tmp_path / "started"
    failed = json.dumps({"failed": {"reason": "no.", "stage": "ocr", "hostile": False}})
    running = scripted(
        tmp_path,
        f"'kept' in globals() or globals().update(kept=bytearray(b'x') * 200_000_000, "
        f"on=open({str(started)!r}, 'a').write('x')); print({failed!r}, flush=True)",
    )
    content = identify(Sample.of_path(path))
    for _ in range(2):
        with pytest.raises(Unreadable):
            await running.run(
                path, content, settings=RecognitionSettings(memory_bytes=350_000_000), seconds=60, progress=quiet
            )
    assert started.read_text() == "xx"
    await asyncio.to_thread(running.close)


async def test_a_child_that_died_between_files_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    done: dict[str, object] = {
        "analysis_type": "text", "text": "t", "segments": [], "confidence": None, "engine": "e",
        "engine_version": "1", "language": None, "metadata": {},
    }  # fmt: skip
    running = scripted(tmp_path, f"print({json.dumps(json.dumps({'done': done}))}, flush=True); sys.exit(0)")
    assert (await run(running, path)).text == "t"
    assert (await run(running, path)).text == "t"
    running.close()
    running.close()


async def test_a_child_is_replaced_after_many_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.files.recognition_process.RECYCLE_AFTER", 1)
    path = tmp_path / "a.txt"
    path.write_text("text")
    failed = json.dumps({"failed": {"reason": "no.", "stage": "ocr", "hostile": False}})
    running = scripted(tmp_path, f"print({failed!r}, flush=True)")
    for _ in range(2):
        with pytest.raises(Unreadable):
            await run(running, path)
    running.close()


async def test_giving_up_ends_the_child_and_leaves_the_next_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("text")
    running = scripted(tmp_path, "time.sleep(60)")
    task = asyncio.create_task(run(running, path))
    waiting = asyncio.create_task(run(running, path))
    await asyncio.sleep(0.3)
    waiting.cancel()
    task.cancel()
    await asyncio.gather(task, waiting, return_exceptions=True)
    assert task.cancelled()
    await asyncio.to_thread(running.close)


def test_a_child_has_no_secrets_in_its_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    seen = tmp_path / "environment"
    running = scripted(tmp_path, f"open({str(seen)!r}, 'w').write(repr(dict(os.environ))); sys.exit(0)")
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(Unreadable):
        asyncio.run(run(running, tmp_path / "a.txt"))
    assert "secret" not in seen.read_text()


def request(path: Path, content: ContentType = TEXT) -> str:
    fields = {name: getattr(content, name) for name in ContentType.__slots__}
    return json.dumps({"path": str(path), "content": fields, "settings": {}}) + "\n"


def test_the_child_answers_each_request_with_a_line(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    out = io.StringIO()
    child.answer(json.loads(request(path)), out)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert lines[0]["progress"][0] == "validation"
    assert lines[-1]["done"]["text"] == "hello"


def test_the_child_loads_its_engines_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    told = threading.Event()
    monkeypatch.setattr(os, "_exit", lambda _code: None)
    monkeypatch.setattr(child, "warm_up", lambda _settings: told.set())
    line = json.dumps({"warm_up": {"threads": 1}}) + "\n"
    threading.Thread(target=child.serve, args=(io.StringIO(line), io.StringIO()), daemon=True).start()
    assert told.wait(10)


def test_engines_that_are_warm_read_an_empty_picture() -> None:
    child.warm_up(RecognitionSettings())


def test_an_error_nobody_foresaw_is_the_files_failure(tmp_path: Path) -> None:
    out = io.StringIO()
    child.answer(json.loads(request(tmp_path / "missing")), out)
    assert "FileNotFoundError" in json.loads(out.getvalue().splitlines()[-1])["failed"]["reason"]


def test_a_foreseen_failure_says_whether_it_is_hostile(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"\0")
    out = io.StringIO()
    child.answer(json.loads(request(path, ContentType("x/y", "unknown", "binary", False, ""))), out)
    assert json.loads(out.getvalue().splitlines()[-1])["failed"]["hostile"] is False


def test_the_child_ends_when_its_parent_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    ended = threading.Event()

    monkeypatch.setattr(os, "_exit", lambda _code: ended.set())
    out = io.StringIO()
    server = threading.Thread(target=child.serve, args=(io.StringIO(request(path)), out), daemon=True)
    server.start()
    assert ended.wait(10)
    deadline = time.monotonic() + 10
    while "done" not in out.getvalue() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert "done" in out.getvalue()
