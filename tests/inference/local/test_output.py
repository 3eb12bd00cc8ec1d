from enum import StrEnum
from typing import Any, Literal

import pytest
from pydantic import BaseModel, TypeAdapter

from app.inference.local.output import CannotFill, fill


class Choice(BaseModel):
    category: str
    confidence: float


class Level(StrEnum):
    LOW = "low"


class Everything(BaseModel):
    title: str
    ticket_id: int
    level: Level
    choices: list[Choice]
    best: Choice | None
    names: list[str]
    pairs: list[tuple[str, float]]
    free: dict[str, Any]
    unknown_but_optional: str = "default"
    unknown_but_nullable: str | None
    kind: Literal["a", "b"]


FACTS = {
    "title": "T",
    "ticket_id": 5,
    "level": "low",
    "choices": [{"category": "bug", "confidence": 0.5, "extra": 1}],
    "best": {"category": "bug", "confidence": 0.5},
    "names": [{"category": "bug", "confidence": 0.5}],
    "pairs": [{"category": "bug", "confidence": 0.5}],
    "free": {"a": 1},
    "kind": "a",
}


def test_an_output_is_filled_by_the_names_of_its_properties() -> None:
    filled = fill(Everything.model_json_schema(), FACTS)

    made = Everything.model_validate(filled)
    assert made.title == "T"
    assert made.choices == [Choice(category="bug", confidence=0.5)]
    assert made.best == Choice(category="bug", confidence=0.5)
    assert made.names == ["bug"]
    assert made.pairs == [("bug", 0.5)]
    assert made.free == {"a": 1}
    assert made.unknown_but_optional == "default"
    assert made.unknown_but_nullable is None


def test_a_required_property_without_a_fact_is_named() -> None:
    with pytest.raises(CannotFill, match="ticket_id"):
        fill(Everything.model_json_schema(), {**FACTS, "ticket_id": None})


def test_a_number_becomes_words_where_words_are_asked_for() -> None:
    schema = {"properties": {"title": {"type": "string"}, "names": {}}}

    assert fill(schema, {"title": 5, "names": ("a",)}) == {"title": "5", "names": ["a"]}


def test_a_schema_without_properties_gives_an_empty_object() -> None:
    assert fill(TypeAdapter(dict[str, int]).json_schema(), FACTS) == {}
