"""The launcher, in this process with the steps recorded that cannot be undone, and as a script."""

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.embedded import launch

PR_GET_PDEATHSIG = 2

RunPython = Callable[[str], "subprocess.Popen[str]"]


class Became(Exception):
    """Instead of another program."""


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What would have been done to this process."""
    done: list[tuple[object, ...]] = []

    def execv(path: str, argv: list[str]) -> None:
        done.append(("execv", path, argv))
        raise Became

    monkeypatch.setattr(os, "execv", execv)
    for name in ("setgroups", "setgid", "setuid"):
        monkeypatch.setattr(os, name, lambda value, name=name: done.append((name, value)))
    monkeypatch.setattr(launch, "_prctl", lambda *arguments: done.append(("prctl", *arguments)))
    return done


def run(**spec: object) -> None:
    with pytest.raises(Became):
        launch.main([json.dumps({"parent": os.getppid(), "argv": ["/bin/true", "x"], "death_signal": 15} | spec)])


def test_it_asks_for_its_death_signal_and_becomes_the_program(steps: list[tuple[object, ...]]) -> None:
    run()
    assert steps == [("prctl", launch.PR_SET_PDEATHSIG, 15), ("execv", "/bin/true", ["/bin/true", "x"])]


def test_it_changes_user_before_it_asks_since_that_would_undo_it(steps: list[tuple[object, ...]]) -> None:
    run(uid=1, gid=2)
    assert [step[0] for step in steps] == ["setgroups", "setgid", "setuid", "prctl", "execv"]
    assert steps[:3] == [("setgroups", []), ("setgid", 2), ("setuid", 1)]


@pytest.mark.parametrize(
    ("held", "kept"),
    [
        (1 << launch.CAP_DAC_READ_SEARCH | 1 << launch.CAP_DAC_OVERRIDE, launch.CAP_DAC_READ_SEARCH),
        (1 << launch.CAP_DAC_OVERRIDE, launch.CAP_DAC_OVERRIDE),
    ],
)
def test_of_roots_rights_it_keeps_the_narrowest_that_walks_through_closed_directories(
    held: int, kept: int, steps: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_permitted", lambda: held)
    monkeypatch.setattr(launch, "_keep_only", lambda capability: steps.append(("keep", capability)))
    run(uid=1, gid=2, reach=True)
    assert steps[0] == ("prctl", launch.PR_SET_KEEPCAPS, 1)
    assert ("keep", kept) in steps


def test_without_such_a_right_it_goes_on_without(
    steps: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch, "_permitted", lambda: 0)
    run(uid=1, gid=2, reach=True)
    assert steps[0] == ("setgroups", [])


def test_it_does_not_start_the_program_when_the_parent_is_gone(steps: list[tuple[object, ...]]) -> None:
    with pytest.raises(SystemExit, match="the parent died first"):
        launch.main([json.dumps({"parent": 1 + os.getppid(), "argv": ["/bin/true"], "death_signal": 15})])
    assert not any(step[0] == "execv" for step in steps)


def test_elsewhere_than_on_linux_it_only_becomes_the_program(
    steps: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    run(uid=1, gid=2, reach=True)
    assert [step[0] for step in steps] == ["setgroups", "setgid", "setuid", "execv"]


def test_the_kernel_takes_the_death_signal_and_refuses_nonsense() -> None:
    before = ctypes.c_int()
    libc = ctypes.CDLL(None)
    libc.prctl(PR_GET_PDEATHSIG, ctypes.byref(before))
    launch._prctl(launch.PR_SET_PDEATHSIG, before.value)
    with pytest.raises(OSError, match="prctl"):
        launch._prctl(launch.PR_SET_PDEATHSIG, 12_345)


def test_the_rights_of_this_process_are_read_from_the_kernel() -> None:
    shown = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("CapPrm"))
    assert launch._permitted() == int(shown.split()[1], 16)


def test_one_right_is_kept_and_another_cannot_be_taken_after_that(run_python: RunPython) -> None:
    # In a process of its own: rights once given up do not come back.
    child = run_python(
        """
        from app.embedded import launch
        for capability in (launch.CAP_DAC_READ_SEARCH, launch.CAP_DAC_OVERRIDE):
            try:
                launch._keep_only(capability)
                print(launch._permitted())
            except OSError as error:
                print(error)
        """
    )
    first, second = child.communicate()[0].splitlines()
    assert first == (str(1 << launch.CAP_DAC_READ_SEARCH) if os.geteuid() == 0 else second)
    assert "capset: Operation not permitted" in second


def test_as_a_script_it_becomes_the_program() -> None:
    spec = {"parent": os.getpid(), "argv": ["/bin/echo", "hello"], "death_signal": int(signal.SIGTERM)}
    command = [sys.executable, "-I", "-S", launch.__file__, json.dumps(spec)]
    assert subprocess.run(command, capture_output=True, text=True).stdout == "hello\n"
