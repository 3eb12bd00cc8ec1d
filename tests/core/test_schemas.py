"""The forms of what comes in and goes out."""

import pickle
from typing import ClassVar

import pytest
from pydantic import TypeAdapter, ValidationError

from app.core.errors import (
    Conflict,
    NotFound,
    PreconditionFailed,
    Problem,
    RateLimited,
    Unauthenticated,
    documented,
)
from app.core.schemas import BIGINT_MAX, Body, Event, In, Line, Moment, RowId, Slug, Text


class Form(In):
    text: Text = ""
    line: Line = "x"
    body: Body = "x"
    slug: Slug = "x"
    row: RowId = 1
    number: float = 0


class Happened(Event):
    type: ClassVar[str] = "it.happened"
    ticket_id: int


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": "a\0b"},
        {"text": "\ud800"},
        {"text": 1},
        {"line": ""},
        {"line": " \t\n"},
        {"line": "x" * 301},
        {"line": "\0"},
        {"body": "\u2003"},
        {"body": "x" * 100_001},
        {"slug": "Upper"},
        {"slug": "-a"},
        {"slug": "a b"},
        {"slug": "a\n"},
        {"slug": "x" * 51},
        {"row": 0},
        {"row": BIGINT_MAX + 1},
        {"row": "x"},
        {"number": float("nan")},
        {"number": float("inf")},
        {"unknown": 1},
    ],
    ids=repr,
)
def test_what_cannot_be_stored_or_means_nothing_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Form.model_validate(wrong)


def test_text_is_kept_as_it_was_written() -> None:
    assert Form(text="  ü\n👍 ", line=" x ").model_dump(include={"text", "line"}) == {"text": "  ü\n👍 ", "line": " x "}


def test_an_event_does_not_change_and_names_its_aggregate() -> None:
    event = Happened(ticket_id=1)
    with pytest.raises(ValidationError):
        event.ticket_id = 2  # type: ignore[misc]
    with pytest.raises(ValidationError):
        Happened.model_validate({"ticket_id": 1, "more": 2})
    with pytest.raises(TypeError, match="Happened"):
        _ = event.aggregate


@pytest.mark.parametrize(
    "problem",
    [
        NotFound(),
        Conflict("Why.", more=[1]),
        Unauthenticated("Who?"),
        RateLimited(headers={"Retry-After": "3"}),
        PreconditionFailed(headers={"ETag": '"1"'}, version=1, current={"a": 1}),
    ],
    ids=repr,
)
def test_a_problem_survives_the_way_between_processes(problem: Problem) -> None:
    copy = pickle.loads(pickle.dumps(problem))  # noqa: S301 - our own bytes, of the line before
    assert type(copy) is type(problem)
    assert (copy.detail, copy.headers, copy.members) == (problem.detail, problem.headers, problem.members)


def test_documented_errors_are_one_entry_a_status_with_every_code() -> None:
    class Gone(NotFound):
        code = "gone"
        title = "Gone"

    answers = documented(NotFound, Gone, Conflict)
    assert set(answers) == {404, 409}
    assert answers[404]["description"] == "`not_found`: Not found; `gone`: Gone"


MOMENT = TypeAdapter(Moment)


@pytest.mark.parametrize("spelt", ["0", "0.5", "-1", "1e9", "20260131", " 7 ", 0, 1_700_000_000, 0.5])
def test_a_number_is_no_time(spelt: object) -> None:
    with pytest.raises(ValidationError, match="RFC 3339"):
        MOMENT.validate_python(spelt)


@pytest.mark.parametrize("spelt", ["2026-01-31T09:30:00", "9999-12-31T23:59:59-01:00", "soon", None])
def test_a_time_has_an_offset_and_lies_within_what_can_be_stored(spelt: object) -> None:
    with pytest.raises(ValidationError):
        MOMENT.validate_python(spelt)


def test_a_time_is_kept_in_utc() -> None:
    assert MOMENT.validate_python("2026-01-31T09:30:00+02:00").isoformat() == "2026-01-31T07:30:00+00:00"
