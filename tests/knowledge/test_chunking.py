import itertools

import pytest

from app.core.language import language_of
from app.knowledge.chunking import passages
from app.knowledge.language import configuration

GUIDE = (
    "Intro words.\n\n# Setup\n\n"
    + "Press the button. " * 30
    + "\n\n## Wires\n\n- red\n- blue\n\n```\n# no heading\n```\n"
)


@pytest.mark.parametrize("text", [GUIDE, "x" * 3000, "word " * 900, "", " \n ", "a"], ids=range(6))
def test_no_character_is_lost_and_no_passage_is_too_long(text: str) -> None:
    cut = passages(text, target=200, overlap=40)
    covered = {at for one in cut for at in range(one.start, one.end)}
    assert all(at in covered or char.isspace() for at, char in enumerate(text))
    assert all(0 < one.end - one.start <= 201 for one in cut)
    assert [one.start for one in cut] == sorted({one.start for one in cut})


def test_a_passage_knows_the_headings_it_stands_under() -> None:
    last = passages(GUIDE, target=200, overlap=40)[-1]
    assert last.headings == ("Setup", "Wires")
    assert "# no heading" in GUIDE[last.start : last.end]


def test_neighbours_share_a_sentence() -> None:
    text = " ".join(f"Sentence number {number} stands here." for number in range(40))
    cut = passages(text, target=200, overlap=60)
    assert all(after.start < before.end for before, after in itertools.pairwise(cut))


@pytest.mark.parametrize(
    ("text", "language", "name"),
    [
        ("How do I reset the password of my account?", "en", "english"),
        ("Wie kann ich die Rechnung für den Vertrag sehen und ist das sicher?", "de", "german"),
        ("E-77", "und", "simple"),
    ],
)
def test_the_language_of_a_text_decides_its_stems(text: str, language: str, name: str) -> None:
    assert language_of(text) == language
    assert configuration(language) == name
