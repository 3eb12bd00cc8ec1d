"""Train the classifier on one export of labelled tickets and judge it on another: nothing is stored."""

import argparse
import codecs
import csv
import json
import os
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from app.commands.refusing import UNUSABLE
from app.inference.embedding import default_embedder
from app.inference.errors import ModelUnavailable
from app.inference.local.selective import figures
from app.inference.local.stacking import learn
from app.inference.local.views import Texts, cleaned

MAX_CELL = 2**31 - 1
VECTOR_CHARS = 300
"""Sentence vectors take most of the time, in proportion to their text: they see its start, the terms all."""
MIN_ROWS = 10
SEPARATORS = ",;\t"
"""The first of those that name most of the columns."""
MAX_ROWS = 12_000
"""Training takes time with their cube and memory with their square: with these, minutes and about 3 GB."""
MAX_LABELS = 200
SEED = 3
CHUNK = 32


class UnusableTable(Exception):
    """Says what is wrong with a file, for the person who gave it."""


@dataclass(frozen=True, slots=True)
class Table:
    texts: list[str]
    labels: list[str]


def read(path: Path, columns: list[str], label: str) -> Table:
    """Rows without a label are left out; a missing text is an empty one. Raises UnusableTable."""
    if not columns:
        raise UnusableTable("--text names no column.")
    if label in columns:
        raise UnusableTable(f"{label} is to be told from the text, and cannot be part of it.")
    csv.field_size_limit(MAX_CELL)
    texts, labels, skipped, rows = [], [], 0, None
    try:
        separator = _separator(path, [*columns, label])
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file, delimiter=separator)
            for row in rows:
                if name := (row[label] or "").strip():
                    texts.append(cleaned("\n".join(filter(None, (row[column] for column in columns)))))
                    labels.append(name)
                else:
                    skipped += 1
    except OSError as error:
        raise UnusableTable(f"{path} cannot be read: {error.strerror}.") from error
    except csv.Error as error:
        where = f", line {rows.line_num}" if rows is not None else ""
        raise UnusableTable(f"{path}{where}: this is no usable CSV: {error}.") from error
    if skipped:
        _say(f"{path}: {skipped} rows without {label} are left out")
    return Table(texts, labels)


def _separator(path: Path, columns: list[str]) -> str:
    """Of a table that has these columns. Says where it is not UTF-8. Raises UnusableTable, OSError, csv.Error."""
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise UnusableTable(f"{path} is UTF-16; save it as UTF-8.")
            try:
                line.decode()
            except UnicodeDecodeError:
                _say(f"{path}, line {number}: this is not UTF-8; what cannot be read counts as unknown characters")
                break
    headers = {separator: _header(path, separator) for separator in SEPARATORS}
    if not any(headers.values()):
        raise UnusableTable(f"{path} is empty; its first line must name the columns.")
    found = max(headers, key=lambda separator: sum(name in headers[separator] for name in columns))
    there = headers[found]
    if missing := [name for name in columns if name not in there]:
        raise UnusableTable(f"{path} has no column {', '.join(missing)}; it has: {', '.join(there)}.")
    if twice := [name for name in columns if there.count(name) > 1]:
        raise UnusableTable(f"{path} has the column {', '.join(twice)} more than once.")
    return found


def _header(path: Path, separator: str) -> list[str]:
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return next(csv.reader(file, delimiter=separator), [])


def learnable(table: Table) -> Table:
    """Every text once for a label, for a row that is met again would be judged by itself; not more than `MAX_ROWS` of
    them, drawn by chance; and without the labels that occur once: nothing can be checked about them. Raises
    UnusableTable."""
    rows = list(
        {
            (" ".join(text.lower().split()), label): row
            for row, (text, label) in enumerate(zip(table.texts, table.labels, strict=True))
        }.values()
    )
    if repeated := len(table.labels) - len(rows):
        _say(f"{repeated} rows that repeat another are learned once")
    if len(rows) > MAX_ROWS:
        _say(f"{MAX_ROWS} of {len(rows)} rows are learned, drawn by chance")
        rows = [rows[drawn] for drawn in np.sort(np.random.default_rng(SEED).permutation(len(rows))[:MAX_ROWS])]
    counts = Counter(table.labels[row] for row in rows)
    if dropped := sum(number == 1 for number in counts.values()):
        _say(f"{dropped} labels that occur only once are not learned")
    rows = [row for row in rows if counts[table.labels[row]] > 1]
    table = Table([table.texts[row] for row in rows], [table.labels[row] for row in rows])
    labels = len(set(table.labels))
    if len(rows) < MIN_ROWS or labels < 2:
        raise UnusableTable(
            f"Training needs {MIN_ROWS} different texts and two labels that occur twice or more; "
            f"there are {len(rows)} texts of {labels} such labels."
        )
    if labels > MAX_LABELS:
        raise UnusableTable(f"There are {labels} labels; {MAX_LABELS} can be learned. Is the column the right one?")
    return table


def embedded(texts: list[str]) -> Texts:
    """Embedding releases the interpreter in its matrix products, so threads share the cores."""
    chunks = [[text[:VECTOR_CHARS] for text in texts[start : start + CHUNK]] for start in range(0, len(texts), CHUNK)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return Texts(texts, np.concatenate(list(pool.map(default_embedder().embed, chunks))))


def evaluate(train: Table, test: Table) -> dict[str, float | int | None]:
    """The threshold is chosen on `train` alone."""
    train = learnable(train)
    if not test.labels:
        raise UnusableTable("There is no row to test on.")
    _say(f"reading {len(train.texts)} texts to learn from and {len(test.texts)} to test on")
    known, unknown = embedded(train.texts), embedded(test.texts)
    trained, _ = learn(known, train.labels, lambda part: _say(f"training {part}"))
    return figures(trained.labels, trained.probabilities(unknown), test.labels, threshold=trained.threshold)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="evidesk classifier evaluate")
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--test", type=Path, required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--label", required=True)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(arguments)
    columns = [name.strip() for name in given.text.split(",") if name.strip()]
    try:
        found = evaluate(read(given.train, columns, given.label), read(given.test, columns, given.label))
    except (UnusableTable, ModelUnavailable) as error:
        _say(error.detail if isinstance(error, ModelUnavailable) else str(error))
        return UNUSABLE
    lines = [json.dumps(found)] if given.json else [f"{name}: {value}" for name, value in found.items()]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
