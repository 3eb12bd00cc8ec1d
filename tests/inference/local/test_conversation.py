import json

import pytest
from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from app.inference.local.conversation import FileRef, Report, read_conversation


def asked(document: object) -> ModelMessage:
    return ModelRequest(parts=[SystemPromptPart("Be kind."), UserPromptPart(json.dumps(document))])


def test_the_prompts_document_becomes_a_report() -> None:
    document = {
        "operation": "create_ticket",
        "user_input": "It is broken",
        "files": [
            {"id": "f1", "filename": "a.png", "file_type": "image"},
            {"id": 7},
            {"filename": "without id"},
            "nonsense",
        ],
        "page_context": {"url": "https://example.org"},
        "conversation_history": [
            "plain words",
            {"role": "user", "content": "first"},
            {"role": "assistant", "content": "not the person"},
            {"role": "customer", "body": "second"},
            {"role": "user"},
            17,
        ],
        "integration": "jira",
    }

    report = read_conversation([asked(document)]).report

    assert report == Report(
        operation="create_ticket",
        user_input="It is broken",
        files=(FileRef("f1", "a.png", "image"), FileRef("7", "7", "")),
        page_context={"url": "https://example.org"},
        said_before=("plain words", "first", "second"),
        integration="jira",
    )


@pytest.mark.parametrize("text", ["just words", "{not json", "[1, 2]", '{"no_user_input": 1}', '{"user_input": 5}'])
def test_any_other_prompt_is_taken_as_the_persons_words(text: str) -> None:
    report = read_conversation([ModelRequest(parts=[UserPromptPart(text)])]).report

    assert report == Report(operation=None, user_input=text)


def test_missing_and_odd_fields_are_as_if_empty() -> None:
    report = read_conversation(
        [asked({"user_input": "x", "files": None, "page_context": [], "integration": ""})]
    ).report

    assert report == Report(operation=None, user_input="x")


def test_a_prompt_in_pieces_is_put_together() -> None:
    part = UserPromptPart(["first", TextContent("second"), ImageUrl("https://example.org/a.png")])

    assert read_conversation([ModelRequest(parts=[part])]).report.user_input == "first\nsecond"


def test_a_note_after_the_document_does_not_displace_it() -> None:
    messages = [asked({"operation": "categorize", "user_input": "x"}), ModelRequest(parts=[UserPromptPart("fix it")])]

    assert read_conversation(messages).report.user_input == "x"


def test_tool_answers_are_read_with_the_arguments_they_answer() -> None:
    messages = [
        asked({"operation": "create_ticket", "user_input": "x"}),
        ModelResponse(
            parts=[
                TextPart("thinking aloud"),
                ToolCallPart("search_tickets", {"query": "x"}, tool_call_id="1"),
                ToolCallPart("analyze_file", '{"file_id": "f1"}', tool_call_id="2"),
                ToolCallPart("route_to_team", {}, tool_call_id="3"),
            ]
        ),
        ModelRequest(
            parts=[
                ToolReturnPart("search_tickets", {"result": [{"id": 1}]}, tool_call_id="1"),
                ToolReturnPart("analyze_file", "no such file", tool_call_id="2", outcome="retried"),
                ToolReturnPart("route_to_team", '{"team": "billing"}', tool_call_id="3"),
                ToolReturnPart("unasked", "x", tool_call_id="9"),
            ]
        ),
    ]

    conversation = read_conversation(messages)

    assert conversation.answer("search_tickets") == [{"id": 1}]
    assert conversation.answer("route_to_team") == {"team": "billing"}
    assert conversation.answer("analyze_file") is None
    assert [(result.arguments, result.content, result.ok) for result in conversation.of("analyze_file")] == [
        ({"file_id": "f1"}, "no such file", False)
    ]
    assert conversation.of("unasked") == []


def test_an_earlier_run_in_the_same_history_is_left_alone() -> None:
    messages = [
        asked({"operation": "create_ticket", "user_input": "old"}),
        ModelResponse(parts=[ToolCallPart("create_ticket", {}, tool_call_id="1")]),
        ModelRequest(parts=[ToolReturnPart("create_ticket", {"id": 5}, tool_call_id="1")]),
        asked({"operation": "create_ticket", "user_input": "new"}),
    ]

    conversation = read_conversation(messages)

    assert conversation.report.user_input == "new"
    assert conversation.results == ()
