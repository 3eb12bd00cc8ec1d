"""Whether an answer may be sent. Measures what was found and what was drafted, and names the first thing that fails.

Knows no database and no model but the sentence model: what it is given is all that it judges by. CPU work.
"""

from collections.abc import Sequence

from app.grounding.conflicts import conflicts
from app.grounding.evidence import Excerpt
from app.grounding.outcome import Reason, Sentence, Signals
from app.grounding.thresholds import Thresholds
from app.knowledge.service import Match

Judged = Sequence[tuple[Match, float]]
"""Documents with their chances, the likeliest first."""

NEAR = 0.3
"""A cosine: what is below it is mostly about something else, unless the chance says otherwise."""
COMPETES = 0.3
"""A document this likely, beside the likeliest, may contradict it."""


def found(judged: Judged, *, model_error: str | None = None) -> Signals | None:
    """What can be said before there is a draft; None where nothing was found."""
    return None if not judged else _signals(judged, judged[:1], model_error=model_error)


def refused_before(judged: Judged, signals: Signals | None, thresholds: Thresholds) -> Reason | None:
    """Why no draft is worth making."""
    if signals is None or signals.meaning < thresholds.meaning:
        return Reason.NO_EVIDENCE
    if thresholds.identifiers and all(match.lacks for match, _ in judged):
        return Reason.INSUFFICIENT_COVERAGE
    if sum(chance for _, chance in judged) < thresholds.confidence:
        return Reason.NO_EVIDENCE if signals.meaning < NEAR else Reason.INSUFFICIENT_COVERAGE
    return None


def drafted(
    judged: Judged, sentences: Sequence[Sentence], excerpts: Sequence[Excerpt], supports: Sequence[float]
) -> Signals:
    """What can be said of a draft; `supports` are its sentences' own, in their order."""
    cited = {citation.document_id for sentence in sentences for citation in sentence.citations}
    used = [pair for pair in judged if pair[0].document_id in cited]
    top = judged[0][1]
    likely = {match.document_id for match, chance in judged if chance >= COMPETES * top}
    return _signals(
        judged,
        used or judged[:1],
        sentences=sentences,
        support=round(min(supports), 4) if supports else None,
        rivals=[one for one in excerpts if one.evidence.doc_id in likely],
    )


def refused(sentences: Sequence[Sentence], signals: Signals, thresholds: Thresholds) -> Reason | None:
    """Why the draft is not sent; None: it is."""
    if not sentences or signals.coverage < thresholds.coverage:
        return Reason.INSUFFICIENT_COVERAGE
    if signals.lacking and thresholds.identifiers:
        return Reason.INSUFFICIENT_COVERAGE
    if signals.cited is None or signals.cited < thresholds.cited:
        return Reason.MISSING_CITATIONS
    if signals.support is None or signals.support < thresholds.support:
        return Reason.UNSUPPORTED_CLAIM
    if signals.conflicts and thresholds.conflicts:
        return Reason.CONFLICTING_SOURCES
    return Reason.INSUFFICIENT_COVERAGE if signals.confidence < thresholds.confidence else None


def _signals(
    judged: Judged,
    used: Judged,
    *,
    sentences: Sequence[Sentence] | None = None,
    support: float | None = None,
    rivals: Sequence[Excerpt] = (),
    model_error: str | None = None,
) -> Signals:
    best = judged[0][0]
    citations = [citation for sentence in sentences or () for citation in sentence.citations]
    return Signals(
        confidence=round(min(sum(chance for _, chance in used), 1.0), 4),
        meaning=round(best.meaning, 4),
        words=round(best.words, 4),
        margin=round(judged[0][1] - (judged[1][1] if len(judged) > 1 else 0.0), 4),
        coverage=round(max(match.coverage for match, _ in used), 4),
        missing=tuple(sorted(frozenset[str].intersection(*(match.unsaid for match, _ in used)))),
        lacking=tuple(sorted(frozenset[str].intersection(*(match.lacks for match, _ in used)))),
        conflicts=conflicts(citations, rivals),
        cited=sum(bool(one.citations) for one in sentences) / len(sentences) if sentences else None,
        support=support,
        model_error=model_error,
    )
