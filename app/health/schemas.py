from typing import Literal

from app.core.schemas import Out


class Health(Out):
    """The process answers. Nothing else is asked."""

    status: Literal["healthy"] = "healthy"
    version: str


class DatabaseHealth(Out):
    database: Literal["connected"]


class Readiness(Out):
    """Each thing that a request may need: "ok", or why not."""

    status: Literal["ready", "not_ready"]
    dependencies: dict[str, str]
