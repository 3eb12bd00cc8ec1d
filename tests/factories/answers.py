"""Outcomes of the gate for tests, and somebody who gives them."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.grounding.outcome import Answer, Citation, Reason, Refusal, Sentence, Signals, Turn
from app.knowledge.schemas import Evidence, Scores

SIGNALS = Signals(
    words=0.8,
    meaning=0.7,
    margin=0.2,
    coverage=1.0,
    missing=(),
    lacking=(),
    conflicts=(),
    cited=1.0,
    support=0.9,
    confidence=0.95,
)


def citation(document_id: UUID | None = None, *, version: int = 1, quote: str = "Hold the red button.") -> Citation:
    return Citation(
        document_id=document_id or uuid4(),
        version=version,
        chunk_id=uuid4(),
        start=0,
        end=len(quote),
        title="Manual",
        uri="https://example.com/manual",
        quote=quote,
    )


def answer(*texts: str, cited: Citation | None = None) -> Answer:
    """Each sentence cites the same."""
    one = cited or citation()
    sentences = tuple(Sentence(text, (one,)) for text in texts or ("Hold the red button.",))
    return Answer(sentences, SIGNALS, (evidence(one),), "local", 3)


def refusal(reason: Reason = Reason.NO_EVIDENCE) -> Refusal:
    return Refusal(reason, SIGNALS, (evidence(citation()),), "local", 3)


def evidence(one: Citation) -> Evidence:
    return Evidence(
        doc_id=one.document_id,
        version=one.version,
        chunk_id=one.chunk_id,
        title=one.title,
        uri=one.uri,
        text=one.quote,
        start=one.start,
        end=one.end,
        score=0.9,
        scores=Scores(lexical=0.8, vector=0.7),
        retrieved_at=now(),
    )


Outcome = Answer | Refusal | Exception


@dataclass
class Scripted:
    """Answers by rule, and remembers what it was asked. `gate`, while it is closed, holds all answers back."""

    rule: Callable[[str], Outcome] = lambda _question: answer()
    asked: list[str] = field(default_factory=list)
    contexts: list[list[Turn]] = field(default_factory=list)
    gate: asyncio.Event | None = None
    began: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(
        self, resources: Resources, who: Principal, question: str, *, context: Sequence[Turn] = ()
    ) -> Answer | Refusal:
        self.asked.append(question)
        self.contexts.append(list(context))
        self.began.set()
        if self.gate is not None:
            await self.gate.wait()
        outcome = self.rule(question)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome
