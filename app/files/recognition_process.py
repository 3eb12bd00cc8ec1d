"""Runs scans and recognitions in a child process with limits, so that no file can take the worker along.

The child is started once and kept, with its models loaded. One that takes too long or too much memory is killed and
its file called failed; one that crashes is replaced, and the file is tried once more before it is called failed.
"""

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from app.files.child_watch import ChildWatch, resident_bytes
from app.files.content_type import ContentType
from app.files.recognition.result import (
    Box,
    CutRecording,
    Hostile,
    Progress,
    Recognition,
    RecognitionFailed,
    RecognitionSettings,
    RecordingPart,
    Segment,
    Stage,
    Unreadable,
)
from app.files.rendering.result import Rendered, RenderLimits
from app.files.scanning.budget import Limits
from app.files.scanning.verdict import Verdict
from app.files.signatures import Group

COMMAND: Final = (sys.executable, "-m", "app.files.recognition.child")
RECYCLE_AFTER: Final = 200
"""Recognitions a child serves before it is replaced: native decoders leak."""

_PASSED_ON: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "PYTHONPATH", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "HF_HOME",
)  # fmt: skip
_TRIES: Final = 2


class _Crashed(Exception):
    """The child ended without an answer."""


@dataclass(slots=True, eq=False)
class _Turn:
    """One scan or recognition: what is asked, who listens, and whether anybody still wants it."""

    request: str
    seconds: float
    progress: Progress
    given_up: threading.Event = field(default_factory=threading.Event)


class RecognitionProcess:
    """One child, one recognition at a time; `run` may be awaited from any event loop."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = tuple(command)
        self._child: subprocess.Popen[str] | None = None
        self._memory_bytes = RecognitionSettings().memory_bytes
        self._served = 0
        self._lock = threading.Lock()
        self._turn: _Turn | None = None

    async def run(
        self,
        path: Path,
        content: ContentType,
        *,
        settings: RecognitionSettings,
        seconds: float,
        progress: Progress,
    ) -> Recognition:
        """Recognise the file at `path` within `seconds` of wall time.

        Raises:
            RecognitionFailed: as the engine said, or because it crashed twice, or because time or memory ran out.
        """
        self._memory_bytes = settings.memory_bytes
        request = {"path": str(path), "content": asdict(content), "settings": asdict(settings)}
        return _recognition(await self._ask(request, seconds=seconds, progress=progress))

    async def cut(
        self, path: Path, folder: Path, *, settings: RecognitionSettings, seconds: float, progress: Progress
    ) -> CutRecording:
        """Write the speech of the recording at `path` into `folder`, in parts. Raises RecognitionFailed, as `run`."""
        request = {"path": str(path), "folder": str(folder), "settings": asdict(settings)}
        done = await self._ask(request, seconds=seconds, progress=progress)
        parts = [
            RecordingPart(part["path"], [(start, count) for start, count in part["pieces"]]) for part in done["parts"]
        ]
        return CutRecording(done["metadata"], parts)

    async def hear(
        self,
        path: Path,
        pieces: Sequence[tuple[int, int]],
        *,
        settings: RecognitionSettings,
        seconds: float,
        progress: Progress,
    ) -> Recognition:
        """Transcribe one part with the engine of this machine. Raises RecognitionFailed, as `run`."""
        request = {"path": str(path), "pieces": list(pieces), "settings": asdict(settings)}
        return _recognition(await self._ask(request, seconds=seconds, progress=progress))

    async def scan(self, path: Path, group: Group, *, limits: Limits, seconds: float) -> Verdict:
        """Look for harm in the file at `path`.

        Raises:
            RecognitionFailed: it crashed the scan twice, or time or memory ran out.
        """
        request = {"path": str(path), "group": group, "limits": asdict(limits)}
        return Verdict(**await self._ask(request, seconds=seconds, progress=lambda *_: None))

    async def render(
        self, path: Path, group: str, label: str, *, folder: Path, limits: RenderLimits, seconds: float
    ) -> list[Rendered]:
        """Make what others see of the file at `path`, as files in `folder`.

        Raises:
            RecognitionFailed: nothing can be made of it, it crashed twice, or time ran out.
        """
        request = {"path": str(path), "group": group, "label": label, "folder": str(folder), "render": asdict(limits)}
        answer = await self._ask(request, seconds=seconds, progress=lambda *_: None)
        return [Rendered(**one) for one in answer["made"]]

    async def _ask(self, request: dict[str, Any], *, seconds: float, progress: Progress) -> dict[str, Any]:
        loop = asyncio.get_running_loop()

        def forward(stage: Stage, fraction: float, message: str) -> None:
            loop.call_soon_threadsafe(progress, stage, fraction, message)

        turn = _Turn(json.dumps(request), seconds, forward)
        try:
            return await asyncio.to_thread(self._in_turn, turn)
        except asyncio.CancelledError:
            turn.given_up.set()
            if self._turn is turn:
                self._kill()
            raise

    def warm_up(self, settings: RecognitionSettings) -> None:
        """Start the child and have it load its engines; returns at once."""
        self._memory_bytes = settings.memory_bytes
        with self._lock:
            _asked(self._started(), json.dumps({"warm_up": asdict(settings)}))

    def close(self) -> None:
        """End the child, if there is one, and with it a recognition that is under way."""
        if (turn := self._turn) is not None:
            turn.given_up.set()
        self._kill()
        with self._lock:
            self._discard()

    def _in_turn(self, turn: _Turn) -> dict[str, Any]:
        with self._lock:
            self._turn = turn
            try:
                for _ in range(_TRIES):
                    if turn.given_up.is_set():
                        break
                    with suppress(_Crashed):
                        return self._attempt(turn)
            finally:
                self._turn = None
        raise Unreadable("Reading this file crashes its decoder; it was stopped.", "validation")

    def _attempt(self, turn: _Turn) -> dict[str, Any]:
        child = self._started()
        last: Stage = "validation"
        with ChildWatch(child, seconds=turn.seconds, memory_bytes=self._memory_bytes) as watch:
            for line in _asked(child, turn.request):
                message: dict[str, Any] = json.loads(line)
                if "progress" in message:
                    last = message["progress"][0]
                    turn.progress(*message["progress"])
                elif "failed" in message:
                    raise _failure(message["failed"])
                else:
                    done: dict[str, Any] = message["done"]
                    return done
        self._discard()
        if watch.verdict is not None:
            raise RecognitionFailed(watch.verdict, last)
        raise _Crashed

    def _started(self) -> "subprocess.Popen[str]":
        if self._child is not None and self._worn(self._child):
            self._discard()
        if self._child is None:
            environment = {name: value for name, value in os.environ.items() if name in _PASSED_ON}
            self._child = subprocess.Popen(  # noqa: S603 - our own module, no input in the command
                [*self._command, str(self._memory_bytes)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"},
                encoding="utf-8",
            )
            self._served = 0
        self._served += 1
        return self._child

    def _worn(self, child: "subprocess.Popen[str]") -> bool:
        # What earlier files left behind must not count against the next one.
        heavy = resident_bytes(child.pid) > self._memory_bytes / 2
        return heavy or self._served >= RECYCLE_AFTER or child.poll() is not None

    def _kill(self) -> None:
        if (child := self._child) is not None:
            child.kill()

    def _discard(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
            with suppress(BrokenPipeError):
                child.communicate()


def _asked(child: "subprocess.Popen[str]", request: str) -> Iterable[str]:
    """Hand the request over; the child's lines until it ends (none when it is gone already)."""
    if child.stdin is None or child.stdout is None:
        return ()
    with suppress(BrokenPipeError):
        child.stdin.write(request + "\n")
        child.stdin.flush()
    return child.stdout


def _failure(fields: dict[str, Any]) -> RecognitionFailed:
    return (Hostile if fields["hostile"] else Unreadable)(fields["reason"], fields["stage"])


def _recognition(fields: dict[str, Any]) -> Recognition:
    segments = [Segment(**{**segment, "box": _box(segment["box"])}) for segment in fields["segments"]]
    return Recognition(**{**fields, "segments": segments})


def _box(corners: list[list[float]] | None) -> Box | None:
    if corners is None:
        return None
    (ax, ay), (bx, by), (cx, cy), (dx, dy) = corners
    return ((ax, ay), (bx, by), (cx, cy), (dx, dy))
