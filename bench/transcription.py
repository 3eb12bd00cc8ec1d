"""From an accepted upload to `transcription_completed` on the WebSocket, beside bare pocketsphinx on the same speech.

pocketsphinx, for its model is in a wheel: what is measured is what we add to an engine, not how good one is.
"""

import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
import wave
from pathlib import Path
from statistics import median

import httpx2
import numpy as np
from websockets.asyncio.client import connect

from app.files.recognition.media import cut_recording
from app.files.recognition.result import RecognitionSettings
from bench.report import Figures
from bench.stack import ROOT, Stack, running

ROUNDS = 3
REPEATS = 6
"""Of the sample voice note, with a second of silence after each."""
RATE = 16_000
CUT_MINUTES = 10

_BARE = """
import sys, time, wave
import numpy as np
from pocketsphinx import Decoder
with wave.open(sys.argv[1]) as file:
    said = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
decoder = Decoder(samprate=16000, loglevel="FATAL")
def hear():
    decoder.start_utt()
    decoder.process_raw(said.tobytes(), full_utt=True)
    decoder.end_utt()
    return decoder.hyp().hypstr
hear()
print("ready", flush=True)
for line in sys.stdin:
    for _ in range(int(line)):
        hear()
    print("done", flush=True)
"""


class _Bare:
    """Processes with an engine each, loaded and warm, that share the utterances."""

    def __init__(self, processes: int) -> None:
        note = str(ROOT / "app" / "sample" / "voice_note.wav")
        self._share = REPEATS // processes
        self._processes = [
            subprocess.Popen(
                [sys.executable, "-c", _BARE, note], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for _ in range(processes)
        ]
        self._answered()

    def seconds(self) -> float:
        at = time.perf_counter()
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.write(f"{self._share}\n")
            process.stdin.flush()
        self._answered()
        return time.perf_counter() - at

    def end(self) -> None:
        for process in self._processes:
            process.communicate()

    def _answered(self) -> None:
        for process in self._processes:
            assert process.stdout is not None
            process.stdout.readline()


def _voice() -> np.ndarray:
    with wave.open(str(ROOT / "app" / "sample" / "voice_note.wav")) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)


def _wav(samples: np.ndarray) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())
    return out.getvalue()


async def _ours(stack: Stack, token: str, recording: bytes) -> float:
    headers = {"Authorization": f"Bearer {token}"}
    address = f"ws://127.0.0.1:{stack.port}/ws?token={token}"
    async with (
        httpx2.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, trust_env=False) as client,
        connect(address) as socket,
    ):
        answer = await client.post("/files/upload", files={"file": ("call.wav", recording)}, timeout=60)
        at = time.perf_counter()
        answer.raise_for_status()
        subscribe = {"type": "subscribe_job", "data": {"job_id": answer.json()["job_id"], "after": 0}}
        await socket.send(json.dumps(subscribe))
        async with asyncio.timeout(300):
            while json.loads(await socket.recv())["type"] != "transcription_completed":
                continue
        return time.perf_counter() - at


def _compared(workers: int, part_seconds: int) -> tuple[list[float], list[float]]:
    """Seconds of the bare engine and of the product, turn about, with as many processes at work in both."""
    recording = np.tile(np.concatenate([_voice(), np.zeros(RATE, np.int16)]), REPEATS)
    settings = {
        "EVIDESK_WEBSOCKET__MESSAGES_PER_MINUTE": "10000",
        "EVIDESK_JOBS__WORKER_CONCURRENCY": str(workers),
        "EVIDESK_SPEECH__PART_SECONDS": str(part_seconds),
    }
    bare = _Bare(workers)
    theirs, ours = [], []
    try:
        with running("api", "relay", "worker", durable=True, **settings) as stack:
            token = stack.token()
            for number in range(ROUNDS + 1):
                # The first one loads the engines; bytes that differ are not recognised as the same file.
                recording[number] = number + 1
                took = asyncio.run(_ours(stack, token, _wav(recording)))
                if number:
                    ours.append(took)
                    theirs.append(bare.seconds())
    finally:
        bare.end()
    return theirs, ours


def _cutting() -> float:
    """Seconds of recording a second: decoding, finding the speech, writing it as FLAC."""
    note = np.concatenate([_voice(), np.zeros(3 * RATE, np.int16)])
    recording = np.tile(note, CUT_MINUTES * 60 * RATE // len(note))
    with tempfile.TemporaryDirectory(prefix="evidesk-bench-") as folder:
        path = Path(folder) / "call.wav"
        path.write_bytes(_wav(recording))
        at = time.perf_counter()
        cut_recording(path, Path(folder), settings=RecognitionSettings(), progress=lambda *_: None)
        return len(recording) / RATE / (time.perf_counter() - at)


def run() -> Figures:
    spoken = REPEATS * len(_voice()) / RATE
    rows = []
    for what, workers, part_seconds in (("one worker, in one go", 1, 300), ("two workers, in parts", 2, 10)):
        bare, ours = _compared(workers, part_seconds)
        ratios = [theirs / mine for theirs, mine in zip(bare, ours, strict=True)]
        rows.append(
            [
                f"{what}: speech/s",
                f"{spoken / median(bare):.1f} s",
                f"{spoken / median(ours):.1f} s",
                f"{median(ratios):.2f} ({min(ratios):.2f}–{max(ratios):.2f})",
            ]
        )
    rows.append(["cutting alone: recording/s", "", f"{_cutting():.0f} s", ""])
    return Figures(
        "Transcription of a recording",
        ["what", "bare pocketsphinx", "Evidesk, upload accepted → `transcription_completed`", "ratio (min–max)"],
        rows,
        [
            f"{spoken:.0f} s of speech with silence between; as many processes in both; {ROUNDS} rounds, turn about.",
            f"Cutting: decoding, finding the speech, writing it as FLAC; {CUT_MINUTES} minutes, one process.",
        ],
    )
