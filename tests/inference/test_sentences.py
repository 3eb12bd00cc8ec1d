import pytest

from app.inference.sentences import sentences

WRAPPED = """\
The memory is a copy of what the database holds: while it is away or behind, the messages
are read instead, and a late writer never overwrites a later state. It ends when all can be
found; what cannot be read is named.
"""


def said(text: str) -> list[str]:
    return [" ".join(text[start:end].split()) for start, end in sentences(text)]


def test_a_line_that_only_wraps_is_read_on() -> None:
    first, second = said(WRAPPED)
    assert first.endswith("the messages are read instead, and a late writer never overwrites a later state.")
    assert second == "It ends when all can be found; what cannot be read is named."


@pytest.mark.parametrize(
    "text",
    [
        "Go to Settings\nClick Save\nWait a minute",
        "- " + "a long item of a list " * 4 + "ends\n- " + "another item of it " * 4,
        "| a table with cells that are rather long | and one more that is long too |\n| the row | behind it |",
        "A heading stands over it without a full stop\n\n" + "The paragraph under it goes on for long. " * 3,
        "An unwrapped paragraph of one line " * 8 + "ends\nAnother one",
        "A line of verse that is broken by hand with two spaces at its end, as Markdown has it  \nand goes on",
    ],
    ids=["form", "list", "table", "heading", "paragraphs", "verse"],
)
def test_a_line_that_ends_by_itself_is_a_sentence(text: str) -> None:
    assert len(said(text)) >= len([line for line in text.splitlines() if line.strip()])


def test_what_is_one_thing_is_not_cut_in_its_middle() -> None:
    whole = [
        "## 2. How it is set up. And why",
        "1. Open the tray.",
        "| `a` | It is one. It is two. | x |",
        "Some of them, e.g. this one, go on.",
        "Files (z. B. PDF) too.",
    ]
    assert said("\n".join(whole)) == whole


def test_a_line_goes_on_in_small_letters_where_a_link_stands_out_of_its_paragraph() -> None:
    text = (
        "It is told over the socket and in the log of the process that did it, as is explained in ["
        + "a-very-long-name-" * 5
        + "](there.md), when so\nmuch is spent, and from then on nothing is asked any more, whoever asks; the others\n"
        "(those under way) go on."
    )
    assert len(said(text)) == 1


def test_lines_of_code_stay_lines_also_in_a_piece_that_begins_inside_of_it() -> None:
    lines = ['curl -s http://127.0.0.1:8000/api/v1/outbox/dead -H "Authorization: Bearer x"'] * 2
    prose = "What is said of it is wrapped, as everything is that is longer than its line, and so it\ngoes on."
    for begins in ("```sh\n", ""):
        assert said(begins + "\n".join([*lines, "```", prose]))[-4:-1] == [*lines, "```"]
        assert said(begins + "\n".join([*lines, "```", prose]))[-1].endswith("goes on.")


def test_a_part_of_a_text_gives_places_in_the_whole() -> None:
    text = "First. " + WRAPPED
    assert [text[start:end] for start, end in sentences(text, 7)] == [
        text[start:end] for start, end in sentences(text)
    ][1:]
    assert [*sentences(text, 0, 6)] == [(0, 6)]
