"""Where bytes on their way lie: they stay with the commit of their row, or go."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from app.core.storage import Storage, discard


@dataclass(slots=True)
class Slot:
    """Where an upload's bytes lie. Unless `kept` is set before their row is committed, they go with the slot's end."""

    key: str | None = None
    kept: bool = False


@asynccontextmanager
async def slot_in(storage: Storage) -> AsyncIterator[Slot]:
    """To be entered before the unit of work, so that it is left after that has committed or not."""
    slot = Slot()
    try:
        yield slot
    finally:
        if slot.key is not None and not slot.kept:
            await discard(storage, [slot.key])
