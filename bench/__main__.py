"""`python -m bench [name …]`: run the named benchmarks, or all, and print Markdown."""

import sys
from collections.abc import Callable

from bench import machine, recognition, road, tickets, upload
from bench.report import Figures

ALL: dict[str, Callable[[], Figures]] = {
    "tickets": tickets.run,
    "upload": upload.run,
    "recognition": recognition.run,
    "road": road.run,
}


def main() -> None:
    names = sys.argv[1:] or list(ALL)
    if unknown := set(names) - set(ALL):
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    print(f"Machine: {machine.describe()}\n", flush=True)
    for name in names:
        print(ALL[name]().markdown(), flush=True)


if __name__ == "__main__":
    main()
