"""The three servers that do the same job, each with a publisher beside it, on Redis of their own."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import asyncpg

from app.core.auth import TokenSigner
from app.embedded.process import free_port
from bench.realtime.load import Dialect, Step, frame
from bench.stack import ROOT, running, started, wait_for

HERE = Path(__file__).resolve().parent
PEERS = ROOT / ".cache" / "bench-peers"
NPM = ["socket.io@4.8.4", "@socket.io/redis-adapter@8.3.0", "@socket.io/redis-emitter@5.1.0", "redis@6.3.1"]
PYPI = ["channels", "channels_redis", "uvicorn[standard]"]
SECRET = "a secret of a server that lives for minutes"  # noqa: S105
HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class System:
    """A running server: its process, its port, how to speak to it, and the input of its publisher."""

    name: str
    pid: int
    port: int
    dialect: Dialect
    ticket: str
    tokens: list[str]
    publisher: "subprocess.Popen[str]"

    def publish(self, mark: str, *, live: bool = True) -> None:
        """Returns when it has left the publisher; `live` False: into the history alone."""
        data = {"ticket_id": 1, "status": "open", "updated_by": mark, "timestamp": "2026-11-25T08:00:00Z"}
        assert self.publisher.stdin is not None
        self.publisher.stdin.write(json.dumps({"ticket": self.ticket, "live": live, "data": data}) + "\n")
        self.publisher.stdin.flush()

    def published(self) -> None:
        assert self.publisher.stdout is not None
        if self.publisher.stdout.readline() != "done\n":
            raise RuntimeError(f"the publisher of {self.name} failed")


@contextmanager
def evidesk(count: int) -> Iterator[System]:
    # One process, as the others are. Who may come in is asked of the database, as always.
    with running("api", EVIDESK_HTTP__WORKERS="1", EVIDESK_TELEMETRY__LOG_LEVEL="WARNING") as stack:
        secret = (stack.directory / "token_secret").read_text(encoding="ascii")
        logins = _people(stack.plane.database_url, count)
        signer = TokenSigner(secret)
        tokens = [signer.mint(user, audience="api", lifetime=HOUR, family=str(family)) for user, family in logins]

        def steps(_token: str, after: int | None) -> list[Step]:
            data = {"ticket_id": 1} if after is None else {"ticket_id": 1, "after": after}
            asked = json.dumps({"type": "subscribe_ticket", "data": data})
            return [Step(frame(asked), b'"subscribed":true')]

        dialect = Dialect(lambda token: f"/ws?token={token}", steps)
        with _publisher([sys.executable, "-m", "bench.realtime.publish"], stack.environment) as publisher:
            yield System("Evidesk", stack.pid("api"), stack.port, dialect, "ticket:1:staff", tokens, publisher)


def _people(database_url: str, count: int) -> list[tuple[int, uuid.UUID]]:
    """As many agents, each with a login; and a ticket to watch."""

    async def insert() -> list[tuple[int, uuid.UUID]]:
        db = await asyncpg.connect(database_url.replace("+asyncpg", ""))
        await db.execute(
            "INSERT INTO users (username, email, password_hash, role, active, version) "
            "SELECT 'load-' || n, 'load-' || n || '@example.com', 'none', 'agent', true, 1 "
            "FROM generate_series(1, $1::int) n",
            count,
        )
        rows = await db.fetch(
            "INSERT INTO login_families (id, user_id, expires_at) "
            "SELECT gen_random_uuid(), id, now() + interval '1 day' FROM users WHERE username LIKE 'load-%' "
            "RETURNING user_id, id"
        )
        await db.execute(
            "INSERT INTO tickets (title, description, category, status, priority, tags, requester_id, version) "
            "VALUES ('Load', 'Load', 'general', 'open', 'medium', '{}', $1, 1)",
            rows[0]["user_id"],
        )
        await db.close()
        return [(row["user_id"], row["id"]) for row in rows]

    return asyncio.run(insert())


def _tokens(count: int) -> list[str]:
    signer = TokenSigner(SECRET)
    return [signer.mint(number, audience="api", lifetime=HOUR) for number in range(1, count + 1)]


@contextmanager
def socketio(count: int) -> Iterator[System]:
    node = PEERS / "node"
    if not (node / "node_modules" / "socket.io").exists():
        node.mkdir(parents=True, exist_ok=True)
        subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(node), *NPM], check=True)
    shutil.copy(HERE / "socketio.mjs", node)
    command = ["node", str(node / "socketio.mjs")]

    def steps(token: str, after: int | None) -> list[Step]:
        entry = frame("40" + json.dumps({"token": token}))
        asked = frame("42" + json.dumps(["subscribe", {"ticket": "ticket:1", "after": after}]))
        return [Step(None, b"0{"), Step(entry, b"40{"), Step(asked, b"subscribed")]

    # Its own ping is a text message.
    dialect = Dialect(lambda _: "/socket.io/?EIO=4&transport=websocket", steps, {b"\x81\x012": frame("3")})
    with _peer("Socket.IO + Redis adapter", [*command, "server"], [*command, "publish"], dialect, count) as system:
        yield system


@contextmanager
def channels(count: int) -> Iterator[System]:
    venv = PEERS / "channels"
    python = str(venv / "bin" / "python")
    if not (venv / "bin" / "uvicorn").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PYPI], check=True)
    serving = [python, "-m", "uvicorn", "channels_peer:application", "--app-dir", str(HERE), "--lifespan", "off"]
    serving += ["--port", "{port}", "--no-access-log", "--log-level", "warning", "--ws-per-message-deflate", "false"]
    # One update to all takes it longer than the usual 20 s for an answer to a ping.
    serving += ["--ws-ping-timeout", "600"]

    def steps(_token: str, after: int | None) -> list[Step]:
        return [Step(frame(json.dumps({"ticket": "ticket.1", "after": after})), b'"subscribed"')]

    dialect = Dialect(lambda token: f"/ws?token={token}", steps)
    with _peer("Django Channels", serving, [python, str(HERE / "channels_peer.py")], dialect, count) as system:
        yield system


@contextmanager
def _peer(name: str, serving: list[str], publishing: list[str], dialect: Dialect, count: int) -> Iterator[System]:
    with ExitStack() as leaving:
        stack = leaving.enter_context(running())
        port = free_port()
        log = stack.directory / "peer.log"
        own = {"BENCH_REDIS_URL": stack.plane.redis_url, "BENCH_SECRET": SECRET, "BENCH_PORT": str(port)}
        environment = {**os.environ, **own}
        command = [part.format(port=port) for part in serving]
        server = leaving.enter_context(started(command, environment, log))
        wait_for(f"http://127.0.0.1:{port}/", log)
        publisher = leaving.enter_context(_publisher(publishing, environment))
        ticket = "ticket.1" if "Channels" in name else "ticket:1"
        yield System(name, server.pid, port, dialect, ticket, _tokens(count), publisher)


@contextmanager
def _publisher(command: list[str], environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment, cwd=ROOT) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()
