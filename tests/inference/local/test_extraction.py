import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.inference.local.extraction import MAX_FINDINGS, Extraction, Finding, extract, line_around

REPORT = """Hi team,

the app crashes when I click Save. I use Firefox 142 on Windows 11, app 4.12.1.
Steps to reproduce:
1. Open https://app.example.com/x?y=1.
2. Click Save
Expected: the entry is saved
Actual: HTTP 5O3 Service Unavai1able

Caused by java.lang.NullPointerException: total
\tat com.example.Order.total(Order.java:142)
Write to Bob@Example.org.
"""


def values(findings: tuple[Finding, ...]) -> list[str]:
    return [finding.value for finding in findings]


def all_findings(found: Extraction) -> list[Finding]:
    return [finding for finding in (found.title, *found.facts, *found.emails) if finding]


def test_a_report_gives_its_facts() -> None:
    found = extract(REPORT)

    assert found.title is not None
    assert found.title.value == "The app crashes when I click Save"
    assert values(found.error_codes) == ["HTTP 503", "java.lang.NullPointerException"]
    assert values(found.urls) == ["https://app.example.com/x?y=1"]
    assert values(found.versions) == ["Firefox 142", "Windows 11", "4.12.1"]
    assert values(found.steps) == ["Open https://app.example.com/x?y=1.", "Click Save"]
    assert values(found.stack_frames) == ["at com.example.Order.total(Order.java:142)"]
    assert values(found.emails) == ["bob@example.org"]
    assert found.expected is not None
    assert found.expected.value == "the entry is saved"
    assert found.actual is not None
    assert found.actual.value == "HTTP 5O3 Service Unavai1able"


def test_each_finding_quotes_what_is_really_written() -> None:
    found = extract(REPORT)

    quotes = [code.quote(REPORT) for code in found.error_codes]

    assert quotes == ["5O3", "java.lang.NullPointerException"]
    assert line_around(REPORT, found.error_codes[0]).text == "Actual: HTTP 5O3 Service Unavai1able"
    assert line_around("only line 404 Not Found", extract("only line 404 Not Found").error_codes[0]).start == 0


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("503 Service Unavailable", "HTTP 503"),
        ("we get error 500 everywhere", "HTTP 500"),
        ("HTTP/1.1 404 Not Found", "HTTP 404"),
        ("the status code: 5OO was returned", "HTTP 500"),
        ("4O4 N0t F0und", "HTTP 404"),
        ("502 Bad-Gateway", "HTTP 502"),
        ("net::ERR_CONNECTION_REFUSED", "ERR_CONNECTION_REFUSED"),
        ("ERR_C0NNECT1ON_REFUSED", "ERR_CONNECTION_REFUSED"),
        ("ERR_404_X", "ERR_404_X"),
        ("connect ECONNREFUSED 10.0.0.1", "ECONNREFUSED"),
        ("SQLSTATE[23505]: unique violation", "SQLSTATE 23505"),
        ("sqlstate: 42p01", "SQLSTATE 42P01"),
        ("error 0x80070057", "0x80070057"),
        ("error 0x80O7OO57 again", "0x80070057"),
        ("KeyError: 'items'", "KeyError"),
        ("Uncaught TypeErr0r: x", "TypeError"),
        ("System.FormatException was thrown", "System.FormatException"),
        ("affected by CVE-2025-1234?", "CVE-2025-1234"),
        ("ORA-00942: table does not exist", "ORA-00942"),
        ("error code: E-4711", "E-4711"),
        ("exit code 137", "137"),
        ("It shows Error E-77 again", "E-77"),
    ],
)
def test_an_error_code_is_found_and_corrected(text: str, code: str) -> None:
    assert values(extract(text).error_codes) == [code]


@pytest.mark.parametrize(
    "text",
    [
        "it took 500 ms",
        "status 500 ms later",
        "we have 404 users in 503 rooms",
        "I paid 450.00 EUR, code 450.00",
        "call 503-555-0100",
        "room 404 is free",
        "an error occurred",
        "error in March",
        "errors A1 and more",
        "The Terror was great",
        "return code: abc",
    ],
)
def test_a_number_that_is_no_error_code_stays_a_number(text: str) -> None:
    assert extract(text).error_codes == ()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("since v3.2 it fails", ["3.2"]),
        ("version 5.0 was fine", ["5.0"]),
        ("release 7.2.1-beta.3 is broken", ["7.2.1-beta.3"]),
        ("build 4711 on macOS 15.1", ["4711", "macOS 15.1"]),
        ("Server: nginx/1.25.3", ["nginx 1.25.3"]),
        ("GET / HTTP/1.1", []),
        ("lib 2.31.0 and lib 2.31.0", ["2.31.0"]),
        ("on 12.03.2025 at 10.30", []),
        ("from 10.0.0.12", []),
        ("it costs 24.99", []),
        ("update 3 of 5", []),
        ("see https://example.org/v2.1.0/x", []),
        ("Android 15: crash", ["Android 15"]),
        ("Chrome/128.0.6613.120 Safari/537.36", ["Chrome 128.0.6613.120", "Safari 537.36"]),
    ],
)
def test_versions_are_told_from_dates_prices_and_addresses(text: str, found: list[str]) -> None:
    assert values(extract(text).versions) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("see (https://example.org/a).", ["https://example.org/a"]),
        ("https://en.example.org/wiki/X_(y) is it", ["https://en.example.org/wiki/X_(y)"]),
        ("www.example.org/x, please", ["www.example.org/x"]),
        ("nothing at httpx://nowhere", []),
    ],
)
def test_an_address_ends_before_the_punctuation_of_the_sentence(text: str, found: list[str]) -> None:
    assert values(extract(text).urls) == found


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("Hello, I would like to pay.", "I would like to pay"),
        ("Dear Mrs. Miller,\nour printer is on fire. Help!", "Our printer is on fire"),
        ("Subject: MAJOR OUTAGE\nEverything returns an error.", "MAJOR OUTAGE"),
        ("Betreff: Rechnung 4711\nGuten Tag", "Rechnung 4711"),
        ("Hi!\n\nOk. The menu does not close.", "The menu does not close"),
        ("I use e.g. the old app. It fails.", "I use e.g. the old app"),
        (
            'Traceback (most recent call last):\n  File "a.py", line 8, in b\n    x = y["z"]\nKeyError: \'z\'',
            "KeyError: 'z'",
        ),
        ("uhm hello this is a voice message", "This is a voice message"),
        ("https://example.org/x\nThe page above is empty.", "The page above is empty"),
        ("> quoted\n---\nNothing   works\there today!", "Nothing works here today!"),
        ("help", "Help"),
        ("Hi", "Hi"),
        ("Wait... what is going on here", "What is going on here"),
        ("Guten Tag, die Anwendung stürzt ab.", "Die Anwendung stürzt ab"),
    ],
)
def test_the_title_is_the_first_sentence_that_says_something(text: str, title: str) -> None:
    found = extract(text).title
    assert found is not None
    assert found.value == title


@pytest.mark.parametrize("text", ["", "   \n\n", "12345 !!! ---", "....", "\x00\x01"])
def test_a_text_without_words_has_no_title(text: str) -> None:
    assert extract(text).title is None


def test_a_long_sentence_is_cut_at_a_word() -> None:
    title = extract("word " * 100).title
    unbroken = extract("a lot of " + "x" * 300).title

    assert title is not None
    assert unbroken is not None
    assert len(title.value) <= 120
    assert title.value.endswith("word…")
    assert len(unbroken.value) == 120


def test_a_list_of_its_own_counts_as_steps_when_it_is_numbered_from_one() -> None:
    assert values(extract("I did this:\n1) Open it\nl. Close it\n3) Cry").steps) == ["Open it", "Close it", "Cry"]
    assert extract("1. one single item").steps == ()
    assert extract("2. second\n3. third").steps == ()
    assert extract("1. item\n- bullet").steps == ()
    assert extract("- milk\n- bread").steps == ()


def test_steps_end_at_the_first_line_that_is_none() -> None:
    text = "## Steps to reproduce\n\n- Open it\n- Close it\n\n- Not a step\nExpected: fine"
    assert values(extract(text).steps) == ["Open it", "Close it"]
    assert values(extract("Steps:\n* one\n- expected: nothing\n").steps) == ["one"]


def test_steps_told_in_one_line_are_one_step() -> None:
    assert values(extract("Repro: type in two tabs.").steps) == ["type in two tabs."]
    assert extract("Steps to reproduce:\nI do not know").steps == ()


def test_an_outcome_may_stand_below_its_label() -> None:
    found = extract(
        "Expected result:\nIt is saved\n**Actual behaviour** - no\nActual behaviour: it is lost\nActual: twice"
    )

    assert found.expected is not None
    assert found.expected.value == "It is saved"
    assert found.actual is not None
    assert found.actual.value == "it is lost"
    assert extract("Expected:").expected is None


def test_frames_of_four_languages_are_recognised() -> None:
    text = """
  File "report.py", line 88, in build
    at com.example.Order.total(Order.java:142)
   at Billing.Views.Render() in InvoiceView.cs:line 57
    at render main.7f3.js:1:2044
    at home I sleep
"""
    assert len(extract(text).stack_frames) == 4


def test_a_log_of_many_codes_gives_a_bounded_number_of_facts() -> None:
    text = "\n".join(f"ERR_CODE_{number} and - step" for number in range(500))
    steps = "steps:\n" + "- again\n" * 500

    assert len(extract(text).error_codes) == MAX_FINDINGS
    assert len(extract(steps).steps) == MAX_FINDINGS


def seconds(text: str) -> float:
    started = time.thread_time()
    extract(text)
    return time.thread_time() - started


HOSTILE = {
    "letters": "a",
    "capitals": "A",
    "spaces": " ",
    "tabs": "\t",
    "lines": "\n",
    "digits": "4",
    "statuses": "500 ",
    "status words": "status status:",
    "error labels": "error code: ",
    "err": "ERR_",
    "errors": "AError",
    "hex": "0xO",
    "addresses": "http://",
    "mail": "x@y.",
    "dots": "1.",
    "dotted": "a.",
    "versions": "v1.",
    "named versions": "version 1 ",
    "products": "a/1.",
    "frames": "at (",
    "open frames": "at a:1",
    "files": 'File "',
    "sentences": "a. ",
    "greetings": "hi ",
    "greeting lines": "Hi\n",
    "step headings": "steps to reproduce:\n",
    "lists": "1. a\n",
    "broken lists": "1. a\n\n",
    "labels": "expected: \n",
    "bullets": "- ",
    "combining": "e\u0301",
}


@pytest.mark.parametrize("piece", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_megabyte_takes_linear_time(piece: str) -> None:
    """What is not plainly quick must not take more than in proportion to the text, within a factor of three."""
    text = piece * (1_000_000 // len(piece))

    whole = seconds(text)

    # Twice, for a busy machine slows down one measurement and not the other.
    assert whole < 1.5 or min(whole, seconds(text)) < 48 * seconds(text[: len(text) // 16])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from([*HOSTILE.values(), "Steps:\n", "1. x\n", "503 Not Found", "é", "\r\n"])).map("".join))
def test_every_finding_lies_inside_the_text(text: str) -> None:
    for finding in all_findings(extract(text)):
        assert 0 <= finding.start <= finding.end <= len(text)
        assert finding.quote(text) == text[finding.start : finding.end]
