"""A hundred runs at once against a provider that is slow and fails: every report becomes one ticket, none is lost."""

import asyncio
import json
import subprocess
import sys
import time
from typing import Any

import httpx2

from app.embedded.process import free_port
from bench.report import Figures
from bench.stack import PASSWORD, ROOT, Stack, running, started, wait_for

RUNS = 100
PATIENCE_SECONDS = 600
ENDED = ("completed", "failed")


async def _measured(stack: Stack, token: str, admin: str) -> tuple[float, list[dict[str, Any]], int]:
    """Seconds from the first request to the last end, the runs, and how many tickets there are."""
    address = f"{stack.url}/api/v1"
    async with httpx2.AsyncClient(base_url=address, trust_env=False, timeout=60) as client:
        changed = await client.put(
            "/ai-config/customer_support", json={"model": "compatible:slow/m"}, headers={"Authorization": admin}
        )
        changed.raise_for_status()
        headers = {"Authorization": f"Bearer {token}"}

        async def ask(number: int) -> str:
            asked = {"user_input": f"Report {number}: the checkout fails with ERR_PAYMENT_504."}
            about = {**headers, "Prefer": "respond-async", "Idempotency-Key": f"report-{number}"}
            while True:
                try:
                    answer = await client.post("/agent/create-ticket", json=asked, headers=about)
                    break
                except httpx2.TransportError:
                    # On a busy machine an idle connection is closed while it is taken up again.
                    await asyncio.sleep(0.5)
            answer.raise_for_status()
            return str(answer.json()["run_id"])

        begun = time.perf_counter()
        waiting = await asyncio.gather(*(ask(number) for number in range(RUNS)))
        runs: dict[str, dict[str, Any]] = {}
        while len(runs) < RUNS and time.perf_counter() - begun < PATIENCE_SECONDS:
            await asyncio.sleep(0.5)
            for run_id in [one for one in waiting if one not in runs]:
                run = (await client.get(f"/agent/runs/{run_id}", headers=headers)).json()
                if run["status"] in ENDED:
                    runs[run_id] = run
        seconds = time.perf_counter() - begun
        tickets, page = 0, "/tickets?limit=100"
        while page:
            answer = await client.get(page, headers=headers)
            tickets += len(answer.json())
            following = answer.links.get("next", {}).get("url", "")
            page = following.removeprefix("/api/v1")
    return seconds, list(runs.values()), tickets


def run() -> Figures:
    port = free_port()
    compatible = json.dumps({"slow": {"base_url": f"http://127.0.0.1:{port}/v1", "api_key": "x"}})
    with running(
        "api", "relay", "worker", "mcp", EVIDESK_MODELS__COMPATIBLE=compatible, EVIDESK_ADMIN_PASSWORD=PASSWORD
    ) as stack:
        provider = [sys.executable, "-m", "uvicorn", "bench.provider:app", "--port", str(port), "--log-level", "error"]
        log = stack.directory / "provider.log"
        with started(provider, stack.environment, log):
            wait_for(f"http://127.0.0.1:{port}/", log)
            create = [sys.executable, "-m", "app.commands.create_admin"]
            subprocess.run(create, env=stack.environment, cwd=ROOT, check=True, capture_output=True)
            with httpx2.Client(base_url=f"{stack.url}/api/v1", trust_env=False, timeout=30) as client:
                login = client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
                login.raise_for_status()
            admin = f"Bearer {login.json()['access_token']}"
            seconds, runs, tickets = asyncio.run(_measured(stack, stack.token(), admin))
    completed = [one for one in runs if one["status"] == "completed"]
    by_provider = sum(one["answered_by"] == "compatible:slow/m" for one in completed)
    failed_calls = sum(call["outcome"] == "failed" for one in runs for call in one["model_calls"])
    return Figures(
        "A hundred runs at once, the provider slow and failing",
        ["runs", "completed", "lost", "tickets", "doubled", "seconds", "answered by the provider", "failed requests"],
        [
            [
                str(RUNS),
                str(len(completed)),
                str(RUNS - len(completed)),
                str(tickets),
                str(max(0, tickets - RUNS)),
                f"{seconds:.0f}",
                str(by_provider),
                str(failed_calls),
            ]
        ],
        ["200 ms for each answer; of ten requests one is answered 500, one 429. Two worker processes."],
    )
