"""What a draft claims, looked up: every quote is searched in its passage, every sentence weighed against its quotes."""

import re
from collections.abc import Mapping, Sequence

from app.agents.results import GroundedDraft, PassageQuote
from app.grounding.evidence import Excerpt
from app.grounding.outcome import Citation, Sentence
from app.inference.embedding import likeness
from app.inference.wording import codes, denies, figures, terms

WORDS_SHARE = 0.5
_SPACE = re.compile(r"\s+")


def looked_up(draft: GroundedDraft, excerpts: Mapping[str, Excerpt]) -> list[Sentence]:
    """Sentences with the citations that stand: a quote that its passage does not hold is none."""
    found = []
    for one in draft.sentences:
        citations = [citation for quote in one.citations if (citation := _citation(quote, excerpts)) is not None]
        found.append(Sentence(one.text.strip(), tuple(dict.fromkeys(citations))))
    return found


def _citation(quote: PassageQuote, excerpts: Mapping[str, Excerpt]) -> Citation | None:
    excerpt = excerpts.get(quote.passage)
    words = _SPACE.split(quote.quote.strip())
    if excerpt is None or not any(words):
        return None
    # A model may fold lines; nothing else of a quote may differ.
    match = re.search(r"\s+".join(map(re.escape, words)), excerpt.evidence.text)
    if match is None:
        return None
    start, end = (excerpt.evidence.start + place for place in match.span())
    return Citation(
        document_id=excerpt.evidence.doc_id,
        version=excerpt.evidence.version,
        chunk_id=excerpt.chunk_at(start),
        start=start,
        end=end,
        title=excerpt.evidence.title,
        uri=excerpt.evidence.uri,
        quote=match[0],
    )


def support(sentence: Sentence) -> float:
    """How far the sentence follows from its quotes, 0 to 1. CPU work: call it in a thread.

    A figure, code or denial that the quotes do not share leaves nothing; the rest is half words, half meaning.
    """
    said = " ".join(citation.quote for citation in sentence.citations)
    if not said:
        return 0.0
    if sentence.text in said or _SPACE.sub(" ", sentence.text) in _SPACE.sub(" ", said):
        return 1.0
    if figures(sentence.text) - figures(said) or codes(sentence.text) - codes(said):
        return 0.0
    if denies(sentence.text) != denies(said):
        return 0.0
    claimed = set(terms(sentence.text))
    words = len(claimed.intersection(terms(said))) / len(claimed) if claimed else 0.0
    meaning = max(likeness(sentence.text, [said])[0], 0.0)
    return WORDS_SHARE * words + (1 - WORDS_SHARE) * meaning


def least_support(sentences: Sequence[Sentence]) -> float:
    return min((support(sentence) for sentence in sentences), default=0.0)
