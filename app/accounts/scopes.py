"""What an API key may reach. The one place where an address is tied to the scope it needs.

A key is refused wherever this table says nothing: a new room is closed to keys until a line is added here.
"""

from enum import StrEnum

from app.core.http import API_PREFIX

READING = frozenset({"GET", "HEAD"})


class Scope(StrEnum):
    TICKETS_READ = "tickets:read"
    TICKETS_WRITE = "tickets:write"
    FILES_READ = "files:read"
    FILES_WRITE = "files:write"
    KNOWLEDGE_READ = "knowledge:read"
    AGENT_RUN = "agent:run"
    TOOLS_READ = "tools:read"
    """The tool server's tools that change nothing; opens no address of the API."""
    TOOLS_USE = "tools:use"
    """All tools."""
    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"


_NEEDED: dict[str, tuple[Scope, Scope | None]] = {
    # First part of the path: the scope for reading, and the one for everything else (None: no key may).
    "tickets": (Scope.TICKETS_READ, Scope.TICKETS_WRITE),
    "files": (Scope.FILES_READ, Scope.FILES_WRITE),
    "knowledge": (Scope.KNOWLEDGE_READ, None),
    "agent": (Scope.AGENT_RUN, Scope.AGENT_RUN),
    "sessions": (Scope.SESSIONS_READ, Scope.SESSIONS_WRITE),
}
_FOR_EVERY_KEY = frozenset({f"{API_PREFIX}/users/me"})


def permits(scopes: frozenset[str], *, method: str, path: str) -> bool:
    """Whether a key with these scopes may send this request."""
    if path in _FOR_EVERY_KEY and method in READING:
        return True
    if not path.startswith(f"{API_PREFIX}/"):
        return False
    room = path.removeprefix(f"{API_PREFIX}/").split("/", 1)[0]
    reading, writing = _NEEDED.get(room, (None, None))
    needed = reading if method in READING else writing
    return needed is not None and needed in scopes
