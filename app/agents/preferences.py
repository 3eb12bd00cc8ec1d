"""RFC 7240: how long a client wants to wait for a run, and what of that was granted."""

import re
from dataclasses import dataclass

_NAME = r"(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)"
_VALUE = r"""(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s;,"]*))"""
_ITEM = re.compile(rf"\s*{_NAME}\s*(?:=\s*{_VALUE})?")


@dataclass(frozen=True, slots=True)
class Preference:
    """`seconds` to wait; `applied` is the value of Preference-Applied, None when nothing was preferred."""

    seconds: float
    applied: str | None


def preference(header: str | None, *, most: float) -> Preference:
    """`respond-async` alone does not wait at all; with `wait` it waits as long as that. Never more than `most` seconds.

    What is unknown or malformed is ignored, as RFC 7240 §2 demands; of one given twice the first counts.
    """
    given: dict[str, str] = {}
    for part in (header or "").split(","):
        item = _ITEM.match(part)
        if item is not None:
            given.setdefault(item["name"].lower(), item["quoted"] or item["plain"] or "")
    applied = []
    seconds = most
    if "respond-async" in given:
        applied.append("respond-async")
        seconds = 0.0
    value = given.get("wait", "")
    if value.isascii() and value.isdecimal() and len(value) <= 9:
        seconds = min(float(value), most)
        applied.append(f"wait={int(seconds)}")
    return Preference(seconds, ", ".join(applied) or None)
