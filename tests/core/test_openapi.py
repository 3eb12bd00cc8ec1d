"""The served document: every refusal in one form, everything that any request may meet."""

from typing import Any

import pytest

from app.core.settings import Settings
from app.main import create_app

METHODS = {"get", "put", "post", "delete", "patch", "head", "options"}


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return create_app(Settings(_env_file=None)).openapi()


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    ]


def test_refusals_are_problems_of_one_form(document: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in document["components"]["schemas"]
    for path, method, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("4"):
                content = response["content"]
                assert list(content) == ["application/problem+json"], (path, method, status)
                assert content["application/problem+json"]["schema"]["$ref"].endswith("/Problem")


def test_every_api_operation_says_what_any_request_may_meet(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        if path.startswith("/api/v1/"):
            expected = {"400", "429", "503"}
            expected |= {"401", "403"} if operation["security"] else set()
            expected |= {"413", "422"} if "requestBody" in operation else set()
            expected |= {"422"} if "parameters" in operation else set()
            assert expected <= operation["responses"].keys(), (path, method)


def test_every_post_takes_an_idempotency_key(document: dict[str, Any]) -> None:
    for path, method, operation in operations(document):
        keys = [p for p in operation.get("parameters", []) if p["name"].lower() == "idempotency-key"]
        assert len(keys) == (method == "post" and path.startswith("/api/v1/")), path


def test_keys_are_offered_wherever_a_login_is_asked_for(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["api_key"]["name"] == "X-API-Key"
    me = document["paths"]["/api/v1/users/me"]["get"]
    assert me["security"] == [{"bearer": []}, {"api_key": []}]
    assert document["paths"]["/api/v1/auth/login"]["post"]["security"] == []


def test_the_document_is_made_once() -> None:
    app = create_app(Settings(_env_file=None))
    assert app.openapi() is app.openapi()


def test_references_lead_somewhere(document: dict[str, Any]) -> None:
    def references(node: Any) -> list[str]:
        if isinstance(node, dict):
            here = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
            return here + [r for value in node.values() for r in references(value)]
        return [r for value in node for r in references(value)] if isinstance(node, list) else []

    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= known
