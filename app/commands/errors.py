"""Write docs/errors.md: every code that a refusal may carry, from the classes themselves."""

from collections.abc import Iterator
from pathlib import Path

from app.core.errors import Problem
from app.main import create_app

HEAD = """\
# Errors

Every refusal is `application/problem+json` (RFC 9457). `code` is stable and meant for programs; `detail` is a sentence
for people and may change. `request_id` finds the request in the logs. A 422 lists what is wrong in `errors`, each with
its `location`, `message` and `kind`. Some codes carry more: `precondition_failed` has the present `version` and, in
`current`, the fields that differ; `rate_limited` has `Retry-After`. Which operation may answer with which code is in
[openapi.json](../openapi.json).

Written by `make openapi`; a test keeps it in step.

| status | code | title | usual detail |
|---|---|---|---|
"""


def render() -> str:
    create_app()  # Loads every room, and with it every class.
    ours = [kind for kind in _below(Problem) if kind.__module__.startswith("app.")]
    kinds = {kind.code: kind for kind in sorted(ours, key=lambda kind: (kind.__module__, kind.__name__))}
    rows = sorted(kinds.values(), key=lambda kind: (kind.status, kind.code))
    return HEAD + "".join(f"| {kind.status} | `{kind.code}` | {kind.title} | {kind.detail} |\n" for kind in rows)


def _below(kind: type[Problem]) -> Iterator[type[Problem]]:
    yield kind
    for narrower in kind.__subclasses__():
        yield from _below(narrower)


def main() -> None:
    Path("docs/errors.md").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
