"""Schemathesis over the served document: what it sends, as whom, and what it found."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import schemathesis
from fastapi import FastAPI
from schemathesis.config import SchemathesisConfig
from schemathesis.core.transport import Response
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import Interaction, ScenarioRecorder
from schemathesis.python.asgi import shutdown_lifespans

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")
schemathesis.serializer.alias("message/rfc822", "application/octet-stream")

SEED = 20_261_121
_PHASES = ("examples", "coverage", "fuzzing", "stateful")
_PROBABILITY = 0.7
"""Of a known value being sent where there is one; the rest are of schemathesis' own making."""

BEYOND_SCHEMAS = {
    "assignee_invalid": "only staff are assigned to",
    "abstention_invalid": "a confidence is one",
    "batch_operation_refused": "a batch changes nothing",
    "bad_request": "an address is UTF-8 text without NUL",
    "candidate_missing": "a share of the runs alone is a candidate's",
    "config_invalid": "known models and tools, and what each agent needs",
    "cursor_invalid": "a cursor is one that came in a Link header",
    "file_empty": "a file has a byte at least",
    "file_field_missing": "a form whose file has no name",
    "file_type_not_allowed": "no executables",
    "idempotency_conflict": "the key came before with something else",
    "integration_invalid": "each provider has settings of its own",
    "multipart_malformed": "a form has boundaries",
    "period_empty": "a period has a day",
    "platform_invalid": "known providers, and sections of their own forms",
    "precondition_failed": "the version is the present one",
    "range_not_satisfiable": "the part lies within the file",
    "priority_weights_invalid": "bands rise",
    "thresholds_invalid": "a calibration has all its weights",
    "tool_unknown": "known tools",
    "unknown_model": "a model has a name of one of a few forms",
    "tus_version_unsupported": "HEAD and OPTIONS say nothing of the protocol's version",
    "upload_body_type_wrong": "a body that may be missing has one type when it is there",
    "upload_checksum_mismatch": "the checksum is of the bytes",
    "upload_header_invalid": "headers hold base64 in the forms of the protocol",
    "upload_not_found": "an upload is one's own and has not ended",
    "upload_offset_wrong": "bytes go on where the upload stands",
}
"""Refusals of requests that the document allows, by code, each with the rule that no JSON Schema can state."""
BEYOND_SCHEMA_KINDS = {"value_error", "string_pattern_mismatch"}
"""Of a field: a rule that is stated in words (not blank, no NUL, …); and a pattern, since engines differ
in what they take for white space."""
TOO_MUCH = ["400", "401", "403", "404", "405", "406", "409", "412", "413", "415", "416", "422", "429", "5xx"]
"""A wrong request may be refused for any of these; what is 5xx is another check's."""


@dataclass(frozen=True)
class Caller:
    """Somebody's token, and values that mean something to the desk, by place and name: `path.ticket_id`."""

    token: str
    known: Mapping[str, Sequence[int | str]]


@dataclass
class Outcome:
    requests: int = 0
    findings: dict[tuple[str, str, str], str] = field(default_factory=dict)
    """By operation, check and message: the first request that shows it, and its answer."""
    statuses: dict[str, set[int]] = field(default_factory=dict)
    """Answered, by operation."""

    def succeeded(self) -> set[str]:
        return {label for label, seen in self.statuses.items() if any(status < 300 for status in seen)}

    def report(self) -> str:
        return "\n\n".join(
            f"{label}\n  {check}: {text}\n  {how}" for (label, check, text), how in self.findings.items()
        )


def run(
    app: FastAPI,
    caller: Caller,
    *,
    phases: Sequence[str],
    examples: int,
    paths: Collection[str],
    seed: int = SEED,
) -> Outcome:
    """Blocks; the application runs on a loop of schemathesis' own."""
    document = app.openapi()
    chosen = {path: item for path, item in document["paths"].items() if path in paths}
    schema = schemathesis.openapi.from_dict(
        {**document, "paths": chosen}, config=_config(caller, phases, examples, seed)
    )
    schema.app = app
    outcome = Outcome()
    try:
        for event in from_schema(schema).execute():
            _note(outcome, event)
    finally:
        shutdown_lifespans()
    return outcome


def _config(caller: Caller, phases: Sequence[str], examples: int, seed: int) -> SchemathesisConfig:
    return SchemathesisConfig.from_dict(
        {
            "seed": seed,
            "base-url": "http://testserver",
            "continue-on-failure": True,
            # A busy machine is no finding; one that never answers is.
            "request-timeout": 60,
            "suppress-health-check": ["all"],
            "auth": {"openapi": {"bearer": {"bearer": caller.token}}},
            "generation": {"max-examples": examples, "deterministic": True, "database": "none", "no-shrink": True},
            "checks": {
                "negative_data_rejection": {"expected-statuses": TOO_MUCH},
                # tus asks for 412 where its version is not named.
                "missing_required_header": {"expected-statuses": ["400", "401", "403", "406", "412", "415", "422"]},
            },
            "phases": {name: {"enabled": name in phases} for name in _PHASES},
            "dictionaries": {f"known{n}": {"values": [*values]} for n, values in enumerate(caller.known.values())},
            "parameters": {
                place: {"dictionary": f"known{n}", "probability": _PROBABILITY} for n, place in enumerate(caller.known)
            },
        }
    )


def _note(outcome: Outcome, event: events.EngineEvent) -> None:
    if isinstance(event, events.NonFatalError):
        outcome.findings.setdefault((event.label, "engine", str(event.info)), "")
    elif isinstance(event, events.FatalError):
        raise event.exception
    elif isinstance(event, events.ScenarioFinished):
        _note_scenario(outcome, event.recorder)


def _note_scenario(outcome: Outcome, recorder: ScenarioRecorder) -> None:
    for case_id, interaction in recorder.interactions.items():
        outcome.requests += 1
        if interaction.response is not None:
            label = recorder.cases[case_id].value.operation.label
            outcome.statuses.setdefault(label, set()).add(interaction.response.status_code)
    for case_id, checks in recorder.checks.items():
        response = recorder.interactions[case_id].response
        for check in checks:
            if check.status is not Status.FAILURE or check.failure_info is None or response is None:
                continue
            failure = check.failure_info.failure
            if check.name == "positive_data_acceptance" and _beyond_schemas(response):
                continue
            if _is_generators_own(recorder.interactions[case_id], failure.message):
                continue
            key = (recorder.cases[case_id].value.operation.label, check.name, f"{failure.title}: {failure.message}")
            answer = response.content[:500].decode(errors="replace")
            outcome.findings.setdefault(key, f"{check.failure_info.code_sample[:2000]}\n  {answer}")


def _beyond_schemas(response: Response) -> bool:
    """Whether the refusal names a rule that the document cannot."""
    problem = response.json()
    kinds = {error["kind"] for error in problem.get("errors", ())}
    return problem["code"] in BEYOND_SCHEMAS or (bool(kinds) and kinds <= BEYOND_SCHEMA_KINDS)


_SLIPS = ("positive test case", "in header - object with unexpected properties")


def _is_generators_own(interaction: Interaction, message: str) -> bool:
    """Following a link, it sends an empty list's id as the word None; it judges good data as bad, and a header that no
    document names as a wrong request, where HTTP lets anybody add one."""
    segments = urlsplit(interaction.request.uri).path.split("/")
    return "None" in segments or any(slip in message for slip in _SLIPS)
