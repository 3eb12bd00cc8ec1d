"""Keeping what a person has judged, and reading it for training."""

from collections.abc import Mapping, Sequence

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.models.learning import ExampleField, ExampleSource, TrainingExample


async def keep(
    db: AsyncSession,
    *,
    author_id: int,
    ticket_id: int,
    text: str,
    labels: Mapping[ExampleField, str],
    source: ExampleSource,
) -> None:
    """One example for each label. A later judgement of the same ticket's field replaces the one before."""
    if not labels:
        return
    rows = [
        {
            "ticket_id": ticket_id,
            "text": text,
            "field": field,
            "label": label,
            "source": source,
            "author_id": author_id,
        }
        for field, label in sorted(labels.items())
    ]
    new = insert(TrainingExample).values(rows)
    replaced = {name: new.excluded[name] for name in ("text", "label", "source", "author_id")}
    await db.execute(
        new.on_conflict_do_update(
            index_elements=["ticket_id", "field"], set_={**replaced, "created_at": func.clock_timestamp()}
        )
    )


async def examples(db: AsyncSession, field: ExampleField) -> Sequence[TrainingExample]:
    """All that is known of a field, oldest first: for training, which sees every ticket."""
    query = select(TrainingExample).where(TrainingExample.field == field).order_by(TrainingExample.id)
    return (await db.execute(query)).scalars().all()
