"""Values as they are kept with a run: enough to explain a decision, not a second copy of every file."""

from typing import Any

from mcp_client.client import ToolCall

MAX_TEXT = 4_000
MAX_ITEMS = 100
MAX_DEPTH = 12


def kept(call: ToolCall) -> dict[str, Any]:
    """A call of a tool, by field."""
    return {
        "tool": call.tool,
        "arguments": trimmed(call.arguments),
        "result": trimmed(call.result),
        "failed": call.failed,
        "seconds": round(call.seconds, 4),
    }


def trimmed(value: Any, *, depth: int = 0) -> Any:
    """JSON with long texts and lists cut, each cut saying how much is missing. NUL, which JSONB refuses, is dropped."""
    if depth > MAX_DEPTH:
        return "…"
    match value:
        case str():
            return _text(value)
        case dict():
            return {_text(str(key)): trimmed(item, depth=depth + 1) for key, item in list(value.items())[:MAX_ITEMS]}
        case list() | tuple():
            kept = [trimmed(item, depth=depth + 1) for item in value[:MAX_ITEMS]]
            return kept if len(value) <= MAX_ITEMS else [*kept, f"… ({len(value) - MAX_ITEMS} more)"]
        case bool() | int() | float() | None:
            return value
        case _:
            return f"({type(value).__name__})"


def _text(value: str) -> str:
    clean = value.replace("\x00", "")
    return clean if len(clean) <= MAX_TEXT else f"{clean[:MAX_TEXT]}… ({len(clean) - MAX_TEXT} characters more)"
