"""openapi.json is what is served, valid, and complete enough to write a client from."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ValidationError

from app.commands import errors
from app.commands.openapi import document
from app.core.schemas import In
from tests.conftest import ROOT

METHODS = {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
WRITTEN = (ROOT / "openapi.json").read_text(encoding="utf-8")


def codes(answer: dict[str, Any]) -> list[str]:
    if "application/problem+json" not in answer.get("content", {}):
        return []
    return re.findall(r"`(\w+)`:", answer["description"])


def operations() -> list[Any]:
    return [
        pytest.param(path, operation, id=f"{method.upper()} {path}")
        for path, item in json.loads(WRITTEN)["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_openapi_json_is_what_the_application_serves() -> None:
    assert document() == WRITTEN, "Run `make openapi` and commit openapi.json."


def test_the_document_is_valid_openapi() -> None:
    assert [*OpenAPIV31SpecValidator(json.loads(WRITTEN)).iter_errors()] == []


def test_bounds_are_written_in_words_that_json_schema_knows() -> None:
    """Pydantic writes `ge` instead of `minimum` where a validator stands between the type and its bound."""
    assert not re.findall(r'"(?:ge|gt|le|lt|min_length|max_length)":', WRITTEN)


def inputs(base: type[BaseModel] = In) -> Iterator[type[BaseModel]]:
    """Of bodies; the socket takes digits too."""
    for kind in base.__subclasses__():
        if f'/{kind.__name__}"' in WRITTEN and not kind.__module__.startswith("app.websocket"):
            yield kind
        yield from inputs(kind)


@pytest.mark.parametrize("kind", sorted(set(inputs()), key=repr), ids=repr)
def test_bodies_take_numbers_alone_for_numbers(kind: type[BaseModel]) -> None:
    for name, schema in kind.model_json_schema().get("properties", {}).items():
        types = {one.get("type") for one in (schema, *schema.get("anyOf", ()))}
        if not types & {"integer", "number"}:
            continue
        for wrong, its_type in ((True, "boolean"), ("1", "string")):
            with pytest.raises(ValidationError) as refused:
                kind.model_validate({name: wrong})
            named = {error["loc"][0] for error in refused.value.errors() if error["loc"]}
            assert name in named or its_type in types, (kind.__name__, name, wrong)


def test_every_tag_is_described_and_used() -> None:
    described = {tag["name"] for tag in json.loads(WRITTEN)["tags"] if tag["description"]}
    assert described == {tag for case in operations() for tag in case.values[1]["tags"]}


def test_operations_have_names_of_their_own() -> None:
    names = [case.values[1]["operationId"] for case in operations()]
    assert len(set(names)) == len(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names), names


@pytest.mark.parametrize(("path", "operation"), operations())
def test_an_operation_says_what_it_is_for_and_who_may_use_it(path: str, operation: dict[str, Any]) -> None:
    assert operation["summary"]
    assert operation["description"]
    assert len(operation["tags"]) == 1
    assert operation["security"] or path.startswith(
        ("/api/v1/auth/", "/api/v1/websocket/", "/health", "/ready", "/metrics", "/api/v1/mails/inbound/webhook")
    )
    codes = "".join(answer["description"] for status, answer in operation["responses"].items() if status[0] == "4")
    assert "`bad_request`" in codes


def test_the_list_of_errors_is_complete(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    errors.main()
    written, kept = (root / "docs/errors.md" for root in (tmp_path, ROOT))
    assert written.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), "Run `make openapi`."


def test_every_code_in_the_document_is_in_the_list_of_errors() -> None:
    listed = set(re.findall(r"(?m)^\| \d+ \| `(\w+)`", errors.render()))
    named = {code for case in operations() for answer in case.values[1]["responses"].values() for code in codes(answer)}
    assert named <= listed
