import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from app.accounts.scopes import Scope
from app.core.auth import Role
from app.core.schemas import In, Line, Moment, Out, Slug, Text

_LABEL = r"[^\W_](?:[\w-]{0,61}[^\W_])?"
_EMAIL = re.compile(rf"[^\s@\"(),:;<>\[\]\\]{{1,64}}@{_LABEL}(?:\.{_LABEL})*")
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{1,49}")


def normal_email(value: str) -> str:
    """Lower case. Intranet names (`desk@localhost`, `.local`) are addresses here; only delivery would prove one."""
    lowered = value.lower()
    if not lowered.isprintable() or not _EMAIL.fullmatch(lowered):
        raise ValueError("must be an email address")
    return lowered


def normal_username(value: str) -> str:
    lowered = value.lower()
    if not _USERNAME.fullmatch(lowered):
        raise ValueError("must be 2 to 50 letters, digits, dots, underscores or hyphens, the first a letter or digit")
    return lowered


def _well_formed(value: SecretStr) -> SecretStr:
    try:
        value.get_secret_value().encode()
    except UnicodeEncodeError:
        raise ValueError("must be well-formed Unicode") from None
    return value


Username = Annotated[
    Text,
    Field(min_length=2, max_length=50, json_schema_extra={"pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{1,49}$"}),
    AfterValidator(normal_username),
]
Email = Annotated[
    Text, Field(min_length=3, max_length=320, json_schema_extra={"format": "email"}), AfterValidator(normal_email)
]
NewPassword = Annotated[SecretStr, Field(min_length=8, max_length=256), AfterValidator(_well_formed)]
GivenPassword = Annotated[SecretStr, Field(min_length=1, max_length=256), AfterValidator(_well_formed)]
GivenToken = Annotated[SecretStr, Field(min_length=1, max_length=512), AfterValidator(_well_formed)]


class RegisterIn(
    In,
    json_schema_extra={"examples": [{"username": "ada", "email": "ada@example.com", "password": "a long passphrase"}]},
):
    username: Username
    email: Email
    password: NewPassword


class LoginIn(In, json_schema_extra={"examples": [{"username": "ada", "password": "a long passphrase"}]}):
    username: Annotated[Text, Field(min_length=1, max_length=320, description="Username or email address.")]
    password: GivenPassword


class RefreshIn(In):
    refresh_token: GivenToken


class LogoutIn(In):
    refresh_token: GivenToken | None = None


class TokensOut(Out):
    access_token: str
    token_type: Literal["bearer"] = "bearer"  # noqa: S105 - names a scheme
    expires_in: int = Field(description="Seconds that the access token lives.")
    refresh_token: str = Field(description="Good for one use of /auth/refresh, which gives the next one.")


class UserOut(Out):
    id: int
    username: str
    email: str
    email_confirmed_at: datetime | None = Field(description="When its owner has shown that they read its mail.")
    role: Role
    active: bool
    teams: list[str] = Field(description="What is meant for one of these may be seen.")
    version: int
    created_at: datetime


class ConfirmationOut(Out):
    """`expires_at` is of the code that is mailed; none is if the address was confirmed before."""

    email: str
    email_confirmed_at: datetime | None
    expires_at: datetime | None


class ConfirmIn(
    In, json_schema_extra={"examples": [{"token": "abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst"}]}
):
    token: GivenToken


class UserPatch(In, json_schema_extra={"examples": [{"role": "agent"}]}):
    role: Role | None = None
    active: bool | None = None
    teams: list[Slug] | None = Field(default=None, max_length=20, description="In place of those of before.")


class ApiKeyIn(
    In, json_schema_extra={"examples": [{"name": "Browser extension", "scopes": ["tickets:write", "files:write"]}]}
):
    name: Annotated[Line, Field(max_length=100)]
    scopes: Annotated[set[Scope], Field(min_length=1)]
    expires_at: Annotated[Moment | None, Field(description="Unset: until it is revoked.")] = None


class ApiKeyOut(Out):
    id: int
    name: str
    prefix: str = Field(description="How the key starts, to tell it from others.")
    scopes: list[Scope]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


class ApiKeyMade(ApiKeyOut):
    key: str = Field(description="Shown this once; only its hash is kept.")
