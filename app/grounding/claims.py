"""What a draft claims, looked up: every quote is searched in its passage, every sentence weighed against its quotes."""

import re
from collections.abc import Mapping, Sequence

from app.agents.results import GroundedDraft, PassageQuote
from app.grounding.evidence import Excerpt
from app.grounding.outcome import Citation, Sentence
from app.inference.local import entailing

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


def supports(sentences: Sequence[Sentence]) -> list[float]:
    """How far each sentence follows from its quotes, 0 to 1, by words and meaning. CPU work: call it in a thread."""
    return [entailing.support(sentence.text, quotes(sentence)) for sentence in sentences]


def open_to_judgement(sentence: Sentence) -> bool:
    """Whether there is anything to judge: what repeats its quotes follows from them, what adds to them does not."""
    said = quotes(sentence)
    return bool(said) and not entailing.repeats(sentence.text, said) and not entailing.adds_figures(sentence.text, said)


def quotes(sentence: Sentence) -> str:
    return " ".join(citation.quote for citation in sentence.citations)
