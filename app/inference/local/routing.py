"""The tables that follow from a category: which team takes it, and which integration usually holds such work."""

from typing import Final

GENERAL: Final = "general"
SUPPORT: Final = "support"

TEAMS: Final[dict[str, str]] = {
    "general": SUPPORT,
    "bug": "engineering",
    "incident": "operations",
    "performance": "engineering",
    "security": "security",
    "account": "accounts",
    "billing": "billing",
    "integration": "integrations",
    "feature_request": "product",
    "how_to": SUPPORT,
}

# Work on the product itself goes to an issue tracker (GitHub when the report shows code, see `integration_for`);
# work on a customer relation goes to the CRM. Security stays here: a leak must not be copied into another system.
INTEGRATIONS: Final[dict[str, str]] = {
    "bug": "jira",
    "incident": "jira",
    "performance": "jira",
    "feature_request": "jira",
    "integration": "jira",
    "billing": "salesforce",
    "account": "salesforce",
}


def team_for(category: str) -> str:
    """Unknown categories go to support, whose work it is to sort out what nobody else takes."""
    return TEAMS.get(category, SUPPORT)


def integration_for(category: str, *, shows_code: bool = False) -> str | None:
    """`shows_code` is true when stack frames were found: then a bug belongs beside the code, on GitHub."""
    if category == "bug" and shows_code:
        return "github"
    return INTEGRATIONS.get(category)
