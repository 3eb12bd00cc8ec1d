import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.local.categorize import categorize
from app.inference.local.priority import PriorityScore, score_priority
from app.inference.local.priority_weights import delivered


def points(score: PriorityScore) -> dict[str, float]:
    return {term.name: term.weight for term in score.terms}


@pytest.mark.parametrize(
    ("text", "category", "priority"),
    [
        ("The whole site is down for everyone, please help immediately!", "incident", "critical"),
        ("Customer data was leaked to the public.", "security", "critical"),
        ("The app crashes when I save. It is urgent.", "bug", "high"),
        ("I was charged twice, please refund.", "billing", "medium"),
        ("The button has the wrong colour.", "bug", "medium"),
        ("How do I change the language?", "how_to", "low"),
        ("It would be nice to have a dark mode, no rush.", "feature_request", "low"),
        ("Totalausfall, niemand kann arbeiten, bitte sofort!", "incident", "critical"),
        ("Panne générale, tous les utilisateurs sont bloqués", "incident", "critical"),
        ("El servicio está caído para todos los usuarios", "incident", "critical"),
    ],
)
def test_the_priority_fits_the_report(text: str, category: str, priority: str) -> None:
    assert score_priority(text, category).priority == priority


def test_the_score_is_the_sum_of_the_shown_terms() -> None:
    score = score_priority("The export fails today, again.", "bug")

    assert score.score == sum(term.weight for term in score.terms)
    assert points(score) == {
        "base": delivered().base,
        "deadline": 10,
        "severity": 8,
        "category": delivered().categories["bug"],
        "repeat": 5,
    }
    assert score.terms[0].name == "base"


def test_each_term_shows_the_words_it_was_read_from() -> None:
    score = score_priority("Everything is DOWN since nine. All our customers wait!")

    assert {term.name: term.evidence for term in score.terms} == {
        "base": "every report",
        "outage": "is DOWN",
        "scope": "All our customers",
    }


def test_shouting_does_not_add_up() -> None:
    once, often = score_priority("urgent"), score_priority("urgent urgent urgent asap immediately")

    assert once.score == often.score


@pytest.mark.parametrize(
    "text",
    [
        "This is not urgent.",
        "It isn't urgent",
        "it isn’t urgent",
        "Das ist nicht dringend",
        "nothing here is urgent",
        "Es eilt nicht: nicht dringend",
        "no es urgente",
        "ce n'est pas urgent",
    ],
)
def test_a_negated_urgency_lowers_the_priority(text: str) -> None:
    score = score_priority(text)

    assert score.score < delivered().base
    assert "deadline" not in points(score)
    assert points(score)["relief"] < 0


def test_the_evidence_of_a_negation_begins_with_it() -> None:
    assert score_priority("It isn't really urgent, thanks").terms[1].evidence == "isn't really urgent"


def test_a_denied_fault_counts_as_relief() -> None:
    assert points(score_priority("it never crashed")) == {"base": delivered().base, "relief": -12}


def test_a_negation_ends_with_its_clause() -> None:
    assert points(score_priority("This is no joke, urgent help is needed"))["deadline"] > 0
    assert points(score_priority("we cannot work and need urgent help"))["deadline"] > 0
    assert points(score_priority("it doesn't work, urgent"))["deadline"] > 0


@pytest.mark.parametrize("text", ["there was no outage", "not everyone is affected", "ohne Ausfall"])
def test_what_did_not_happen_gives_no_points(text: str) -> None:
    assert score_priority(text).score == delivered().base


def test_the_score_stays_between_0_and_100() -> None:
    worst = "ransomware, totalausfall, everyone, immediately, unacceptable, third time"

    assert score_priority(worst, "incident").score == 100
    assert score_priority("no rush, cosmetic", "feature_request").score == 0


def test_an_unknown_category_adds_nothing() -> None:
    assert score_priority("hello", "no such thing").score == score_priority("hello").score == delivered().base


@given(st.text(max_size=300), st.sampled_from([None, *delivered().categories]))
def test_any_text_gets_a_priority(text: str, category: str | None) -> None:
    score = score_priority(text, category)

    assert 0 <= score.score <= 100
    assert score.priority in {"low", "medium", "high", "critical"}


def test_categorising_gives_category_priority_and_team_with_reasons() -> None:
    answer = categorize("Since 9:40 every page answers 503 for all users.", title="Everything is down")

    assert (answer.category, answer.priority, answer.team) == ("incident", "critical", "operations")
    assert 0.5 < answer.confidence < 1
    assert "Reads like incident" in answer.reasoning
    assert "Priority critical" in answer.reasoning
    assert answer.alternatives
    assert {"base", "category", "outage", "scope"} <= {term.name for term in answer.priority_terms}


def test_a_title_that_the_text_repeats_is_not_counted_twice() -> None:
    text = "The invoice is wrong. Please send a new one."

    assert categorize(text, "The invoice is wrong") == categorize(text)
