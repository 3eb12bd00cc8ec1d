"""Parts of the evaluator that need no database: conflicts, support, chances."""

import uuid
from dataclasses import replace

import pytest

from app.core.clock import now
from app.grounding import evaluator
from app.grounding.confidence import chances
from app.grounding.conflicts import conflict, conflicts
from app.grounding.evidence import Excerpt
from app.grounding.outcome import Citation, Reason
from app.grounding.thresholds import effective
from app.inference.local.answering import answer
from app.inference.local.entailing import support
from app.inference.wording import codes, denies, identifiers, kind_of, spellings
from app.knowledge.schemas import Evidence, Scores
from app.knowledge.service import Match, Matches


def excerpt(title: str, text: str) -> Excerpt:
    one = uuid.uuid4()
    scores = Scores(lexical=0.5, vector=0.5)
    evidence = Evidence(
        doc_id=one, version=1, chunk_id=one, title=title, uri=None, text=text, start=0, end=len(text), score=0.5,
        scores=scores, retrieved_at=now(),
    )  # fmt: skip
    return Excerpt("P1", evidence, 0.5, ((0, one),))


def quoting(one: Excerpt) -> Citation:
    text = one.evidence.text
    return Citation(one.evidence.doc_id, 1, one.evidence.chunk_id, 0, len(text), one.evidence.title, None, text)


@pytest.mark.parametrize(
    ("one", "other", "kind"),
    [
        ("The backup server needs 8 GB of memory.", "The backup server needs 16 GB of memory.", "number"),
        ("It prints well since version 2.4.1 of it all.", "It prints well since version 3.0.2 of it all.", "version"),
        ("Support of the old client ends on 2026-01-31.", "Support of the old client ends on 2026-06-30.", "date"),
        ("The mobile client can sync shared calendars.", "The mobile client cannot sync shared calendars.", "negation"),
        ("The backup server needs 8 GB of memory.", "The backup server needs 8 GB of memory and 2 cores.", None),
        ("Links to reset a password expire after 24 hours.", "A link to reset a password works for 2 days.", "number"),
        ("Links to reset a password expire after 48 hours.", "A link to reset a password works for 2 days.", None),
        ("Refunds are paid within 14 days.", "You get your refund paid after 30 days at the latest.", "number"),
        ("After 5 attempts the account is locked.", "The account gets locked after 3 attempts.", "number"),
        ("The plan costs 12 euros a month.", "Every month the plan costs $15.", None),
        ("The old client is supported until March 2026.", "Support of the old client lasts until June 2026.", "date"),
        ("Shared calendars need version 2.4 of the client.", "It shares calendars with client version 3.1.", "version"),
        ("Guests can join a meeting by phone.", "It is not possible for guests to join by phone.", "negation"),
        ("If you have not added bookings yet, add them to your site.", "You add bookings to your site.", None),
        ("Bookings are not added to your site.", "To add bookings to your site:", None),
        ("Server version 7.0 keeps logs for 10 days.", "Logs of server version 8.5 stay for 30 days.", None),
        ("Support of the test server ends on 01.02.2026.", "The test server is supported until 15.03.2026.", "date"),
        ("At least 8 GB of memory are needed.", "16 GB of memory are recommended.", None),
        ("Exports are kept for 30 days.", "Invoices are kept for 10 years.", None),
        ("Restart the server after 5 minutes.", "The server writes its log every 10 minutes.", None),
        ("The backup server needs 8 GB of memory.", "Trains leave from platform 16 every hour.", None),
    ],
)  # fmt: skip
def test_sentences_in_like_words_that_differ_contradict_each_other(one: str, other: str, kind: str | None) -> None:
    assert conflict(one, other) == conflict(other, one) == kind


def test_documents_whose_titles_name_different_versions_do_not_contradict_each_other() -> None:
    said = {
        "Release 15.9": "The cache holds 8 entries by default now.",
        "Release 15.10": "The cache holds 9 entries by default now.",
    }
    one, other = (excerpt(title, text) for title, text in said.items())
    assert conflicts([quoting(one)], [one, other]) == ()
    other = excerpt("The cache", said["Release 15.10"])
    assert [found.kind for found in conflicts([quoting(one)], [one, other])] == ["number"]


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
    assert identifiers("ERR_PAYMENT_504 on 8.5.7, a 64-bit one, CVE-2017-3156") == {"err_payment_504", "cve-2017-3156"}
    assert spellings("err_504") == {"err_504", "err504", "err 504", "err-504"}
    assert spellings("cve-2017-3156") == {"cve-2017-3156", "cve2017-3156", "cve 2017-3156", "cve_2017-3156"}
    pattern = kind_of("cve-2017-3156")
    assert pattern == r"\ycve[-_. ]?[0-9]"
    assert denies("It cannot print.")
    assert denies("Der Drucker druckt nicht.")
    assert not denies("It prints.")


def match(**changes: object) -> Match:
    plain = dict.fromkeys(("meaning", "subject", "words", "coverage", "subject_coverage", "together", "titled"), 0.5)
    base = {
        "document_id": uuid.uuid4(),
        "version": 1,
        "title": "",
        "uri": None,
        "passages": (),
        "unsaid": frozenset(),
        "lacks": frozenset(),
        "reranked": 0.0,
    }
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


@pytest.mark.parametrize(
    ("meaning", "chance", "reason"),
    [
        (0.2, 0.6, None),
        (0.1, 0.6, Reason.NO_EVIDENCE),
        (0.2, 0.1, Reason.NO_EVIDENCE),
        (0.4, 0.1, Reason.INSUFFICIENT_COVERAGE),
    ],
)
def test_what_is_far_in_meaning_is_refused_unless_it_is_likely(
    meaning: float, chance: float, reason: Reason | None
) -> None:
    judged = [(match(meaning=meaning), chance)]
    assert evaluator.refused_before(judged, evaluator.found(judged), effective({})) == reason


def test_a_rerankers_word_counts_once_a_weight_was_fitted_for_it() -> None:
    first, second = match(), match(reranked=0.9)
    both = Matches((first, second), frozenset())
    delivered = chances(both, effective({}).calibration)
    assert delivered[0] == delivered[1]
    fitted = {**effective({}).calibration.model_dump(), "reranked": 4.0}
    (low, high) = chances(both, effective({"calibration": fitted}).calibration)
    assert high > delivered[1] > low


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


def test_the_local_answerer_quotes_code_as_a_whole_and_what_stands_under_the_right_heading() -> None:
    text = (
        "## Colours\n\nThe colours of the page are told by the style sheet of it.\n\n"
        "## Dead letters\n\nAn event that failed too often waits for somebody.\n\n"
        "```sh\ncurl $API/outbox/dead\ncurl -X POST $API/outbox/17/redrive\n```\n\n"
        "| column | what it is for |\n|--------|----------------|\n"
    )
    made = answer("What do I do about dead letters?", {"passages": [{"id": "P1", "title": "How to", "text": text}]})
    said = [one["text"] for one in made["sentences"]]
    assert "curl $API/outbox/dead\ncurl -X POST $API/outbox/17/redrive" in said
    assert all(one["citations"][0]["quote"] in text for one in made["sentences"])
    assert not any("---" in one or "colours" in one for one in said)


def test_of_sentences_alike_the_local_answerer_quotes_those_under_the_right_heading() -> None:
    years = {"Saturn": 29, "Jupiter": 11, "Uranus": 84, "Neptune": 164, "Mars": 2, "Venus": 1}
    text = "".join(f"## {name}\n\nThat takes about {count} years.\n\n" for name, count in years.items())
    made = answer("How long is a year on Mars?", {"passages": [{"id": "P1", "title": "Orbits", "text": text}]})
    assert "That takes about 2 years." in [one["text"] for one in made["sentences"]]
    assert len(made["sentences"]) < len(years)
