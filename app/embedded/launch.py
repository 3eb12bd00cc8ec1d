"""Become another program that dies with its parent: `python launch.py '{"parent": …, "argv": […], …}'`.

Run as a script, with the standard library only, so that it costs milliseconds. What it does could be done between fork
and exec, but Python code there can deadlock in a process with threads. The keys are those of `Launch`.
"""

import ctypes
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

PR_SET_PDEATHSIG = 1
PR_SET_KEEPCAPS = 8
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_RAISE = 2
CAP_VERSION_3 = 0x20080522
CAP_DAC_OVERRIDE = 1
CAP_DAC_READ_SEARCH = 2


@dataclass(frozen=True)
class Launch:
    parent: int
    argv: list[str]
    death_signal: int
    """What the program gets when its parent is gone. Linux only; elsewhere the next start sweeps."""
    uid: int | None = None
    gid: int | None = None
    reach: bool = False
    """Let the other user walk through directories closed to it, such as a home of mode 0700 above our own."""


def _prctl(option: int, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    padded = [ctypes.c_ulong(value) for value in (*arguments, 0, 0, 0, 0)[:4]]
    if libc.prctl(option, *padded) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({option}): {os.strerror(number)}")


def _permitted() -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1], 16) for line in lines if line.startswith("CapPrm"))


def _keep_only(capability: int) -> None:
    header = (ctypes.c_uint32 * 2)(CAP_VERSION_3, 0)
    mask = 1 << capability
    # Effective, permitted, inheritable; then the same for capabilities above 31.
    data = (ctypes.c_uint32 * 6)(mask, mask, mask, 0, 0, 0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.capset(header, data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")
    _prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability)


def _change_user(launch: Launch) -> None:
    if launch.uid is None or launch.gid is None:
        return
    capability: int | None = None
    if launch.reach and sys.platform == "linux":
        held = _permitted()
        # The narrower right where we have it; a default container only has the wider one.
        capability = next((c for c in (CAP_DAC_READ_SEARCH, CAP_DAC_OVERRIDE) if held >> c & 1), None)
    if capability is not None:
        _prctl(PR_SET_KEEPCAPS, 1)
    os.setgroups([])
    os.setgid(launch.gid)
    os.setuid(launch.uid)
    if capability is not None:
        _keep_only(capability)


def main(arguments: list[str]) -> None:
    launch = Launch(**json.loads(arguments[0]))
    _change_user(launch)
    if sys.platform == "linux":
        # After the change of user, which clears it.
        _prctl(PR_SET_PDEATHSIG, launch.death_signal)
        if os.getppid() != launch.parent:
            sys.exit("the parent died first")
    os.execv(launch.argv[0], launch.argv)


if __name__ == "__main__":
    main(sys.argv[1:])
