"""Who sent this: the dependencies that routes use, and the same answer for WebSocket, MCP and core.

A request is resolved once and the result kept with it. An API key passes only where `accounts.scopes` lets it, and that
is decided here, before any route: a route cannot forget it.
"""

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any

from fastapi import Depends, Security
from fastapi.requests import HTTPConnection
from fastapi.security import HTTPBearer

from app.accounts.errors import ScopeMissing
from app.accounts.principals import is_key, principal_of_claims, principal_of_key
from app.accounts.scopes import permits
from app.core.auth import Audience, Claims, Principal, Role
from app.core.errors import Forbidden, Problem, Unauthenticated
from app.core.resources import Resources

KEY_HEADER = "X-API-Key"


@dataclass(frozen=True, slots=True)
class Identity:
    """What a request's credential came to: a person, or why not."""

    person: Principal | None
    refusal: Problem | None = None
    family: uuid.UUID | None = None


async def authenticate(resources: Resources, token: str, audience: Audience) -> tuple[Principal, Claims]:
    """The person behind a signed token, and what else the token says (its run, its login). Raises Unauthenticated."""
    claims = resources.signer.read(token, audience=audience)
    return await principal_of_claims(resources, claims, audience), claims


async def principal_from_token(resources: Resources, token: str, audience: Audience) -> Principal:
    """For WebSocket ("api") and MCP ("mcp", limited to the token's scopes). An API key is no token: it is refused."""
    principal, _claims = await authenticate(resources, token, audience)
    return principal


def mint_tool_token(resources: Resources, who: Principal, *, scopes: frozenset[str], run_id: str | uuid.UUID) -> str:
    """A token of `tool_token_seconds`: with it an agent run calls MCP tools as `who`, within these scopes."""
    return resources.signer.mint(
        who.user_id,
        audience="mcp",
        lifetime=timedelta(seconds=resources.settings.auth.tool_token_seconds),
        scopes=scopes,
        run_id=str(run_id),
    )


async def identity_of(request: HTTPConnection) -> Identity:
    known: Identity | None = getattr(request.state, "identity", None)
    if known is None:
        known = request.state.identity = await _identify(request)
    return known


async def identify(request: HTTPConnection) -> Principal | None:
    """Who may act with this request; None for nobody, whatever the reason."""
    identity = await identity_of(request)
    return None if identity.refusal is not None else identity.person


async def _identify(request: HTTPConnection) -> Identity:
    resources: Resources = request.app.state.resources
    token = _credential(request)
    if token is None:
        return Identity(None, Unauthenticated())
    try:
        if not is_key(token):
            principal, claims = await authenticate(resources, token, "api")
            return Identity(principal, family=uuid.UUID(claims.family))
        principal = await principal_of_key(resources, token)
    except Unauthenticated as refusal:
        return Identity(None, refusal)
    if not permits(principal.scopes or frozenset(), method=request.scope["method"], path=request.scope["path"]):
        return Identity(principal, ScopeMissing())
    return Identity(principal)


def _credential(request: HTTPConnection) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    key = request.headers.get(KEY_HEADER, "")
    return key if is_key(key) else None


class _Authenticated(HTTPBearer):
    """One dependency for both ways to send a credential, so that a request pays for one."""

    async def __call__(self, request: HTTPConnection) -> Any:
        identity = await identity_of(request)
        if identity.refusal is not None:
            raise identity.refusal
        return identity.person


_authenticated = _Authenticated(
    scheme_name="bearer", description=f"An access token or an API key; a key may also come as {KEY_HEADER}."
)

CurrentUser = Annotated[Principal, Security(_authenticated)]
"""Whoever is logged in. Raises Unauthenticated and ScopeMissing."""


def require(*roles: Role) -> Any:
    """`who: Annotated[Principal, require(Role.ADMIN)]`: refuses with 403 everybody whose role is none of these."""

    async def check(who: CurrentUser) -> Principal:
        if who.role not in roles:
            raise Forbidden
        return who

    return Depends(check)


StaffUser = Annotated[Principal, require(Role.AGENT, Role.SUPERVISOR, Role.ADMIN)]
AdminUser = Annotated[Principal, require(Role.ADMIN)]
