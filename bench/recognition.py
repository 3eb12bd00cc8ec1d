"""OCR through the product beside bare RapidOCR on the same pictures: one at a time, and many at once.

One is timed from its accepted upload to `ocr_completed` on the WebSocket; many from the first upload to the last
`ocr_completed`, with the bare engine before and after, in a process that has loaded its models.
"""

import asyncio
import io
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, median
from tempfile import TemporaryDirectory

import httpx2
from PIL import Image, ImageDraw, ImageFont
from websockets.asyncio.client import connect

from bench.report import Figures
from bench.stack import ROOT, Stack, running

ROUNDS = 3
MANY = 6

_BARE = """
import json, sys, time
from rapidocr import RapidOCR
engine = RapidOCR(params={"Global.log_level": "critical", "EngineConfig.onnxruntime.intra_op_num_threads": 2})
engine(sys.argv[1])
times = []
for picture in sys.argv[1:]:
    at = time.perf_counter()
    engine(picture)
    times.append(time.perf_counter() - at)
print(json.dumps(times))
"""


def _bare(pictures: Sequence[Path]) -> list[float]:
    """Seconds for each."""
    command = [sys.executable, "-c", _BARE, *map(str, pictures)]
    output = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    times: list[float] = json.loads(output.stdout.splitlines()[-1])
    return times


def _screens() -> list[bytes]:
    """Different pictures of a screen, light and dark, so that no two are the same file."""
    made = []
    font = ImageFont.load_default(22)
    for number in range(MANY):
        ground, ink = ("#1e1e1e", "#d4d4d4") if number % 2 else ("white", "black")
        screen = Image.new("RGB", (1280, 720), ground)
        draw = ImageDraw.Draw(screen)
        for row in range(16):
            line = f"2026-11-25 10:{number:02}:{row:02} ERROR worker {row * 7}: connection to db-{number} refused"
            draw.text((20, 20 + row * 42), line, fill=ink, font=font)
        out = io.BytesIO()
        screen.save(out, "PNG")
        made.append(out.getvalue())
    return made


async def _ours(stack: Stack, token: str, pictures: Sequence[bytes]) -> float:
    """Seconds from the first upload's start to the last picture's end; of one picture, from its accepted upload."""
    headers = {"Authorization": f"Bearer {token}"}
    address = f"ws://127.0.0.1:{stack.port}/ws?token={token}"
    async with (
        httpx2.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, trust_env=False, timeout=60) as client,
        connect(address) as socket,
    ):
        at = time.perf_counter()
        for picture in pictures:
            answer = await client.post("/files/upload", files={"file": ("screenshot.png", picture)})
            answer.raise_for_status()
            if len(pictures) == 1:
                at = time.perf_counter()
            subscribe = {"type": "subscribe_job", "data": {"job_id": answer.json()["job_id"], "after": 0}}
            await socket.send(json.dumps(subscribe))
        done = 0
        async with asyncio.timeout(300):
            while done < len(pictures):
                done += json.loads(await socket.recv())["type"] == "ocr_completed"
        return time.perf_counter() - at


def run() -> Figures:
    picture = ROOT / "app" / "sample" / "screenshot.png"
    settings = {"EVIDESK_WEBSOCKET__MESSAGES_PER_MINUTE": "10000", "EVIDESK_JOBS__WORKER_CONCURRENCY": "1"}
    screens = _screens()
    # One worker process has all cores for its inference, as the bare engine has.
    with running("api", "relay", "worker", durable=True, **settings) as stack, TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{number}.png" for number in range(MANY)]
        for path, screen in zip(paths, screens, strict=True):
            path.write_bytes(screen)
        token = stack.token()
        # The first one loads the engine.
        asyncio.run(_ours(stack, token, [picture.read_bytes()]))
        ours = [asyncio.run(_ours(stack, token, [picture.read_bytes()])) for _ in range(ROUNDS)]
        bare = _bare([picture] * ROUNDS)
        before = sum(_bare(paths))
        many = asyncio.run(_ours(stack, token, screens))
        bare_many = mean((before, sum(_bare(paths))))
    added = median(ours) - median(bare)
    return Figures(
        "Recognition of pictures",
        ["what", "bare RapidOCR", "Evidesk", "added", "ratio of speed"],
        [
            [
                "sample screenshot, upload accepted → `ocr_completed`, median",
                f"{median(bare):.2f} s",
                f"{median(ours):.2f} s",
                f"{added * 1000:.0f} ms",
                f"{median(bare) / median(ours):.2f}",
            ],
            [
                f"{MANY} screens of 1280 × 720, first upload → last `ocr_completed`",
                f"{MANY / bare_many:.2f}/s",
                f"{MANY / many:.2f}/s",
                f"{(many - bare_many) / MANY * 1000:.0f} ms each",
                f"{bare_many / many:.2f}",
            ],
        ],
        [
            f"{ROUNDS} rounds of one after a first that loads the engine; two threads for inference in both.",
            "The many were measured between two turns of the bare engine, whose mean is given.",
        ],
    )
