"""Connections and passed-on tickets on the wire. Nothing here can hold a secret on its way out."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import Field, JsonValue, StrictBool

from app.core.schemas import Body, GivenId, In, Line, Out
from app.integrations.github.client import GitHubCredentials, GitHubSettings
from app.integrations.jira.client import JiraCredentials, JiraSettings
from app.integrations.salesforce.client import SalesforceCredentials, SalesforceSettings
from app.integrations.vendors import Provider
from app.models.integration import ExportStatus

Name = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]


_EXAMPLE = {
    "provider": "github",
    "name": "Our code",
    "config": {"owner": "acme", "repo": "shop"},
    "secret": {"token": "ghs_example"},
}


class GitHubIn(In, json_schema_extra={"examples": [_EXAMPLE]}):
    provider: Literal[Provider.GITHUB]
    name: Name
    enabled: StrictBool = True
    config: GitHubSettings
    secret: GitHubCredentials


class JiraIn(In):
    provider: Literal[Provider.JIRA]
    name: Name
    enabled: StrictBool = True
    config: JiraSettings
    secret: JiraCredentials


class SalesforceIn(In):
    provider: Literal[Provider.SALESFORCE]
    name: Name
    enabled: StrictBool = True
    config: SalesforceSettings
    secret: SalesforceCredentials


IntegrationIn = Annotated[GitHubIn | JiraIn | SalesforceIn, Field(discriminator="provider")]


class IntegrationChanges(In, json_schema_extra={"examples": [{"enabled": True}]}):
    """What is left out stays. `config` and `secret` are given whole, in the form of the connection's provider."""

    name: Name | None = None
    enabled: StrictBool | None = None
    config: dict[str, JsonValue] | None = None
    secret: dict[str, JsonValue] | None = None


class IntegrationOut(Out):
    id: int
    provider: Provider
    name: str
    enabled: bool
    config: dict[str, Any]
    has_secret: bool
    version: int
    created_at: datetime
    updated_at: datetime


class CheckOut(Out):
    """What the other system said just now."""

    id: int
    name: str
    provider: Provider
    ok: bool
    fault: Literal["unavailable", "rate_limited", "rejected", "unauthorized"] | None
    detail: str


class IntegrationsHealth(Out):
    status: Literal["ok", "degraded"]
    integrations: list[CheckOut] = Field(description="Those that are switched on.")


class ExportIn(In, json_schema_extra={"examples": [{"ticket_id": 1}]}):
    ticket_id: GivenId
    title: Line | None = Field(default=None, description="Left out: the ticket's.")
    description: Body | None = Field(default=None, description="Left out: the ticket's.")


class ExportOut(Out):
    """A ticket on its way into another system, or there."""

    export_id: UUID
    ticket_id: int
    integration_id: int
    integration: str
    provider: Provider
    status: ExportStatus
    external_id: str | None
    url: str | None
    error: str | None
    created_at: datetime
