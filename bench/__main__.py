"""`python -m bench [--keep NOTE] [name …]`: run the named benchmarks and print them, or all, and write those to
docs/benchmarks.md. With `--keep` the named ones take the place of theirs in that document too, with the date and the
note, such as how busy the machine was.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
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
    manual,
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
    "manual": manual.run,
    "knowledge": knowledge.run,
    "classifier": classifier.run,
    "desk": classifier.run_desk,
}


DOCUMENT = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def _replace(found: Figures) -> None:
    """Its part of the document, or a new one at the end."""
    document = DOCUMENT.read_text(encoding="utf-8")
    inside, end = document.index(BEGIN), document.index(END)
    part = f"{found.markdown()}\n"
    start = document.find(f"{found.heading}\n", inside, end)
    if start < 0:
        DOCUMENT.write_text(document[:end].rstrip("\n") + "\n\n" + part + document[end:], encoding="utf-8")
        return
    after = document.find("\n### ", start, end)
    after = end if after < 0 else after + 1
    DOCUMENT.write_text(document[:start] + part + document[after:], encoding="utf-8")


def _write(figures: str) -> None:
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n{figures}{END}{rest.partition(END)[2]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--keep", metavar="NOTE")
    parser.add_argument("names", nargs="*")
    given = parser.parse_args()
    names = given.names or list(ALL)
    if unknown := set(names) - set(ALL):
        raise SystemExit(f"no such benchmark: {', '.join(sorted(unknown))}; there are {', '.join(ALL)}")
    parts = [f"Machine: {machine.describe()}. {now().date().isoformat()}.\n"]
    for name in names:
        found = ALL[name]()
        if given.keep is not None:
            found = replace(found, notes=[*found.notes, f"{now().date().isoformat()}; {given.keep}."])
            _replace(found)
        parts.append(found.markdown())
        print(parts[-1], flush=True)
    if not given.names and given.keep is None:
        _write("\n".join(parts))


if __name__ == "__main__":
    main()
