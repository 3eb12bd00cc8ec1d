import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator

import pytest

RunPython = Callable[[str], "subprocess.Popen[str]"]


@pytest.fixture
def run_python() -> Iterator[RunPython]:
    """Runs a piece of Python as a process of its own, with its output on pipes; killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def run(source: str) -> "subprocess.Popen[str]":
        command = [sys.executable, "-c", textwrap.dedent(source)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()
