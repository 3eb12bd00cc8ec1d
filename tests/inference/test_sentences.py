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


def test_a_part_of_a_text_gives_places_in_the_whole() -> None:
    text = "First. " + WRAPPED
    assert [text[start:end] for start, end in sentences(text, 7)] == [
        text[start:end] for start, end in sentences(text)
    ][1:]
    assert [*sentences(text, 0, 6)] == [(0, 6)]
