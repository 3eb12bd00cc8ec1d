"""Fifty customers ask at once while workers are killed and Redis stands still: none is lost, none answered twice."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx2
import psutil

from bench.report import Figures
from bench.stack import PASSWORD, ROOT, Stack, running, started

CONVERSATIONS = 50
QUESTIONS = ("How do I restart the scanner?", "What does E-77 mean?", "What does a new battery for the drone cost?")
MANUAL = "To restart the scanner, hold the red button for five seconds. The scanner shows E-77 when its glass is dirty."
KILLS = 4
BETWEEN_KILLS_SECONDS = 6.0
REDIS_STILL_SECONDS = 3.0
PATIENCE_SECONDS = 300
LEASE_SECONDS = 8


@dataclass(frozen=True)
class Chain:
    """One conversation as it ended, and the tickets of its customer."""

    status: str
    messages: list[dict[str, Any]]
    tickets: int

    def asked(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if message["role"] == "customer"]

    def answers(self, question: dict[str, Any]) -> int:
        return sum(
            message["role"] == "assistant" and message["reply_to"] == question["message_id"]
            for message in self.messages
        )

    def settled(self) -> bool:
        """Every question is answered, or the whole is with a person."""
        return len(self.asked()) == len(QUESTIONS) and (
            self.status == "escalated" or all(self.answers(question) for question in self.asked())
        )


async def _load(client: httpx2.AsyncClient, admin: dict[str, str]) -> None:
    made = await client.post("/knowledge/documents", json={"title": "Scanner manual", "text": MANUAL}, headers=admin)
    made.raise_for_status()
    document = f"/knowledge/documents/{made.json()['doc_id']}"
    while True:
        if (await client.get(document, headers=admin)).json()["status"] == "indexed":
            return
        await asyncio.sleep(0.2)


async def _converse(client: httpx2.AsyncClient, token: str) -> str:
    headers = {"Authorization": f"Bearer {token}"}
    session = await client.post("/sessions", headers=headers)
    session.raise_for_status()
    for question in QUESTIONS:
        path = f"/sessions/{session.json()['session_id']}/messages"
        (await client.post(path, json={"content": question}, headers=headers)).raise_for_status()
        await asyncio.sleep(1)
    return str(session.json()["session_id"])


async def _chain(client: httpx2.AsyncClient, token: str, session_id: str) -> Chain:
    headers = {"Authorization": f"Bearer {token}"}
    session = (await client.get(f"/sessions/{session_id}", headers=headers)).json()
    messages = (await client.get(f"/sessions/{session_id}/messages?limit=100", headers=headers)).json()
    tickets = (await client.get("/tickets?limit=100", headers=headers)).json()
    return Chain(session["status"], messages, len(tickets))


async def _disturb(stack: Stack, workers: ExitStack) -> None:
    """Kill every process of the worker, again and again, each followed by a new one; and let Redis stand still."""
    worker = psutil.Process(stack.pid("worker"))
    redis = next(one for one in psutil.Process().children(recursive=True) if one.name().startswith("redis-server"))
    for number in range(KILLS):
        await asyncio.sleep(BETWEEN_KILLS_SECONDS)
        for one in [*worker.children(recursive=True), worker]:
            os.kill(one.pid, signal.SIGKILL)
        command = [sys.executable, "-m", "app.cli", "worker"]
        log = stack.directory / f"worker-{number}.log"
        worker = psutil.Process(workers.enter_context(started(command, stack.environment, log)).pid)
        redis.suspend()
        await asyncio.sleep(REDIS_STILL_SECONDS)
        redis.resume()


async def _measured(stack: Stack, admin: dict[str, str], workers: ExitStack) -> tuple[float, list[Chain]]:
    tokens = [await asyncio.to_thread(stack.token, f"customer{number}") for number in range(CONVERSATIONS)]
    async with httpx2.AsyncClient(base_url=f"{stack.url}/api/v1", trust_env=False, timeout=60) as client:
        await _load(client, admin)
        begun = time.perf_counter()
        disturbing = asyncio.create_task(_disturb(stack, workers))
        sessions = await asyncio.gather(*(_converse(client, token) for token in tokens))
        await disturbing
        while True:
            chains = [await _chain(client, token, one) for token, one in zip(tokens, sessions, strict=True)]
            seconds = time.perf_counter() - begun
            if all(chain.settled() for chain in chains) or seconds > PATIENCE_SECONDS:
                return seconds, chains
            await asyncio.sleep(1)


def run() -> Figures:
    lease = str(LEASE_SECONDS)
    with (
        running(
            "api", "relay", "worker", "mcp", EVIDESK_ADMIN_PASSWORD=PASSWORD, EVIDESK_JOBS__LEASE_SECONDS=lease
        ) as stack,
        ExitStack() as workers,
    ):
        create = [sys.executable, "-m", "app.commands.create_admin"]
        subprocess.run(create, env=stack.environment, cwd=ROOT, check=True, capture_output=True)
        with httpx2.Client(base_url=f"{stack.url}/api/v1", trust_env=False, timeout=30) as client:
            login = client.post("/auth/login", json={"username": "admin", "password": PASSWORD})
            login.raise_for_status()
        admin = {"Authorization": f"Bearer {login.json()['access_token']}"}
        seconds, chains = asyncio.run(_measured(stack, admin, workers))
    questions = [(chain, question) for chain in chains for question in chain.asked()]
    lost = len(QUESTIONS) * CONVERSATIONS - sum(
        chain.answers(question) > 0 or chain.status == "escalated" for chain, question in questions
    )
    return Figures(
        "Fifty conversations at once, workers killed and Redis standing still",
        ["conversations", "questions", "lost", "answered twice", "handed over", "handed over twice", "seconds"],
        [
            [
                str(CONVERSATIONS),
                str(len(questions)),
                str(lost),
                str(sum(chain.answers(question) > 1 for chain, question in questions)),
                str(sum(chain.status == "escalated" for chain in chains)),
                str(sum(chain.tickets > 1 for chain in chains)),
                f"{seconds:.0f}",
            ]
        ],
        [
            f"{KILLS} times the worker is killed (SIGKILL) and Redis stopped for {REDIS_STILL_SECONDS:.0f} s.",
            f"Leases of {LEASE_SECONDS} s, so that the wait for a killed worker's work is not what is measured.",
            "Of three questions the manual answers two; the third is to be handed over, as one ticket.",
        ],
    )
