"""The classifier judged on somebody's own export."""

import csv
import json
from pathlib import Path

import pytest

from app.commands import classifier as command
from app.commands.classifier import Table, UnusableTable, main, read
from app.commands.refusing import UNUSABLE

WORDS = {
    "billing": ["invoice charged twice", "refund the payment", "credit card was debited", "wrong amount on my bill"],
    "access": ["cannot log in", "password reset fails", "account is locked", "two factor code refused"],
    "delivery": [
        "parcel never arrived",
        "courier lost the box",
        "tracking shows no movement",
        "shipped to old address",
    ],
}


def table(path: Path, rows: list[tuple[str, str, str]], names: tuple[str, ...] = ("subject", "body", "queue")) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(rows)
    return path


def desk(label_of: dict[str, list[str]], endings: range) -> list[tuple[str, str, str]]:
    return [
        (text, f"Hello,\\n\\n{text} in case {number}", label)
        for label, texts in label_of.items()
        for text in texts
        for number in endings
    ]


def call(train: Path, test: Path, *more: str) -> int:
    return main(["--train", str(train), "--test", str(test), "--text=subject,body", "--label=queue", *more])


def test_what_is_clear_is_learned_and_the_answer_is_one_line_that_repeats(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = table(tmp_path / "a.csv", [*desk(WORDS, range(4)), ("alone", "", "rare"), ("nobody", "knows", "")])
    odd = [("", "", "billing"), ("§§", "x" * 200_000, "unheard of")]
    test = table(tmp_path / "b.csv", [*desk(WORDS, range(4, 6)), *odd])
    assert call(train, test, "--json") == 0
    first = capsys.readouterr()
    found = json.loads(first.out)
    assert list(found) == ["accuracy", "macro_f1", "ece", "coverage_at_90", "selective_accuracy", "n"]
    assert found["n"] == 26
    assert found["accuracy"] >= 24 / 26 - 0.001
    assert "1 labels that occur only once are not learned" in first.err
    assert "1 rows without queue are left out" in first.err
    assert call(train, test, "--json") == 0
    assert capsys.readouterr().out == first.out


def test_two_labels_are_enough_and_the_figures_can_be_read_by_a_person(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    two = {name: WORDS[name] for name in ("billing", "access")}
    train, test = table(tmp_path / "a.csv", desk(two, range(30))), table(tmp_path / "b.csv", desk(two, range(30, 32)))
    assert call(train, test) == 0
    assert "accuracy: 1.0\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("names", "rows", "words"),
    [
        (("title", "body", "queue"), [("a", "b", "c")], "has no column subject; it has: title, body, queue."),
        (("subject", "body", "queue", "body"), [("a", "b", "c")], "has the column body more than once."),
        (("subject", "body", "queue"), [("a", "b", "c")] * 20, "Training needs 10 different texts and two labels"),
        (("subject", "body", "queue"), [], "Training needs 10 different texts and two labels"),
        (("subject", "body", "queue"), [(f"case {n}", "", "one") for n in range(20)], "two labels that occur twice"),
        (("subject", "body", "queue"), [(f"case {n}", "", f"L{n % 201}") for n in range(402)], "There are 201 labels"),
    ],
)
def test_an_unusable_table_is_said_to_be_so(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    names: tuple[str, ...],
    rows: list[tuple[str, str, str]],
    words: str,
) -> None:
    test = table(tmp_path / "b.csv", desk(WORDS, range(1)))
    assert call(table(tmp_path / "a.csv", rows, names), test, "--json") == UNUSABLE
    said = capsys.readouterr()
    assert (said.out, words in said.err) == ("", True)


def test_a_missing_file_an_empty_test_and_no_column_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train, empty = table(tmp_path / "a.csv", desk(WORDS, range(2))), table(tmp_path / "b.csv", [])
    assert call(train, tmp_path / "nowhere.csv") == UNUSABLE
    assert "cannot be read: No such file" in capsys.readouterr().err
    assert call(train, empty) == UNUSABLE
    assert "no row to test on" in capsys.readouterr().err
    assert main(["--train", str(train), "--test", str(empty), "--text", ",", "--label", "queue"]) == UNUSABLE
    assert "names no column" in capsys.readouterr().err


def test_the_label_is_no_text_to_tell_it_from(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = table(tmp_path / "a.csv", desk(WORDS, range(2)))
    assert main(["--train", str(both), "--test", str(both), "--text=subject,queue", "--label=queue"]) == UNUSABLE
    assert "cannot be part of it" in capsys.readouterr().err


def test_a_row_met_again_is_learned_once_and_only_so_many_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(command, "MAX_ROWS", 30)
    rows = desk(WORDS, range(4))
    train, test = table(tmp_path / "a.csv", [*rows, *rows]), table(tmp_path / "b.csv", desk(WORDS, range(4, 6)))
    assert call(train, test, "--json") == 0
    said = capsys.readouterr()
    assert "48 rows that repeat another are learned once" in said.err
    assert "30 of 48 rows are learned" in said.err
    assert json.loads(said.out)["accuracy"] > 0.9


def test_rows_cut_short_a_byte_order_mark_and_a_foreign_encoding_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = table(tmp_path / "a.csv", desk(WORDS, range(4)))
    odd = tmp_path / "b.csv"
    odd.write_bytes("\ufeffqueue,subject,body\naccess,password reset fails\nbilling\n".encode() + b"access,\xfc\xff,\n")
    assert call(train, odd, "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["n"] == 3
    assert "b.csv, line 4: this is not UTF-8" in said.err


def test_semicolons_and_tabs_separate_cells_too(tmp_path: Path) -> None:
    for separator in ";\t":
        odd = tmp_path / "odd.csv"
        odd.write_bytes(
            f"\ufeffid{separator}body{separator}queue\r\n1{separator}printers, paper{separator}d\r\n".encode()
        )
        assert read(odd, ["body"], "queue") == Table(["printers, paper"], ["d"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty; its first line must name the columns."),
        ("subject,body,queue\n".encode("utf-16"), "is UTF-16; save it as UTF-8."),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(UnusableTable, match=words):
        read(tmp_path / "a.csv", ["subject", "body"], "queue")
