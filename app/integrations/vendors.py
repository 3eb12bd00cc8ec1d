"""The vendors there are: their settings, their credentials, their adapter."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import SecretStr

from app.core.settings import IntegrationSettings
from app.integrations.base import Credentials, IssueTracker, Settings
from app.integrations.github.client import GitHub, GitHubCredentials, GitHubSettings
from app.integrations.jira.client import Jira, JiraCredentials, JiraSettings
from app.integrations.salesforce.client import Salesforce, SalesforceCredentials, SalesforceSettings


class Provider(StrEnum):
    GITHUB = "github"
    JIRA = "jira"
    SALESFORCE = "salesforce"


@dataclass(frozen=True, slots=True)
class Vendor:
    settings: type[Settings]
    credentials: type[Credentials]
    build: Callable[[Any, Any, IntegrationSettings], IssueTracker]


VENDORS: Mapping[Provider, Vendor] = {
    Provider.GITHUB: Vendor(GitHubSettings, GitHubCredentials, GitHub),
    Provider.JIRA: Vendor(JiraSettings, JiraCredentials, Jira),
    Provider.SALESFORCE: Vendor(SalesforceSettings, SalesforceCredentials, Salesforce),
}


def tracker(provider: str, config: Any, secret: Any, settings: IntegrationSettings) -> IssueTracker:
    """Raises pydantic's ValidationError for stored settings that are no longer enough."""
    vendor = VENDORS[Provider(provider)]
    return vendor.build(vendor.settings.model_validate(config), vendor.credentials.model_validate(secret), settings)


def revealed(credentials: Credentials) -> dict[str, str]:
    """For the vault alone."""
    return {name: value.get_secret_value() for name, value in credentials if isinstance(value, SecretStr)}
