"""Which terms passages are found by, when there are few passages and when there are very many."""

from app.core.words import MANY, Asked, Corpus
from app.knowledge import ranking


def chosen(rows: int, **terms: int) -> dict[str, list[str]]:
    asked = Asked(terms, Corpus(rows, 80.0))
    return ranking.looked_up(asked, ranking.rarest(asked, most=48))


def test_among_few_passages_every_term_finds() -> None:
    assert chosen(MANY, battery=4_000, drone=4_500, e77=1) == {"e77": [], "battery": [], "drone": []}


def test_among_many_passages_a_common_term_finds_beside_another() -> None:
    assert chosen(1_000_000, e77=1, drone=1_900, battery=4_000, reset=4_500) == {
        "e77": [],
        "drone": [],
        "battery": ["e77", "drone", "reset"],
        "reset": ["e77", "drone", "battery"],
    }


def test_among_many_passages_the_rarest_term_finds_however_common_it_is() -> None:
    assert chosen(1_000_000, battery=4_500) == {"battery": []}
    assert chosen(1_000_000, battery=5_000) == {"battery": []}
    assert chosen(1_000_000) == {}


def test_a_long_question_reads_no_more_than_a_short_one() -> None:
    looked = chosen(1_000_000, **{f"word{number:02}": 1_000 for number in range(48)})
    alone = [term for term, others in looked.items() if not others]
    assert sum(1_000 for _ in alone) <= ranking.READ_MOST
    assert len(looked) < 10
    assert max(map(len, looked.values())) <= 12
