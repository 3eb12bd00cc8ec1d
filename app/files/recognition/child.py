"""The child process that decodes strangers' files: requests as JSON lines on its input, answers on its output.

It has no secrets in its environment, a limit on its memory (resident bytes, its argument), and ends as soon as its
parent does (its input closes). Whatever a decoder prints goes to standard error, so that it cannot be
mistaken for an answer.
"""

import json
import os
import queue
import resource
import sys
import threading
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, TextIO

import numpy as np

from app.files.content_type import ContentType
from app.files.recognition.media import cut_recording, hear
from app.files.recognition.ocr import ocr_engine
from app.files.recognition.recognise import recognise
from app.files.recognition.result import (
    CutRecording,
    Progress,
    Recognition,
    RecognitionFailed,
    RecognitionSettings,
    Stage,
)
from app.files.rendering.render import render
from app.files.rendering.result import Renderings, RenderLimits
from app.files.scanning.baseline import scan
from app.files.scanning.budget import Limits
from app.files.scanning.verdict import Verdict

MAPPED_BYTES: Final = 5 * 1024**3
"""Address space beside the memory allowed: the ONNX and FFmpeg libraries alone map about 3 GiB."""


def answer(request: dict[str, Any], send: TextIO) -> None:
    """Scan or recognise one file; any error becomes a `failed` line, since this is the edge of the process."""

    def progress(stage: Stage, fraction: float, message: str) -> None:
        _send(send, {"progress": [stage, round(fraction, 4), message]})

    try:
        _send(send, {"done": asdict(_done(request, progress))})
    except RecognitionFailed as failure:
        _send(send, {"failed": {"reason": failure.reason, "stage": failure.stage, "hostile": failure.hostile}})
    except Exception as error:  # noqa: BLE001 - the edge: a decoder's unforeseen error is this file's failure
        reason = f"The content is damaged in a way its reader did not foresee ({type(error).__name__})."
        _send(send, {"failed": {"reason": reason, "stage": "validation", "hostile": False}})


def _done(request: dict[str, Any], progress: Progress) -> Recognition | CutRecording | Verdict | Renderings:
    path = Path(request["path"])
    if "render" in request:
        limits = RenderLimits(**request["render"])
        return render(path, request["group"], request["label"], Path(request["folder"]), limits)
    if "limits" in request:
        return scan(path, request["group"], Limits(**request["limits"]))
    settings = RecognitionSettings(**request["settings"])
    if "folder" in request:
        return cut_recording(path, Path(request["folder"]), settings=settings, progress=progress)
    if "pieces" in request:
        pieces = [(start, count) for start, count in request["pieces"]]
        return hear(path, pieces, settings=settings, progress=progress)
    return recognise(path, ContentType(**request["content"]), settings=settings, progress=progress)


def serve(requests: TextIO, send: TextIO) -> None:
    """Answer request after request; a thread watches the input so that its end stops even a busy process."""
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_watch, args=(requests, waiting), daemon=True).start()
    while line := waiting.get():
        request = json.loads(line)
        if "warm_up" in request:
            warm_up(RecognitionSettings(**request["warm_up"]))
        else:
            answer(request, send)


def warm_up(settings: RecognitionSettings) -> None:
    """Load what most files need."""
    ocr_engine(settings.threads, settings.max_side).read(np.full((64, 256, 3), 255, dtype=np.uint8))


def _watch(requests: TextIO, waiting: "queue.SimpleQueue[str]") -> None:
    for line in requests:
        waiting.put(line)
    os._exit(0)


def _send(send: TextIO, line: dict[str, Any]) -> None:
    send.write(json.dumps(line, separators=(",", ":")) + "\n")
    send.flush()


def main() -> None:
    send = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MAPPED_BYTES + int(sys.argv[1]), resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    serve(sys.stdin, send)


if __name__ == "__main__":
    main()
