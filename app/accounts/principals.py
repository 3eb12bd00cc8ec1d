"""From a credential to the person as they are now, through a small memory of the last few seconds.

A role that was changed, an account that was deactivated or a login that was ended counts in every process as soon as
the relay has told it (`forget`), and at the latest within `settings.auth.principal_cache_seconds`.
"""

import time
import uuid
from collections import OrderedDict
from collections.abc import Collection, Hashable
from datetime import timedelta
from weakref import WeakKeyDictionary

from sqlalchemy import update

from app.accounts import repository
from app.accounts.service.api_keys import KEY_START, key_hash
from app.core.auth import Audience, Claims, Principal
from app.core.clock import now
from app.core.db import Database
from app.core.errors import Unauthenticated
from app.core.resources import Resources
from app.models.user import ApiKey

_REMEMBERED = 10_000
_USE_NOTED_EVERY = timedelta(minutes=1)


class _Memory:
    """Bounded, oldest out first. Absence is remembered too: guessing keys is not to cost a query each."""

    def __init__(self) -> None:
        self._entries: OrderedDict[Hashable, tuple[float, Principal | None]] = OrderedDict()

    def get(self, key: Hashable, seconds: float) -> tuple[bool, Principal | None]:
        known = self._entries.get(key)
        if known is None or time.monotonic() - known[0] >= seconds:
            return False, None
        return True, known[1]

    def put(self, key: Hashable, principal: Principal | None) -> None:
        self._entries[key] = (time.monotonic(), principal)
        self._entries.move_to_end(key)
        if len(self._entries) > _REMEMBERED:
            self._entries.popitem(last=False)

    def forget(self, user_id: int) -> None:
        for key in [key for key in self._entries if isinstance(key, tuple) and key[0] == user_id]:
            del self._entries[key]


_memories: WeakKeyDictionary[Database, _Memory] = WeakKeyDictionary()


async def principal_of_claims(resources: Resources, claims: Claims, audience: Audience) -> Principal:
    """The active user of a checked token. Raises Unauthenticated."""
    if audience == "mcp":
        return await _tool_principal(resources, claims)
    if claims.family is None:
        raise Unauthenticated
    memory = _memories.setdefault(resources.db, _Memory())
    key = (claims.user_id, claims.family)
    known, principal = memory.get(key, resources.settings.auth.principal_cache_seconds)
    if not known:
        async with resources.db.session() as db:
            user = await repository.user_in_family(db, claims.user_id, uuid.UUID(claims.family), now())
        principal = None if user is None else user.as_principal()
        memory.put(key, principal)
    if principal is None:
        raise Unauthenticated("The login has ended.")
    return principal


async def principals_of_logins(resources: Resources, family_ids: Collection[uuid.UUID]) -> dict[uuid.UUID, Principal]:
    """Of those logins that stand, as the database has it this moment."""
    async with resources.db.session() as db:
        found = await repository.users_in_families(db, family_ids, now())
    return {family_id: user.as_principal() for family_id, user in found}


def forget(resources: Resources, user_id: int) -> None:
    """Ask anew who this is, at the next request."""
    memory = _memories.get(resources.db)
    if memory is not None:
        memory.forget(user_id)


async def principal_of_key(resources: Resources, key: str) -> Principal:
    """The owner of an API key, limited to its scopes. Raises Unauthenticated."""
    memory = _memories.setdefault(resources.db, _Memory())
    digest = key_hash(key)
    known, principal = memory.get(digest, resources.settings.auth.principal_cache_seconds)
    if not known:
        async with resources.db.session() as db:
            found = await repository.key_and_owner(db, digest, now())
        if found is not None:
            row, user = found
            principal = user.as_principal(frozenset(row.scopes))
            await _note_use(resources, row)
        memory.put(digest, principal)
    if principal is None:
        raise Unauthenticated("The API key is unknown, expired or revoked.")
    return principal


def is_key(token: str) -> bool:
    return token.startswith(KEY_START)


async def _tool_principal(resources: Resources, claims: Claims) -> Principal:
    if claims.scopes is None:
        raise Unauthenticated
    async with resources.db.reading() as db:
        user = await repository.active_user(db, claims.user_id)
    if user is None:
        raise Unauthenticated("The account is not active.")
    return user.as_principal(claims.scopes)


async def _note_use(resources: Resources, key: ApiKey) -> None:
    at = now()
    if key.last_used_at is not None and at - key.last_used_at < _USE_NOTED_EVERY:
        return
    async with resources.db.unit_of_work() as db:
        await db.execute(update(ApiKey).where(ApiKey.id == key.id).values(last_used_at=at))
