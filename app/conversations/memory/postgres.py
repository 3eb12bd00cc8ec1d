"""The default: a row beside the conversation."""

from uuid import UUID

from sqlalchemy import delete, func
from sqlalchemy.dialects.postgresql import insert

from app.conversations.memory.base import MemoryAway, Remembered, RememberedTurn
from app.core.db import DATABASE_AWAY, Database
from app.models.conversation import SessionMemory


class PostgresMemory:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def recall(self, session_id: UUID) -> Remembered | None:
        try:
            async with self._database.session() as db:
                row = await db.get(SessionMemory, session_id)
        except DATABASE_AWAY as error:
            raise MemoryAway from error
        if row is None:
            return None
        return Remembered(row.position, row.summary, tuple(RememberedTurn(role, text) for role, text in row.turns))

    async def remember(self, session_id: UUID, now: Remembered) -> bool:
        values = {
            "position": now.position,
            "summary": now.summary,
            "turns": [[turn.role, turn.text] for turn in now.turns],
        }
        newer = insert(SessionMemory).values(session_id=session_id, **values)
        write = newer.on_conflict_do_update(
            index_elements=[SessionMemory.session_id],
            set_={**values, "updated_at": func.now()},
            where=SessionMemory.position < now.position,
        ).returning(SessionMemory.position)
        try:
            async with self._database.unit_of_work() as db:
                return (await db.execute(write)).one_or_none() is not None
        except DATABASE_AWAY as error:
            raise MemoryAway from error

    async def forget(self, session_id: UUID) -> None:
        try:
            async with self._database.unit_of_work() as db:
                await db.execute(delete(SessionMemory).where(SessionMemory.session_id == session_id))
        except DATABASE_AWAY as error:
            raise MemoryAway from error
