"""What a vendor's adapter can do, and the shapes in which it is asked and answers."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Protocol

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr

from app.core.schemas import Text
from app.integrations.errors import AddressRefused
from app.integrations.outgoing import checked_address


@dataclass(frozen=True, slots=True)
class NewIssue:
    """`marker` is in whatever the vendor makes of it, so that it can be found again; letters, digits and hyphens."""

    title: str
    description: str
    priority: str
    labels: tuple[str, ...]
    marker: str


@dataclass(frozen=True, slots=True)
class Issue:
    external_id: str
    url: str | None


class IssueTracker(Protocol):
    """Every method raises a VendorFault: Unavailable, Rejected, RateLimited or Unauthorized."""

    async def create(self, issue: NewIssue) -> Issue: ...
    async def find(self, marker: str, *, since: datetime) -> Issue | None:
        """What was made with this marker, not before `since`."""

    async def check(self) -> str:
        """That address, credentials and target are good; as a sentence."""


def _address(value: str) -> str:
    try:
        return checked_address(value)
    except AddressRefused as error:
        raise ValueError(error.reason) from error


BaseUrl = Annotated[
    Text,
    Field(min_length=1, max_length=500, description="https://…, without what comes behind the host's own path."),
    AfterValidator(_address),
]


def _sendable(value: SecretStr) -> SecretStr:
    plain = value.get_secret_value()
    if not (plain.isascii() and plain.isprintable()) or " " in plain:
        raise ValueError("must be printable ASCII without spaces")
    return value


Secret = Annotated[SecretStr, Field(min_length=1, max_length=1000), AfterValidator(_sendable)]
Word = Annotated[Text, Field(min_length=1, max_length=200)]


class Settings(BaseModel):
    """Of one connection to one vendor. Not secret."""

    model_config = ConfigDict(extra="forbid")


class Credentials(BaseModel):
    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)
