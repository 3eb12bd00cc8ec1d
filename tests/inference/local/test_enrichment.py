import pytest

from app.inference.local.enrichment import enrich
from app.inference.local.extraction import extract
from app.inference.local.priority import Facts, score_priority
from app.inference.local.priority_weights import effective


@pytest.mark.parametrize(
    ("text", "language", "mood"),
    [
        ("The checkout fails and we cannot pay. This is unacceptable!", "en", "negative"),
        ("Der Drucker geht nicht und das ist ärgerlich.", "de", "negative"),
        ("La impresora no funciona desde ayer por la mañana.", "es", None),
        ("L'imprimante est en panne et je suis très déçu du service.", "fr", "negative"),
        ("Thanks, it works great with the new version!", "en", "positive"),
        ("This is not good, but the support was helpful.", "en", "neutral"),
        ("打印机坏了", None, None),
        ("E-77", None, None),
        ("", None, None),
    ],
)
def test_language_and_mood_are_told_or_left_open(text: str, language: str | None, mood: str | None) -> None:
    found = enrich(text)
    assert (found.language, found.mood) == (language, mood)
    assert (found.mood is None) == (found.mood_score is None)


def test_key_words_are_those_that_carry_the_matter() -> None:
    found = enrich("The Printer is offline. The printer on floor 3 shows an error, and the printer is offline.")
    assert found.keywords[:2] == ("Printer", "offline")
    assert not {"The", "is", "3"} & set(found.keywords)


@pytest.mark.parametrize(
    ("text", "kind", "values"),
    [
        ("Call +49 (30) 1234-5678 or 030 1234567", "phones", ["+493012345678", "0301234567"]),
        ("on 2026-01-31 at 10.0.0.1, build 0123", "phones", []),
        ("see https://example.com/+49301234567", "phones", []),
        ("charged $49.99 and 1.234,50 € or EUR 12 twice", "money", ["$49.99", "1.234,50 €", "EUR 12"]),
        ("50 users, 3 dollars", "money", ["3 dollars"]),
        ("Kundennummer: 88123 and invoice #INV-2026-7, account locked", "accounts", ["88123", "INV-2026-7"]),
    ],
)
def test_numbers_and_amounts_are_taken_word_for_word(text: str, kind: str, values: list[str]) -> None:
    assert [finding.value for finding in getattr(extract(text), kind)] == values


def test_what_is_known_counts_and_weights_are_configuration() -> None:
    text = "The export fails."
    plain = score_priority(text, "bug")
    facts = Facts({"vip": "customer of tier gold"})
    known = score_priority(text, "bug", facts=facts)
    assert known.score == plain.score + 12
    assert [(term.weight, term.evidence) for term in known.terms if term.name == "vip"] == [
        (12, "customer of tier gold")
    ]
    quiet = effective({"vip": 0.0, "severity": 0.0})
    assert score_priority(text, "bug", facts=facts, weights=quiet).score == plain.score - 8


def test_enrichment_takes_linear_time_whatever_the_text() -> None:
    for piece in ("+1 ", "0 1-", "1,", "$1 ", "account ", "n't ", "a-"):
        text = piece * 60_000
        enrich(text)
        extract(text)
