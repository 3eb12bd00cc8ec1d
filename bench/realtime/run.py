"""The measuring: one system after the other, each with the same load client."""

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from statistics import median

import psutil

from bench.realtime import systems
from bench.realtime.load import Load, many_files
from bench.realtime.systems import System
from bench.report import Figures

COUNT = int(os.environ.get("N", "10000"))
UPDATES = 6
MISSED = 5
"""Updates that everybody missed when they come back."""
WARM = 100
SETTLE_SECONDS = 3.0
PAUSE_SECONDS = 0.3


@dataclass(frozen=True)
class Measured:
    name: str
    kilobytes: float
    """Resident memory a connection, over the server's with none."""
    p50: float
    p99: float
    """Milliseconds from the hand-over to the publisher to a connection's receipt, over all updates."""
    connecting: float
    """Seconds until all were subscribed for the first time."""
    storm: float
    """Seconds until all had come back and received what they missed."""
    storm_p99: float
    connecting_work: float
    update_work: float
    """Processor seconds of the server for one update to all."""
    storm_work: float


def _worked(system: System) -> float:
    """Processor seconds of the server so far: what a busy machine does not change."""
    spent = psutil.Process(system.pid).cpu_times()
    return float(spent.user + spent.system)


def _resident(system: System) -> int:
    return int(psutil.Process(system.pid).memory_info().rss)


def _share(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def _measure(open_system: Callable[[int], AbstractContextManager[System]]) -> Measured:
    with open_system(COUNT) as system:
        warm = Load(system.port, system.dialect, system.tokens[:WARM])
        warm.connect_all()
        system.publish("warm")
        warm.receive_all(b'"warm"')
        system.published()
        warm.drop_all()
        time.sleep(SETTLE_SECONDS)
        empty = _resident(system)
        load = Load(system.port, system.dialect, system.tokens)
        started, worked = time.perf_counter(), _worked(system)
        load.connect_all()
        connecting, connecting_work = time.perf_counter() - started, _worked(system) - worked
        load.idle(SETTLE_SECONDS)
        kilobytes = (_resident(system) - empty) / COUNT / 1024
        waits: list[float] = []
        worked = _worked(system)
        for number in range(UPDATES):
            mark = f"u{number}."
            at = time.perf_counter()
            system.publish(mark)
            waits += [moment - at for moment in load.receive_all(mark.encode()).values()]
            system.published()
            load.idle(PAUSE_SECONDS)
        update_work = (_worked(system) - worked) / UPDATES
        load.drop_all()
        for number in range(MISSED):
            system.publish(f"missed{number}.", live=False)
            system.published()
        time.sleep(SETTLE_SECONDS)
        started, worked = time.perf_counter(), _worked(system)
        times = load.connect_all(after=UPDATES + 1, until=f"missed{MISSED - 1}.".encode())
        storm, storm_work = time.perf_counter() - started, _worked(system) - worked
        print(f"{system.name}: {load.failures} connections had to try again", flush=True)
        load.drop_all()
        return Measured(
            system.name,
            kilobytes,
            median(waits) * 1000,
            _share(waits, 0.99) * 1000,
            connecting,
            storm,
            _share(times, 0.99),
            connecting_work,
            update_work,
            storm_work,
        )


def run() -> Figures:
    with many_files():
        measured = [_measure(open_system) for open_system in (systems.evidesk, systems.socketio, systems.channels)]
    rows = [
        ["memory a connection, KiB", *(f"{one.kilobytes:.1f}" for one in measured)],
        ["one update to all, p50, ms", *(f"{one.p50:.0f}" for one in measured)],
        ["one update to all, p99, ms", *(f"{one.p99:.0f}" for one in measured)],
        ["all connect and subscribe, s", *(f"{one.connecting:.1f}" for one in measured)],
        [f"all come back, each missed {MISSED}, s", *(f"{one.storm:.1f}" for one in measured)],
        ["a connection then, p99, s", *(f"{one.storm_p99:.1f}" for one in measured)],
        ["server's processor time, connecting, s", *(f"{one.connecting_work:.1f}" for one in measured)],
        ["the same, one update to all, s", *(f"{one.update_work:.3f}" for one in measured)],
        ["the same, all come back, s", *(f"{one.storm_work:.1f}" for one in measured)],
    ]
    return Figures(
        f"{COUNT:,} live connections on one process",
        ["what", *(one.name for one in measured)],
        rows,
        [
            f"{UPDATES} updates, each to all: from hand-over to the publisher, through Redis, to the client's read.",
            "Evidesk asks the database for logins, tickets and history; the peers check a signed token alone.",
            "Channels runs on uvicorn with its pub/sub layer, the faster choices; no server compresses.",
        ],
    )
