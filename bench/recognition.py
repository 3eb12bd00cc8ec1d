"""From an accepted upload to `ocr_completed` on the WebSocket, beside bare RapidOCR on the same picture."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import httpx2
from websockets.asyncio.client import connect

from bench.report import Figures
from bench.stack import ROOT, Stack, running

ROUNDS = 7

_BARE = """
import json, sys, time
from rapidocr import RapidOCR
engine = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2})
engine(sys.argv[1])
times = []
for _ in range(int(sys.argv[2])):
    at = time.perf_counter()
    engine(sys.argv[1])
    times.append(time.perf_counter() - at)
print(json.dumps(times))
"""


def _bare(picture: Path) -> list[float]:
    command = [sys.executable, "-c", _BARE, str(picture), str(ROUNDS)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    times: list[float] = json.loads(output.stdout.splitlines()[-1])
    return times


async def _ours(stack: Stack, token: str, picture: bytes) -> list[float]:
    times = []
    headers = {"Authorization": f"Bearer {token}"}
    address = f"ws://127.0.0.1:{stack.port}/ws?token={token}"
    async with (
        httpx2.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, trust_env=False) as client,
        connect(address) as socket,
    ):
        for _ in range(ROUNDS + 1):
            answer = await client.post("/files/upload", files={"file": ("screenshot.png", picture)})
            at = time.perf_counter()
            answer.raise_for_status()
            subscribe = {"type": "subscribe_job", "data": {"job_id": answer.json()["job_id"], "after": 0}}
            await socket.send(json.dumps(subscribe))
            async with asyncio.timeout(120):
                while json.loads(await socket.recv())["type"] != "ocr_completed":
                    continue
            times.append(time.perf_counter() - at)
    # The first one loads the engine.
    return times[1:]


def run() -> Figures:
    picture = ROOT / "app" / "sample" / "screenshot.png"
    settings = {"EVIDESK_WEBSOCKET__MESSAGES_PER_MINUTE": "10000", "EVIDESK_JOBS__WORKER_CONCURRENCY": "1"}
    # One worker process has all cores for its inference, as the bare engine has.
    with running("api", "relay", "worker", durable=True, **settings) as stack:
        token = stack.token()
        ours = asyncio.run(_ours(stack, token, picture.read_bytes()))
    bare = _bare(picture)
    added = median(ours) - median(bare)
    return Figures(
        "Recognition of a screenshot",
        ["what", "bare RapidOCR", "Evidesk, upload accepted → `ocr_completed`", "added", "ratio of speed"],
        [
            [
                "sample screenshot, median",
                f"{median(bare):.2f} s",
                f"{median(ours):.2f} s",
                f"{added * 1000:.0f} ms",
                f"{median(bare) / median(ours):.2f}",
            ]
        ],
        [f"{ROUNDS} rounds after a first that loads the engine; two threads for inference in both."],
    )
