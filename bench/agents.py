"""Categorisations by the agent with `local`, through the public API: how many a second, and what a run costs beside its
model. The limit beside it is the model alone: the classifier called in a loop in one process."""

import asyncio
import time
from dataclasses import dataclass
from statistics import quantiles
from typing import Any

import httpx2
from fastmcp.client import Client
from fastmcp.client.transports import StreamableHttpTransport

from app.inference.local.categorize import categorize
from bench.report import Figures
from bench.stack import Stack, running

RUNS = 60
TOOL_CALLS = 100
AT_ONCE = 4
TEXTS = [f"The checkout fails with ERR_PAYMENT_50{n} since nine, customers cannot pay." for n in range(10)]


@dataclass(frozen=True)
class Measured:
    """`beside` and `waited`: seconds in which no model was at work, of the run from its start to its end, and of the
    person from the request to the answer; of runs one after the other. `crowded` is `beside` of runs several at a time,
    `rate` how many of these a second."""

    rate: float
    beside: list[float]
    waited: list[float]
    crowded: list[float]


async def _ours(url: str, token: str) -> Measured:
    headers = {"Authorization": f"Bearer {token}"}
    gate = asyncio.Semaphore(AT_ONCE)
    async with httpx2.AsyncClient(base_url=f"{url}/api/v1", headers=headers, trust_env=False, timeout=60) as client:

        async def one(number: int) -> tuple[str, float]:
            async with gate:
                started = time.perf_counter()
                answer = await client.post("/agent/categorize", json={"description": TEXTS[number % len(TEXTS)]})
                answer.raise_for_status()
                return answer.json()["run_id"], time.perf_counter() - started

        async def without_model(run_id: str, seconds: float) -> tuple[float, float]:
            run = (await client.get(f"/agent/runs/{run_id}")).json()
            by_model = sum(call["seconds"] for call in run["model_calls"])
            return run["seconds"] - by_model, seconds - by_model

        await asyncio.gather(*(one(number) for number in range(AT_ONCE * 2)))
        alone = [await without_model(*await one(number)) for number in range(RUNS)]
        started = time.perf_counter()
        many = await asyncio.gather(*(one(number) for number in range(RUNS)))
        rate = RUNS / (time.perf_counter() - started)
        crowded = [(await without_model(*run))[0] for run in many]
        return Measured(rate, [beside for beside, _ in alone], [waited for _, waited in alone], crowded)


async def _tools(stack: Stack, token: str) -> dict[str, float]:
    """p95 in milliseconds of one call after the other, by a client that stays connected."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(base_url=f"{stack.url}/api/v1", headers=headers, trust_env=False) as api:
        made = await api.post("/tickets", json={"title": "Checkout fails", "description": TEXTS[0]})
        given = (await api.post("/agent/tool-token", json={})).json()
    asked: dict[str, dict[str, Any]] = {
        "get_ticket": {"ticket_id": made.json()["id"]},
        "route_to_team": {"category": "bug", "priority": "low"},
        "search_tickets": {"query": "checkout"},
    }
    found = {}
    async with Client(StreamableHttpTransport(given["mcp_url"], auth=given["access_token"])) as client:
        for tool, arguments in asked.items():
            times = []
            for _ in range(TOOL_CALLS):
                started = time.perf_counter()
                await client.call_tool(tool, arguments)
                times.append(time.perf_counter() - started)
            found[tool] = quantiles(times, n=20)[-1] * 1000
    return found


def _bare() -> float:
    categorize(TEXTS[0])
    started = time.perf_counter()
    for number in range(RUNS):
        categorize(TEXTS[number % len(TEXTS)])
    return RUNS / (time.perf_counter() - started)


def _half_and_most(seconds: list[float]) -> str:
    twentieths = quantiles(seconds, n=20)
    return f"{twentieths[9] * 1000:.0f} · {twentieths[-1] * 1000:.0f} ms"


def run() -> Figures:
    with running("api", "relay", "worker", "mcp", EVIDESK_TOOLS__CLIENT_CALLS_PER_MINUTE="1000000") as stack:
        ours = asyncio.run(_ours(stack.url, stack.token()))
        tools = asyncio.run(_tools(stack, stack.token()))
    bare = _bare()
    called = ", ".join(f"{tool} {milliseconds:.0f} ms" for tool, milliseconds in tools.items())
    return Figures(
        "Categorisation by the agent, `local`",
        [
            "what",
            "classifier alone",
            "Evidesk, request → answer",
            "ratio",
            "run without its model, p50 · p95",
            f"the same, {AT_ONCE} at a time",
            "request → answer without it, p50 · p95",
            "a tool call, p95",
        ],
        [
            [
                "categorisations a second",
                f"{bare:.0f}",
                f"{ours.rate:.1f}",
                f"{ours.rate / bare:.3f}",
                _half_and_most(ours.beside),
                _half_and_most(ours.crowded),
                _half_and_most(ours.waited),
                called,
            ]
        ],
        [
            f"{RUNS} runs, {AT_ONCE} at a time, two worker processes; tools over MCP and storage included.",
            f"The other times are of {RUNS} more runs, one after the other.",
            f"{TOOL_CALLS} calls of each tool over MCP, one after the other.",
        ],
    )
