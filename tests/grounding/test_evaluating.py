"""Parts of the evaluator that need no database: conflicts, support, chances."""

import uuid
from dataclasses import replace

import pytest

from app.grounding.confidence import chances
from app.grounding.conflicts import conflict
from app.grounding.thresholds import effective
from app.inference.local.answering import answer
from app.inference.local.entailing import support
from app.inference.wording import codes, denies
from app.knowledge.service import Match, Matches


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("The backup server needs 8 GB of memory.", "The backup server needs 16 GB of memory.", "number"),
        ("It prints well since version 2.4.1 of it all.", "It prints well since version 3.0.2 of it all.", "version"),
        ("Support of the old client ends on 2026-01-31.", "Support of the old client ends on 2026-06-30.", "date"),
        ("The mobile client can sync shared calendars.", "The mobile client cannot sync shared calendars.", "negation"),
        ("The backup server needs 8 GB of memory.", "The backup server needs 8 GB of memory and 2 cores.", None),
        ("The backup server needs 8 GB of memory.", "Trains leave from platform 16 every hour.", None),
    ],
)  # fmt: skip
def test_sentences_in_like_words_that_differ_contradict_each_other(one: str, other: str, kind: str | None) -> None:
    assert conflict(one, other) == conflict(other, one) == kind


def test_a_sentence_is_supported_by_what_says_the_same() -> None:
    quote = "Hold the green button for 10 seconds until E-77 is gone."
    assert support(quote, quote) == 1
    assert support("Keep the green button pressed for 10 seconds.", quote) > 0.6
    assert support("Buy a new printer from another vendor.", quote) < 0.3
    for false in ("Hold the green button for 20 seconds.", "Do not hold the green button until E-77 is gone.", "E-78"):
        assert support(false, quote) == 0
    assert support("Hold the green button.", "") == 0


def test_codes_are_words_with_digits_and_denials_cancel_out() -> None:
    assert codes("ERR_PAYMENT_504 on 8.5.7, CVE-2017-3156; call 2 people") == {
        "err_payment_504",
        "8.5.7",
        "cve-2017-3156",
    }
    assert denies("It cannot print.")
    assert denies("Der Drucker druckt nicht.")
    assert not denies("It prints.")


def match(**changes: object) -> Match:
    plain = dict.fromkeys(("meaning", "subject", "words", "coverage", "subject_coverage", "together", "titled"), 0.5)
    base = {"document_id": uuid.uuid4(), "version": 1, "title": "", "uri": None, "passages": (), "unsaid": frozenset()}
    return Match(**{**base, **plain, **changes})  # type: ignore[arg-type]


def test_the_chance_falls_with_a_rival_and_with_codes_that_are_not_said() -> None:
    calibration = effective({}).calibration
    good = match(meaning=0.85, subject=0.85, words=0.4, coverage=0.9, subject_coverage=0.9, together=0.9)
    weak = match(meaning=0.3, subject=0.3, words=0.1, coverage=0.3, subject_coverage=0.3, together=0.2, titled=0.1)
    (alone, _) = chances(Matches((good, weak), frozenset()), calibration)
    (beside, rival) = chances(Matches((good, good), frozenset()), calibration)
    assert alone > 0.8
    assert beside == rival < 0.5
    silent = replace(good, unsaid=frozenset({"e-77"}))
    (without, _) = chances(Matches((silent, weak), frozenset({"e-77"})), calibration)
    assert without < alone
    assert chances(Matches((), frozenset()), calibration) == []


def test_the_local_answerer_quotes_and_prefers_advice() -> None:
    text = (
        "PROBLEM\nThe agent does not start after the upgrade.\n"
        "RESOLVING THE PROBLEM\nDelete the stale lock file and start the agent.\nok"
    )
    other = "The agent does not start on Mondays at all."
    given = {"P1": (text, 0.8), "P2": (other, 0.1)}
    material = {
        "passages": [
            {"id": name, "title": "Agent", "text": said, "relevance": chance} for name, (said, chance) in given.items()
        ]
    }
    made = answer("Why does the agent not start after the upgrade?", material)["sentences"]
    assert "Delete the stale lock file and start the agent." in [one["text"] for one in made]
    assert all(one["citations"] == [{"passage": "P1", "quote": one["text"]}] for one in made)
    assert answer("Why?", {}) == {"sentences": []}
    assert answer("Why?", {"passages": [{"id": "P1", "title": "T", "text": "Because."}]})["sentences"]
