import numpy as np
import pytest

from app.inference.local import views
from app.inference.local.vocabulary import Vocabulary, glossed, plain, tokens


def words(text: str) -> list[str]:
    return [token.term for token in tokens(text)]


def test_case_and_accents_do_not_matter() -> None:
    assert plain("Straße Élève ÑANDÚ") == "strasse eleve nandu"


def test_statuses_stay_and_other_numbers_become_one_term() -> None:
    assert words("503 and 12 of 2024") == ["503", "and", "#", "of", "#"]


def test_a_foreign_text_is_read_by_its_glossary() -> None:
    assert words("Passwort vergessen, bitte zurücksetzen") == ["password", "forgot", "please", "reset"]
    assert glossed("Passwort vergessen!") == "password forgot!"


def test_a_term_remembers_the_word_it_stands_for() -> None:
    found = tokens("Rückerstattung bitte")

    assert [(token.term, token.surface) for token in found] == [("refund", "Rückerstattung"), ("please", "bitte")]


@pytest.mark.parametrize("text", ["Please add a comment on the page", "he pays with cargo and favor", "", "comment"])
def test_an_english_text_is_left_alone(text: str) -> None:
    assert glossed(text) == text


def test_one_foreign_word_in_a_long_english_text_changes_nothing() -> None:
    text = "The button with the label Speichern does not work in the newest release of your fine product"
    assert glossed(text) == text


def test_terms_are_words_and_neighbours_and_pieces_of_words() -> None:
    assert views.words("Wrong amount, a charge") == ["wrong", "amount", "charge", "wrong amount", "amount charge"]
    assert views.pieces("I pay") == [" i ", " pa", "pay", "ay ", " pay", "pay ", " pay "]


def test_rows_are_normalised_and_rare_terms_weigh_more() -> None:
    vocabulary = Vocabulary.fit([["a", "b"], ["a", "c"], ["a", "c"]], minimum=2, most=9)

    row, none = vocabulary.rows([["a", "c", "c", "unknown"], ["unknown"]]).toarray()

    assert vocabulary.known == ("a", "c")
    assert vocabulary.idf[1] > vocabulary.idf[0]
    assert np.linalg.norm(row) == pytest.approx(1)
    assert row[1] > row[0]
    assert not none.any()
