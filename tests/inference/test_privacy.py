"""What is found in a text and what is not; what is replaced comes back as it was."""

import json

import pytest
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    RetryFeedbackPart,
    RetryInfo,
    SystemPromptPart,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from app.inference.platform import effective
from app.inference.privacy.detectors import findings
from app.inference.privacy.pseudonyms import Pseudonyms

REGIONS = effective({}).safety.phone_regions
FOUND = [
    ("email", "ada.l+x@mail.example.com"),
    ("phone", "+44 20 7946 0958"),
    ("phone", "(212) 555-0123"),
    ("phone", "0171 2345678"),
    ("card", "4111 1111 1111 1111"),
    ("card", "5500-0000-0000-0004"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("national_id", "536-90-4399"),
    ("national_id", "AB 12 34 56 C"),
    ("national_id", "12345678Z"),
    ("national_id", "RSSMRA85T10A562S"),
    ("national_id", "529.982.247-25"),
    ("national_id", "2341 2341 2346"),
    ("national_id", "11010519491231002X"),
    ("secret", "sk-abcdefghijklmnopqrst"),
    ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "ghp_0123456789abcdefghijABCDEF"),
    ("placeholder", "[EMAIL_1]"),
]
NOT_FOUND = [
    "order 202411231234",
    "2026-11-24 10:00:00",
    "version 10.4.2 at 192.168.1.10",
    "4111 1111 1111 1112",
    "ERR_PAYMENT_504",
    "ticket 12345678",
    "000-12-3456",
]


@pytest.mark.parametrize(("kind", "value"), FOUND, ids=[value for _, value in FOUND])
def test_what_is_somebodys_is_found(kind: str, value: str) -> None:
    text = f"It says {value} there"
    assert [(one.kind, text[one.start : one.end]) for one in findings(text, regions=REGIONS)] == [(kind, value)]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("password: hunter2", "hunter2"),
        ("Steuer-ID 86095742719", "86095742719"),
        ("PESEL: 44051401359", "44051401359"),
        ("BSN 111222333", "111222333"),
        ("ftp://me:geheim@host.example/x", "me:geheim"),
    ],
)
def test_a_word_before_it_can_tell_what_it_is(text: str, value: str) -> None:
    (one,) = findings(text, regions=REGIONS)
    assert text[one.start : one.end] == value


@pytest.mark.parametrize("text", NOT_FOUND)
def test_what_is_nobodys_stays(text: str) -> None:
    assert findings(text, regions=REGIONS) == []


def test_a_value_has_one_name_throughout_a_run_and_all_come_back() -> None:
    names = Pseudonyms(regions=REGIONS)
    text = "a@x.example wrote to b@x.example, then a@x.example"
    assert names.hidden(text) == "[EMAIL_1] wrote to [EMAIL_2], then [EMAIL_1]"
    assert names.restored(names.hidden(text)) == text
    assert names.restored("[EMAIL_9]") == "[EMAIL_9]"
    assert dict(names.counts) == {"email": 2}


def test_every_part_of_a_conversation_is_covered_but_the_instructions() -> None:
    names = Pseudonyms(regions=REGIONS)
    document = json.dumps({"user_input": 'I am "a@x.example"', "page": {"card": 4111111111111111, "n": 7}})
    messages: list[ModelMessage] = [
        ModelRequest(
            parts=[
                SystemPromptPart("Write to desk@x.example"),
                UserPromptPart(document),
                UserPromptPart(["a@x.example", TextContent("b@x.example")]),
            ],
            instructions="Write to desk@x.example",
        ),
        ModelResponse(
            parts=[
                TextPart("c@x.example"),
                ToolCallPart("t", {"to": ["c@x.example"]}, "1"),
                ToolCallPart("t", '{"to": "c@x.example"}', "2"),
            ]
        ),
        ModelRequest(
            parts=[
                ToolReturnPart("t", {"from": "d@x.example", "ok": True}, "1"),
                ToolReturnPart("t", "d@x.example", "2"),
                RetryFeedbackPart("not d@x.example", retry=RetryInfo(cause="model_retry")),
            ]
        ),
    ]
    hidden = names.hide(messages)
    assert str(hidden).count("@x.example") == str(hidden).count("desk@x.example") == 2
    assert "4111111111111111" not in str(hidden)
    assert dict(names.counts) == {"email": 4, "card": 1}
    (user,) = [p for p in hidden[0].parts if isinstance(p, UserPromptPart) and isinstance(p.content, str)]
    assert json.loads(str(user.content))["page"] == {"card": "[CARD_1]", "n": 7}


def test_an_answers_arguments_have_the_values_again_and_stay_json() -> None:
    names = Pseudonyms()
    secret = "-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----"
    placeholder = names.hidden(secret)
    answer = ModelResponse(parts=[ToolCallPart("t", json.dumps({"text": f"key {placeholder}"}))])
    (part,) = names.restore(answer).parts
    assert isinstance(part, ToolCallPart)
    assert part.args_as_dict() == {"text": f"key {secret}"}


def test_an_account_number_with_a_wrong_checksum_is_none() -> None:
    assert "iban" not in {one.kind for one in findings("Our account is GB82 WEST 1234 5698 7654 33", regions=REGIONS)}
