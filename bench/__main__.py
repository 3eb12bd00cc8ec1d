"""`python -m bench [name …]`: run the named benchmarks and print them, or all, and write them to docs/benchmarks.md."""

import sys
from collections.abc import Callable
from pathlib import Path

from app.core.clock import now
from bench import (
    agents,
    answering,
    answers,
    classifier,
    conversations,
    faults,
    knowledge,
    machine,
    realtime,
    recognition,
    retrieval,
    road,
    tickets,
    transcription,
    tus,
    upload,
)
from bench.report import BEGIN, END, Figures

ALL: dict[str, Callable[[], Figures]] = {
    "tickets": tickets.run,
    "upload": upload.run,
    "tus": tus.run,
    "recognition": recognition.run,
    "transcription": transcription.run,
    "road": road.run,
    "realtime": realtime.run,
    "agents": agents.run,
    "faults": faults.run,
    "conversations": conversations.run,
    "retrieval": retrieval.run,
    "answers": answers.run,
    "answering": answering.run,
    "knowledge": knowledge.run,
    "classifier": classifier.run,
}


DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def _write(figures: str) -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{figures}{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    names = sys.argv[1:] or list(ALL)
    if unknown := set(names) - set(ALL):
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    parts = [f"Machine: {machine.describe()}. {now().date().isoformat()}.\n"]
    for name in names:
        parts.append(ALL[name]().markdown())
        print(parts[-1], flush=True)
    if not sys.argv[1:]:
        _write("\n".join(parts))


if __name__ == "__main__":
    main()
