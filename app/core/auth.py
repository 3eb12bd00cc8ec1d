"""Who is asking, and the signed tokens that say so. Knows no table: `accounts.authentication` looks people up."""

import os
import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

from jose import JWTError, jwt

from app.core.clock import now
from app.core.errors import Unauthenticated
from app.core.settings import Settings

ALGORITHM = "HS256"
SECRET_FILE = "token_secret"  # noqa: S105 - the name of a file, not a secret

Audience = Literal["api", "mcp"]

_REMEMBERED = 10_000


class Role(StrEnum):
    CUSTOMER = "customer"
    AGENT = "agent"
    SUPERVISOR = "supervisor"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Principal:
    """A person, as far as access is concerned. `scopes` None means all that the role may do.

    `proven` is False for one who is only claimed, as the sender of a mail: they read what is public.
    """

    user_id: int
    username: str
    role: Role
    scopes: frozenset[str] | None = None
    teams: frozenset[str] = frozenset()
    proven: bool = True

    @property
    def is_staff(self) -> bool:
        return self.role is not Role.CUSTOMER

    def allows(self, scope: str) -> bool:
        return self.scopes is None or scope in self.scopes


@dataclass(frozen=True, slots=True)
class Claims:
    """What a checked token says. `family` is the login it came from (None for tokens of agent runs)."""

    user_id: int
    family: str | None
    scopes: frozenset[str] | None
    expires_at: int
    run_id: str | None


def signing_secret(settings: Settings) -> str:
    """The configured secret, or one made on first use and kept in the data directory, readable by its owner alone.

    Several processes may start at once: the first to create the file wins and the others read it.
    """
    if settings.auth.secret is not None:
        return settings.auth.secret.get_secret_value()
    path = settings.data_dir / SECRET_FILE
    if not path.exists():
        _create_once(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii")


def _create_once(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(content)
    try:
        # link() fails when the target exists, and never shows a half-written file.
        os.link(draft, path)
    except FileExistsError:
        return
    finally:
        draft.unlink()


class TokenSigner:
    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._read: OrderedDict[tuple[str, Audience], Claims] = OrderedDict()

    def mint(
        self,
        user_id: int,
        *,
        audience: Audience,
        lifetime: timedelta,
        family: str | None = None,
        scopes: frozenset[str] | None = None,
        run_id: str | None = None,
    ) -> str:
        issued = now()
        claims: dict[str, Any] = {
            "iss": "evidesk",
            "sub": str(user_id),
            "aud": audience,
            "iat": int(issued.timestamp()),
            "exp": int((issued + lifetime).timestamp()),
            "jti": secrets.token_hex(8),
        }
        if family is not None:
            claims["fam"] = family
        if scopes is not None:
            claims["scp"] = sorted(scopes)
        if run_id is not None:
            claims["run"] = run_id
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def read(self, token: str, *, audience: Audience) -> Claims:
        """Raises Unauthenticated for a forged, expired or foreign token, without saying which part was wrong.

        A token that was good stays good until it expires, so it is taken apart once.
        """
        known = self._read.get((token, audience))
        if known is not None and time.time() < known.expires_at:
            return known
        claims = self._decode(token, audience)
        self._read[token, audience] = claims
        if len(self._read) > _REMEMBERED:
            self._read.popitem(last=False)
        return claims

    def _decode(self, token: str, audience: Audience) -> Claims:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer="evidesk",
                options={"require_exp": True, "require_sub": True, "require_aud": True},
            )
            scopes = claims.get("scp")
            return Claims(
                user_id=int(claims["sub"]),
                family=claims.get("fam"),
                scopes=None if scopes is None else frozenset(scopes),
                expires_at=int(claims["exp"]),
                run_id=claims.get("run"),
            )
        except (JWTError, ValueError, TypeError, UnicodeError) as error:
            raise Unauthenticated("The token is not valid or has expired.") from error
