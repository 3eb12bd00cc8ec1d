"""The text of a matching document to answer from: its best passages, and the one behind each."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from app.core.auth import Principal
from app.core.clock import now
from app.knowledge.repository import PassageRepository
from app.knowledge.schemas import Evidence, Scores
from app.knowledge.service.matching import Match


@dataclass(frozen=True, slots=True)
class Quoted:
    """Evidence, and by their first characters the passages that it is made of."""

    evidence: Evidence
    chunks: tuple[tuple[int, UUID], ...]


async def quoted(db: AsyncSession, who: Principal, match: Match, *, passages: int, score: float) -> list[Quoted]:
    """So many of its best passages, with what follows each: a cure is often told after the complaint. Those that touch
    become one piece; the pieces are in the order of the text."""
    best = match.passages[:passages]
    repository = PassageRepository(db, who)
    wanted = {one.position + step for one in best for step in (0, 1)}
    rows = await repository.at(match.document_id, match.version, wanted)
    runs: list[list[tuple[int, int, int, UUID]]] = []
    for row in rows:
        chunk_id, position, start, end = row.id, row.position, row.start, row.end
        if runs and runs[-1][-1][0] == position - 1:
            runs[-1].append((position, start, end, chunk_id))
        else:
            runs.append([(position, start, end, chunk_id)])
    moment = now()
    measured = {one.position: one for one in best}
    pieces = []
    for run in runs:
        first, last = run[0][1], max(end for _, _, end, _ in run)
        found = max((measured[place] for place, *_ in run if place in measured), key=lambda one: one.score)
        source = await repository.quoted(match.document_id, match.version, first, last)
        evidence = Evidence(
            doc_id=match.document_id,
            version=match.version,
            chunk_id=found.chunk_id,
            title=source.title,
            uri=source.uri,
            text=source.text,
            start=first,
            end=last,
            score=round(min(max(score, 0.0), 1.0), 4),
            scores=Scores(
                lexical=round(min(max(found.lexical, 0.0), 1.0), 4), vector=round(min(max(found.cosine, -1.0), 1.0), 4)
            ),
            retrieved_at=moment,
        )
        pieces.append(Quoted(evidence, tuple((start, chunk_id) for _, start, _, chunk_id in run)))
    return pieces
