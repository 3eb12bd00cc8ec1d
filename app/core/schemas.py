"""Bases of what comes in, what goes out, and what is told to others."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


def _refuse_nul(value: Any) -> Any:
    # PostgreSQL's text cannot hold U+0000, and no honest text does.
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("must not contain a NUL character")
    return value


def _refuse_surrogates(value: str) -> str:
    # JSON may spell half a character (\ud800); it has no UTF-8 form and could not be stored or sent on.
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError("must be well-formed Unicode") from None
    return value


def _refuse_blank(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be blank")
    return value


Text = Annotated[str, BeforeValidator(_refuse_nul), AfterValidator(_refuse_surrogates)]
"""Any text that can be stored."""

Line = Annotated[Text, Field(min_length=1, max_length=300), AfterValidator(_refuse_blank)]
"""A title or name: not blank, 300 characters at most."""

Body = Annotated[Text, Field(min_length=1, max_length=100_000), AfterValidator(_refuse_blank)]
"""What a person writes: not blank, 100,000 characters at most."""

Slug = Annotated[str, Field(min_length=1, max_length=50, pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A key such as a category or a team."""

_NUMBER = re.compile(r"\s*[+-]?[\d._]+(e[+-]?\d+)?\s*", re.IGNORECASE)


def _refuse_number(value: Any) -> Any:
    # Pydantic would take it for seconds since 1970, or milliseconds if it is large.
    if isinstance(value, int | float) or (isinstance(value, str) and _NUMBER.fullmatch(value)):
        raise ValueError("must be a time as in RFC 3339, such as 2026-01-31T09:30:00Z")
    return value


def _in_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("must lie between the years 1 and 9999 in UTC") from None


def _refuse_no_number(value: Any) -> Any:
    # Pydantic would take true for 1 and "7" for 7.
    if isinstance(value, bool | str):
        raise ValueError("must be a whole number")  # noqa: TRY004 - what pydantic takes for a refusal
    return value


WHOLE = BeforeValidator(_refuse_no_number)
"""Of an int: a whole number. 1.0 is one too: JSON does not tell them apart. To be named after the bounds: those behind
it are no part of the JSON schema."""

Day = Annotated[date, BeforeValidator(_refuse_number)]
"""A day, such as 2026-01-31."""

Moment = Annotated[AwareDatetime, BeforeValidator(_refuse_number), AfterValidator(_in_utc)]
"""A point in time, given with its offset."""

BIGINT_MAX = 2**63 - 1
RowId = Annotated[int, Field(ge=1, le=BIGINT_MAX)]
"""In an address, where digits are text."""

GivenId = Annotated[RowId, WHOLE]
"""In a body, where a number is a number."""


class In(BaseModel):
    """A request body: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class Out(BaseModel):
    """An answer, read from a row's attributes."""

    model_config = ConfigDict(from_attributes=True)


class Event(BaseModel):
    """A fact in the past tense, written to the outbox in the transaction of its cause.

    `aggregate` names what it happened to ("ticket:12"); events of one aggregate are delivered in their order.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    type: ClassVar[str]

    @property
    def aggregate(self) -> str:
        raise TypeError(f"{type(self).__name__} must name its aggregate")
