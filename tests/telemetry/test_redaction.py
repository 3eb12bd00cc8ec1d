"""What is taken out of a line, whoever writes it."""

import logging
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest

from app.core.redaction import cleaned, described
from app.core.settings import TelemetrySettings
from app.core.telemetry import configure_logging, get_logger
from tests.telemetry.conftest import Lines


@pytest.mark.parametrize(
    "text",
    [
        "GET /ws?token=s3cr3t-value HTTP/1.1",
        "GET /ws?a=1&access_token=s3cr3t-value&b=2",
        "/ws?token%3Ds3cr3t-value",
        "Authorization: Bearer s3cr3t-value",
        "authorization=basic s3cr3t-value",
        "{'password': 's3cr3t-value', 'user': 'ada'}",
        '{"api_key": "s3cr3t-value"}',
        "X-Api-Key: s3cr3t-value",
        "Cookie: s3cr3t-value",
        "connecting to redis://:s3cr3t-value@127.0.0.1:6379/0",
        "postgresql://evidesk:s3cr3t-value@db/evidesk is away",
        "EVIDESK_AUTH__SECRET=s3cr3t-value",
    ],
)
def test_a_secret_is_blotted_out(text: str) -> None:
    clean = cleaned(text)
    assert "s3cr3t" not in clean
    assert "[redacted]" in clean


@pytest.mark.parametrize(
    "secret",
    [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
        "evd_0123abcd_" + "0123456789abcdef" * 4,
        "sk-proj-0123456789abcdefghij",
    ],
)
def test_a_secret_is_known_by_its_look(secret: str) -> None:
    assert secret not in cleaned(f"it came with {secret}, and left")


def test_plain_words_stay() -> None:
    text = "tokens 12, passwords changed: see https://example.com/a?b=c, the basic idea, ada@example.com"
    assert cleaned({"event": text, "tokens": 12, "ok": True, "none": None}) == {
        "event": text,
        "tokens": 12,
        "ok": True,
        "none": None,
    }


def test_values_of_every_kind_are_cleaned() -> None:
    found = cleaned(
        {
            "token": "whole",
            "nested": [{"refresh_token": "whole"}, ("password=x",), {"Bearer abcdefgh"}],
            "error": ValueError("quoted"),
            "full": OSError(28, "No space left on device"),
            "id": UUID(int=1),
            "path": Path("/data/x"),
        }
    )
    assert found == {
        "token": "[redacted]",
        "nested": [{"refresh_token": "[redacted]"}, ["password=[redacted]"], ["Bearer [redacted]"]],
        "error": "ValueError",
        "full": "OSError: [Errno 28] No space left on device",
        "id": str(UUID(int=1)),
        "path": "/data/x",
    }


E = TypeVar("E", bound=BaseException)


def fail(error: BaseException) -> None:
    raise error


def caught(error: E) -> E:
    """The same, with a traceback."""
    with pytest.raises(type(error)) as found:
        fail(error)
    return found.value


def test_an_exception_tells_its_causes_and_places_but_no_message() -> None:
    error = LookupError("quoted")
    error.__context__, error.__cause__ = KeyError("quoted"), caught(ValueError("quoted"))
    text = described(caught(error))
    assert "quoted" not in text
    assert [line for line in text.splitlines() if line.endswith("Error")] == ["ValueError", "LookupError"]
    assert "was the direct cause of" in text
    assert "test_redaction.py" in text


def test_exceptions_in_a_handler_and_in_groups_are_told_once_each() -> None:
    group = ExceptionGroup("quoted", [ValueError("quoted"), TypeError("quoted")])
    group.__context__ = caught(KeyError("quoted"))
    group.exceptions[0].__cause__ = group
    text = described(ExceptionGroup("quoted", [caught(group), group]))
    assert "quoted" not in text
    assert "was being handled before" in text
    for kind, times in {"KeyError": 1, "ExceptionGroup": 2, "ValueError": 1, "TypeError": 1}.items():
        assert text.split().count(kind) == times


def test_a_line_that_tries_the_patterns_is_read_in_no_time() -> None:
    started = time.perf_counter()
    for bait in ("a-", "a://:", "a:", "token", "eyJ.", "bearer ", "='"):
        cleaned(bait * (65_536 // len(bait)))
    assert time.perf_counter() - started < 10


def test_a_library_that_logs_an_exception_logs_its_kind(lines: Lines) -> None:
    error = ValueError("quoted")
    log = logging.getLogger("a.library")
    log.error(error)
    log.error("it failed: %s of %d", error, 2)
    log.error("it failed", exc_info=error)
    log.error("it failed", exc_info=True)  # noqa: LOG014 - as careless libraries do
    first, second, third, fourth = lines.documents()
    assert (first["event"], second["event"]) == ("ValueError", "it failed: ValueError of 2")
    assert third["exception"] == "ValueError\n"
    assert "exception" not in fourth
    assert "quoted" not in "".join(lines.raw)


def test_celery_tells_which_task_failed_and_how_but_quotes_nothing(lines: Lines) -> None:
    log = logging.getLogger("celery.app.trace")
    about = {"name": "agents.run", "id": "1", "exc": "ValueError('quoted')", "traceback": "quoted", "other": 1}
    log.error("Task %(name)s[%(id)s] raised: %(exc)s %(traceback)s", about)
    log.info("Task %(name)s retry: %(exc)s", {"name": "agents.run", "exc": "Retry in 2s: KeyError('quoted')"})
    log.info("Task %(name)s retry: %(exc)s", {"name": "agents.run", "exc": "1 error quoted('quoted')"})
    log.info("Task %(name)s succeeded", {"name": "agents.run"})
    assert [line["event"] for line in lines.documents()] == [
        "Task agents.run[1] raised: ValueError ",
        "Task agents.run retry: Retry in 2s: KeyError",
        "Task agents.run retry: [redacted]",
        "Task agents.run succeeded",
    ]


def test_no_address_of_the_server_keeps_its_query(lines: Lines) -> None:
    logging.getLogger("uvicorn.error").info('%s - "WebSocket %s" 403', "127.0.0.1:1", "/wss?anything=quoted&more")
    (line,) = lines.documents()
    assert line["event"] == '127.0.0.1:1 - "WebSocket /wss?[redacted]" 403'


def test_libraries_say_no_more_than_info_though_we_debug(lines: Lines) -> None:
    get_logger("app.tickets.service").debug("ours")
    logging.getLogger("a.library").debug("theirs")
    assert [line["event"] for line in lines.documents()] == ["ours"]


def test_a_warning_is_a_line_without_its_message(lines: Lines) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        configure_logging("test", TelemetrySettings())
        warnings.warn("quoted", UserWarning, stacklevel=1)
    (line,) = lines.documents()
    assert (line["event"], line["category"]) == ("warning", "UserWarning")
    assert "quoted" not in lines.raw[0]


def test_a_librarys_own_handler_is_taken_off(lines: Lines) -> None:
    library = logging.getLogger("a.library.with.handlers")
    library.addHandler(logging.StreamHandler())
    library.propagate = False
    configure_logging("test", TelemetrySettings())
    library.warning("heard")
    assert [line["event"] for line in lines.documents()] == ["heard"]
    assert library.handlers == []


CRASHING = """
import threading
from app.core.settings import TelemetrySettings
from app.core.telemetry import configure_logging
configure_logging("test", TelemetrySettings())
def fail():
    raise ValueError("quo" + "ted")
thread = threading.Thread(target=fail, name="helper")
thread.start()
thread.join()
raise RuntimeError("quo" + "ted")
"""


def test_what_ends_a_thread_or_the_process_is_a_line() -> None:
    ended = subprocess.run([sys.executable, "-c", CRASHING], capture_output=True, text=True)
    assert ended.returncode == 1
    thread, process = ended.stderr.splitlines()
    assert '"event": "thread_crashed"' in thread
    assert '"event": "process_crashed"' in process
    assert "ValueError" in thread
    assert "RuntimeError" in process
    assert "quoted" not in ended.stderr
