"""Customers and services on the wire: between us and other systems as well as between us and administrators."""

from datetime import datetime
from typing import Annotated

from pydantic import Field, StrictBool

from app.core.schemas import In, Line, Out, Slug, Text
from app.models.directory import ServiceState

Alias = Annotated[Text, Field(min_length=2, max_length=50)]


class ProfileIn(In, json_schema_extra={"examples": [{"vip": True, "tier": "gold", "organisation": "Example Ltd"}]}):
    vip: StrictBool = False
    tier: Slug | None = None
    organisation: Line | None = None


class Profile(Out):
    vip: bool = False
    tier: Annotated[str, Field(max_length=50)] | None = None
    organisation: Annotated[str, Field(max_length=300)] | None = None


class ServiceIn(In, json_schema_extra={"examples": [{"state": "outage", "aliases": ["shop"], "message": "Since 9."}]}):
    state: ServiceState
    aliases: Annotated[list[Alias], Field(max_length=20)] = Field(default_factory=list)
    message: Annotated[Text, Field(max_length=1000)] | None = None


class Service(Out):
    name: Slug
    state: ServiceState
    aliases: Annotated[list[Alias], Field(max_length=20)] = Field(default_factory=list)
    message: Annotated[str, Field(max_length=1000)] | None = None
    since: datetime | None = None

    @property
    def troubled(self) -> bool:
        return self.state is not ServiceState.OPERATIONAL
