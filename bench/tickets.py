"""Tickets created and listed a second, beside a bare handler that does the same insert and select."""

import json
import os
import subprocess
import sys
from statistics import median

from bench.load import CONNECTIONS, Load
from bench.report import Figures
from bench.stack import API_PROCESSES, ROOT, bare_server, running

ROUNDS = 3
SECONDS = float(os.environ.get("BENCH_SECONDS", "6"))


def _load(kind: str, port: int, token: str) -> Load:
    output = subprocess.run(
        [sys.executable, "-m", "bench.load", kind, str(port), token, str(SECONDS)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    load = Load(**json.loads(output.stdout))
    if load.failures:
        raise RuntimeError(f"{load.failures} of {load.requests} requests failed")
    return load


def run() -> Figures:
    rows = []
    with running("api") as stack, bare_server(stack) as port:
        token = stack.token()
        for kind, what in (("create", "tickets created"), ("list", "lists of 20 tickets")):
            # Turn about, so that a slow minute of the machine falls on both.
            pairs = [(_load(kind, port, token), _load(kind, stack.port, token)) for _ in range(ROUNDS)]
            bare, ours = (median(pair[side].per_second for pair in pairs) for side in (0, 1))
            ratios = sorted(pair[1].per_second / pair[0].per_second for pair in pairs)
            rows.append(
                [
                    what,
                    f"{bare:,.0f}/s",
                    f"{ours:,.0f}/s",
                    f"{median(ratios):.2f} ({ratios[0]:.2f}–{ratios[-1]:.2f})",
                    f"{median(pair[1].p95_ms for pair in pairs):.1f} ms",
                ]
            )
    return Figures(
        "Tickets",
        ["what", "bare Starlette + asyncpg", "Evidesk", "ratio (min–max)", "Evidesk p95"],
        rows,
        [
            f"{CONNECTIONS} connections, {API_PROCESSES} API processes on each side, {ROUNDS} rounds of {SECONDS:g} s.",
            "Evidesk's request is authenticated, rate-limited and validated; it writes ticket, timeline and outbox.",
        ],
    )
