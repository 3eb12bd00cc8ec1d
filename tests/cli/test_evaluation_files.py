"""A user's own documents and questions: what is wrong with them is said with its line, before anything is measured."""

import json
from pathlib import Path

import pytest

from app.commands.evaluation_files import Unusable, chosen, read
from app.knowledge.schemas import MAX_TEXT

DOCUMENT = {"id": "a", "text": "The printer shows E-77 when its tray is empty."}
QUESTION = {"id": "1", "question": "What does E-77 mean?", "relevant": ["a"]}


def lines(*rows: object) -> bytes:
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def test_a_byte_order_mark_windows_line_ends_empty_lines_and_numbers_as_ids_are_read(tmp_path: Path) -> None:
    (tmp_path / "d").write_bytes(b"\xef\xbb\xbf" + lines({"id": 7, "text": "a\x00b"}).replace(b"\n", b"\r\n") + b"\n\n")
    (tmp_path / "q").write_bytes(lines({"id": 1, "question": "E-77?", "relevant": [7]}))
    (document,), (question,) = read(tmp_path / "d", tmp_path / "q")
    assert (document.id, document.text, question.relevant) == ("7", "a b", ["7"])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no document."),
        (
            lines(*[{"id": n, "text": "x"} for n in range(6)]) + b'{"id": 7, "text": \n',
            r"line 7: this is no JSON \(EOF",
        ),
        (b"[\n", "each line must be one JSON object."),
        (b'"a"\n', "line 1: each line must be one JSON object."),
        (lines({"id": "a"}), "line 1: text is missing."),
        (lines({"id": "a", "text": 5.5, "title": []}), "line 1: title: Input should be a valid string."),
        (lines({"id": "a", "text": " \n"}), "line 1: text: must not be blank."),
        (lines({"id": "a", "text": "x" * (MAX_TEXT + 1)}), f"line 1: text: String should have at most {MAX_TEXT} char"),
        (lines(DOCUMENT, {"id": "b", "text": "x"}, DOCUMENT), "line 3: the id 'a' is that of line 1."),
        (lines(DOCUMENT) + b'{"id":"b","text":"Gr\xfc\xdfe"}', "line 2: byte 21 is not UTF-8."),
        (lines(DOCUMENT).decode().encode("utf-16"), "is UTF-16; save it as UTF-8."),
    ],
)
def test_documents_that_cannot_be_used_are_refused_with_their_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "d").write_bytes(content)
    (tmp_path / "q").write_bytes(lines(QUESTION))
    with pytest.raises(Unusable, match=said):
        read(tmp_path / "d", tmp_path / "q")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "holds no question."),
        (lines({"id": "1", "question": "E-77?", "relevant": "a"}), "line 1: relevant: Input should be a valid array."),
        (lines(QUESTION, {"id": "2", "question": "x", "answerable": "so so"}), "line 2: answerable: Input should be a"),
        (lines({"id": "1", "question": "E-77?", "relevant": ["zz"]}), r"none of its relevant .* line 1 \(zz\)."),
    ],
)
def test_questions_that_cannot_be_used_are_refused_with_their_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "d").write_bytes(lines(DOCUMENT))
    (tmp_path / "q").write_bytes(content)
    with pytest.raises(Unusable, match=said):
        read(tmp_path / "d", tmp_path / "q")


def test_what_can_be_lived_with_is_said_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "d").write_bytes(lines(DOCUMENT))
    lost = [{"id": str(n), "question": "E-77?", "relevant": ["zz"]} for n in range(2, 9)]
    (tmp_path / "q").write_bytes(lines(QUESTION, *lost, QUESTION))
    assert len(read(tmp_path / "d", tmp_path / "q")[1]) == 9
    said = capsys.readouterr().err
    assert "met before: line 9 (as line 1)\n" in said
    assert "count as not found: line 2 (zz), line 3 (zz)" in said
    assert "and 2 more\n" in said


def test_the_command_ends_with_2_and_nothing_on_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["evaluate", "--documents", str(tmp_path), "--questions", str(tmp_path / "q")])
    with pytest.raises(SystemExit, match="2"):
        chosen("evidesk knowledge evaluate")
    assert capsys.readouterr() == ("", f"{tmp_path} cannot be read: Is a directory.\n")
