"""What a log line may not say. Secrets are blotted out wherever they are quoted; exceptions say what they are and where
they were raised, but not their message, which tends to quote its input: a ticket, a file, a row.

Blotting out is the net below the rule that nobody logs a secret or a content, not a replacement for it.
"""

import copy
import logging
import re
import traceback
from collections.abc import Iterator, Mapping
from typing import Any

REDACTED = "[redacted]"

# Every repetition is bounded: a client may send a line of 64 KB that tries the patterns.
_NAMES = r"[\w-]{0,40}(?:token|password|passwd|pwd|secret|api[_-]?key|authorization|cookie|credentials?)"
_SECRET_NAME = re.compile(_NAMES, re.IGNORECASE)
_TOKENS = (
    # Login and password in an address.
    re.compile(r"(?P<keep>\w://)[^/\s@]{0,200}:[^/\s@]{0,200}(?=@)"),
    re.compile(r"(?P<keep>\b(?:bearer|basic)\s)\s{0,10}[\w.~+/=-]{8,}", re.IGNORECASE),
    # JSON Web Tokens, our API keys, those of model providers, of clouds and of code hosts.
    re.compile(r"\beyJ[\w-]+\.[\w-]+(?:\.[\w-]*)?"),
    re.compile(r"\bevd_[0-9a-f]+_[0-9a-f]+"),
    re.compile(r"\bsk-[\w-]{16,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"),
    re.compile(r"\b(?:gh[opusr]_[0-9A-Za-z]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,})"),
    re.compile(r"\bxox[abeoprs]-[\w-]{10,}"),
    re.compile(r"\bAIza[\w-]{35}"),
    re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]{1,20000}(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?"),
)
"""Secrets known by their look. What `keep` names stays."""
_NAMED = (
    # name=value, name: value, "name": "value", name%3Dvalue.
    re.compile(rf"(?P<keep>\b{_NAMES}['\"]?\s{{0,4}}(?:=|:|%3d|%3a)\s{{0,4}}['\"]?)[^\s&,;'\"]+", re.IGNORECASE),
)
_QUERY = re.compile(r"\?[^\s\"']*")
_REPR_KIND = re.compile(r"(?:Retry in [\d.]+s: )?[A-Za-z_][\w.]*(?=\()")


def redacted(text: str) -> str:
    if text.isalnum():
        # No pattern fits letters and digits alone, and most of a request's line is ids and plain words.
        return text
    for pattern in (*_TOKENS, *_NAMED):
        text = pattern.sub(_blotted, text)
    return text


def secrets_in(text: str, *, named: bool = True) -> Iterator[tuple[int, int]]:
    """Where secrets stand, from and to: those known by their look and, if `named`, by the name before them."""
    for pattern in (*_TOKENS, *_NAMED) if named else _TOKENS:
        for match in pattern.finditer(text):
            yield (match.start() + len(_kept(match)), match.end())


def _kept(match: re.Match[str]) -> str:
    kept: str = match.groupdict().get("keep") or ""
    return kept


def _blotted(match: re.Match[str]) -> str:
    return f"{_kept(match)}{REDACTED}"


def cleaned(value: Any) -> Any:
    """The same value, fit for a JSON line: secrets blotted out by name and by look, exceptions by their kind."""
    match value:
        case str():
            return redacted(value)
        case None | bool() | int() | float():
            return value
        case BaseException():
            return named(value)
        case Mapping():
            return {
                str(key): REDACTED if isinstance(item, str) and _SECRET_NAME.fullmatch(str(key)) else cleaned(item)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            return [cleaned(item) for item in value]
        case _:
            return redacted(str(value))


def named(error: BaseException) -> str:
    """The kind; of the operating system's errors also the words, for they are its own: a port in use, a full disk."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    return f"{name}: {redacted(str(error))}" if isinstance(error, OSError) else name


def described(error: BaseException) -> str:
    """A traceback as Python writes it, causes first, without messages and local values."""
    return "".join(_chapters(error, set()))


def _chapters(error: BaseException, told: set[int]) -> Iterator[str]:
    told.add(id(error))
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None and id(cause) not in told:
        yield from _chapters(cause, told)
        link = "the direct cause of" if error.__cause__ is not None else "being handled before"
        yield f"\nwas {link}\n\n"
    yield from traceback.format_tb(error.__traceback__)
    yield f"{named(error)}\n"
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions, 1):
            if id(member) not in told:
                yield f"\nNumber {number} of the group:\n\n"
                yield from _chapters(member, told)


def discreet(record: logging.LogRecord) -> logging.LogRecord:
    """A copy of a library's record that quotes no exception and no address' query."""
    record = copy.copy(record)
    if isinstance(record.msg, BaseException):
        record.msg = named(record.msg)
    if isinstance(record.args, Mapping):
        record.args = _of_a_task(record.args, record.exc_info[1] if record.exc_info else None)
    elif record.args:
        record.args = tuple(named(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
    if record.name.startswith("uvicorn") and isinstance(record.msg, str):
        # A client may put its token into any name, and to any address.
        record.msg, record.args = _QUERY.sub("?" + REDACTED, record.getMessage()), None
    return record


def _of_a_task(about: Mapping[str, Any], error: BaseException | None) -> dict[str, Any]:
    """Celery's lines about a task that failed hold the exception's repr and its traceback as text."""
    kept = dict(about)
    if isinstance(kept.get("exc"), str):
        # "Retry in 2s: ValueError('…')"; not every repr begins with a name.
        kind = _REPR_KIND.match(kept["exc"])
        kept["exc"] = named(error) if error is not None else kind[0] if kind else REDACTED
    if isinstance(kept.get("traceback"), str):
        kept["traceback"] = ""
    return kept
