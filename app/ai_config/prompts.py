"""Variables of a prompt, `{{company}}` and the like: what the installation says of itself.

What people, files and tools say is never a variable, and a value is put in as it is: nothing in it is expanded again.
"""

import re
from collections.abc import Collection, Mapping

from app.core.clock import now
from app.core.settings import Settings
from app.inference.local.routing import TEAMS
from app.models.ticket import Priority

VARIABLES: dict[str, str] = {
    "company": "the name in EVIDESK_AGENTS__COMPANY",
    "categories": "the categories of tickets",
    "teams": "the teams that take tickets",
    "priorities": "from low to critical",
    "tools": "the tools that the run is offered",
    "today": "the date in UTC, as 2026-11-25",
}

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_OPENING = re.compile(r"\{\{")


def problem(prompt: str) -> str | None:
    """What is wrong with a prompt's variables; None: nothing."""
    known = ", ".join(f"{{{{{name}}}}}" for name in VARIABLES)
    if unknown := sorted({name for name in _VARIABLE.findall(prompt) if name not in VARIABLES}):
        return f"there is no variable {', '.join(f'{{{{{name[:100]}}}}}' for name in unknown[:5])}; there are {known}"
    if _OPENING.search(_VARIABLE.sub("", prompt)):
        return f"“{{{{” begins a variable that is not closed by “}}}}”; there are {known}"
    return None


def variables(settings: Settings, tools: Collection[str]) -> dict[str, str]:
    """Their values for a run that is offered these tools."""
    return {
        "company": settings.agents.company,
        "categories": ", ".join(TEAMS),
        "teams": ", ".join(dict.fromkeys(TEAMS.values())),
        "priorities": ", ".join(Priority),
        "tools": ", ".join(sorted(tools)) or "none",
        "today": now().date().isoformat(),
    }


def rendered(prompt: str, values: Mapping[str, str]) -> str:
    """A name without a value stays as it is: old versions were stored before there were variables."""
    return _VARIABLE.sub(lambda found: values.get(found[1], found[0]), prompt)
