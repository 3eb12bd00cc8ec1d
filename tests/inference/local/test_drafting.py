from typing import Any

import pytest

from app.inference.local.conversation import Conversation, FileRef, Report, ToolResult
from app.inference.local.description import MAX_CHARS
from app.inference.local.drafting import MAX_QUOTE_CHARS, MAX_TAGS, Draft, decide, draft
from app.inference.local.next_actions import FIRST_ACTION
from app.inference.local.routing import TEAMS
from app.inference.local.sources import gather

PICTURE = FileRef("f1", "screen.png", "image/png")


def read(file: FileRef, content: Any, *, ok: bool = True) -> ToolResult:
    return ToolResult("analyze_file", {"file_id": file.id}, content, ok)


def seen(text: str, confidence: float | None = 0.9, kind: str = "image_ocr") -> ToolResult:
    return read(PICTURE, {"analysis_type": kind, "extracted_text": text, "confidence": confidence})


def drafted(words: str, *results: ToolResult, files: tuple[FileRef, ...] = (PICTURE,), **fields: Any) -> Draft:
    return draft(Conversation(Report("create_ticket", words, files=files, **fields), results))


def test_a_report_of_a_picture_alone_takes_its_title_from_the_picture() -> None:
    made = drafted("", seen("Payment failed for order 4711\nERR_CARD_DECLINED"))

    assert made.title == "Payment failed for order 4711"
    assert made.tags[1] == "err-card-declined"


def test_a_title_that_says_little_is_completed_from_the_file() -> None:
    assert drafted("see picture", seen("The invoice total is wrong")).title == "See picture: The invoice total is wrong"


def test_an_uncertain_text_makes_the_title_only_when_there_is_nothing_else() -> None:
    assert drafted("", seen("garbled words from somewhere", 0.2)).title == "Garbled words from somewhere"
    assert drafted("Please help me", seen("garbled words from somewhere", 0.2)).title == "Please help me"


def test_a_report_without_any_text_says_so() -> None:
    unread = drafted("")
    empty = drafted("", files=())

    assert unread.title == "Report without text: screen.png"
    assert empty.title == "Report without text"
    assert empty.description == "The report came without any text."
    assert empty.confidence == 0
    assert empty.evidence == []


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (None, "no tool to read it was offered"),
        (read(PICTURE, "It is\nencrypted", ok=False), "It is encrypted"),
        (read(PICTURE, [1, 2]), "the tool gave no usable answer"),
        (read(PICTURE, {"extracted_text": " "}), "no text was found in it"),
        (read(PICTURE, {"extracted_text": None, "error": "still pending"}), "still pending"),
    ],
)
def test_why_a_file_gave_no_text_is_said(result: ToolResult | None, reason: str) -> None:
    made = drafted("The page is empty", *([result] if result else []))

    assert made.file_analysis_summary == f"screen.png: could not be read ({reason})."


@pytest.mark.parametrize(
    ("analysis", "file_type", "kind"),
    [
        ("image_ocr", "", "ocr"),
        ("transcription", "image", "transcript"),
        ("", "image/png", "ocr"),
        ("", "video/mp4", "transcript"),
        ("text", "application/pdf", "document"),
    ],
)
def test_the_kind_of_a_source_follows_what_was_done_to_the_file(analysis: str, file_type: str, kind: str) -> None:
    file = FileRef("f1", "x", file_type)
    made = drafted("Look at this", seen("Some words were found", kind=analysis), files=(file,))

    assert made.evidence[-1]["source"] == kind


def test_a_text_that_needed_no_recognition_does_not_lower_the_confidence() -> None:
    with_file = drafted(
        "The invoice is wrong", seen("The invoice is wrong", None, "text"), files=(FileRef("f1", "a.txt", "text"),)
    )

    assert with_file.confidence == with_file.decision.confidence
    assert with_file.file_analysis_summary == "a.txt: document, 20 characters read."
    assert "**a.txt** (text of the document):" in with_file.description


def test_many_unread_files_halve_the_confidence_at_most() -> None:
    files = tuple(FileRef(str(number), f"{number}.bin", "") for number in range(30))
    made = drafted("The invoice is wrong, refund me", files=files)

    assert made.confidence == pytest.approx(made.decision.confidence / 2, abs=1e-4)


def test_steps_and_outcomes_read_in_a_file_are_listed() -> None:
    text = "Steps to reproduce:\n1. Open it\n2. Close it\nExpected: calm\nActual: storm"
    made = drafted("The menu is broken", seen(text))

    assert "Steps to reproduce:\n1. Open it\n2. Close it" in made.description
    assert "Expected: calm" in made.description
    assert "Actual: storm" in made.description


def test_what_was_said_before_belongs_to_the_report() -> None:
    made = drafted("It still happens", files=(), said_before=("I was charged twice for my subscription",))

    assert made.decision.category == "billing"
    assert "Said before in the conversation:\n> I was charged twice for my subscription" in made.description


def test_a_long_text_is_quoted_in_part_and_evidence_stays_verbatim() -> None:
    text = "Log of the night\n" + "x " * 400 + "ERR_DISK_FULL " + "y " * 4000
    made = drafted("The server stopped working", seen(text))

    assert "y …" in made.description
    for entry in made.evidence:
        assert len(entry["quote"]) <= MAX_QUOTE_CHARS
        assert entry["quote"] in text or entry["quote"] in "The server stopped working"
    assert any("ERR_DISK_FULL" in entry["quote"] for entry in made.evidence)


def test_an_enormous_report_makes_a_bounded_ticket() -> None:
    made = drafted("The page is slow. " * 100_000, files=())

    assert MAX_CHARS - 2 < len(made.description) <= MAX_CHARS
    assert made.description.endswith(" …")


def test_many_codes_are_counted_not_listed() -> None:
    text = "\n".join(f"ERR_CODE_{chr(65 + number)}X" for number in range(20))
    made = drafted("The log is full of errors", seen(text))

    assert "and 10 more" in made.description
    assert len(made.tags) == MAX_TAGS


def test_what_no_database_takes_is_left_out() -> None:
    made = drafted("broken\x00 thing \ud800 here", seen("a\x00b c\udfff d e"))

    assert "\x00" not in made.description
    made.description.encode("utf-8")


def test_a_bug_is_sent_back_for_what_it_lacks() -> None:
    bare = drafted("Uncaught TypeError when I press the Save button, the console shows undefined", files=())
    full = drafted(
        "Uncaught TypeError when I press the Save button in Firefox 142\nSteps:\n1. Press it\n2. See it\n"
        "    at save (main.js:1:2)",
        files=(),
    )

    assert bare.decision.category == full.decision.category == "bug"
    assert bare.next_actions == [
        FIRST_ACTION["bug"],
        "Ask for the steps that lead to the fault.",
        "Ask which version is in use.",
    ]
    assert full.next_actions == [FIRST_ACTION["bug"]]
    assert (bare.recommended_integration, full.recommended_integration) == ("jira", "github")


def test_the_integration_that_was_asked_for_is_kept() -> None:
    assert drafted("The invoice is wrong", files=(), integration="github").recommended_integration == "github"


def test_every_category_has_a_first_action_and_a_team() -> None:
    assert FIRST_ACTION.keys() == TEAMS.keys()


def test_odd_answers_of_the_tools_are_survived() -> None:
    conversation = Conversation(
        Report("create_ticket", "The invoice is wrong"),
        (
            ToolResult(
                "categorize_issue", {}, {"category": "billing", "confidence": "high", "alternatives": None}, True
            ),
            ToolResult("route_to_team", {}, {"team": None}, True),
            ToolResult("search_tickets", {}, {"items": []}, True),
            ToolResult("search_knowledge_base", {}, ["text"], True),
        ),
    )

    made = draft(conversation)

    assert decide(conversation, gather(conversation)) == made.decision
    assert (made.decision.category, made.decision.priority, made.decision.team) == ("billing", "medium", "billing")
    assert (made.decision.confidence, made.decision.alternatives) == (0.0, ())
    assert made.next_actions == [FIRST_ACTION["billing"]]


def test_a_similar_ticket_without_a_score_is_not_recommended() -> None:
    answer = ToolResult("search_tickets", {}, [{"id": 3, "title": "x", "score": None}], True)

    assert all("ticket 3" not in action for action in drafted("The invoice is wrong", answer, files=()).next_actions)


def test_the_page_is_judged_only_when_the_report_says_too_little() -> None:
    page = {"error": "Payment declined, invoice unpaid", "count": 3, "nested": {"a": 1}, "empty": " "}
    little = Conversation(Report("create_ticket", "help", page_context=page))
    enough = Conversation(Report("create_ticket", "I cannot open my invoice", page_context=page))

    assert gather(little).judged_text() == "help\nerror: Payment declined, invoice unpaid\ncount: 3"
    assert gather(enough).judged_text() == "I cannot open my invoice"
