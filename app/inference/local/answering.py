"""An answer composed from the sentences of passages, word for word. It can be short of words, but not of grounds."""

import re
from dataclasses import dataclass
from typing import Any, Final

from app.inference.embedding import likeness
from app.inference.sentences import sentences
from app.inference.wording import terms

SENTENCES_MOST: Final = 5
SENTENCES_LOOKED_AT: Final = 60
SENTENCE_CHARS: Final = 1_000
PASSAGES_MOST: Final = 8
NEAR_BEST: Final = 0.6
WORDS_SHARE: Final = 0.4
ADVICE: Final = 0.15
"""What a question asks for is mostly what to do, and that is said in other words than the question's."""
FEW_WORDS: Final = 4
_ADVICE = re.compile(
    r"^\W*(?:\d{1,2}[.)]|to |you can|click|go to|select|set |use |run |open|enter|install|upgrade|change|make sure|"
    r"choose|check|apply|contact|in order to|add |remove|delete|enable|disable|restart|update)",
    re.IGNORECASE,
)
_HEADS_ADVICE = re.compile(
    r"resol|solution|\banswer\b|workaround|\bfix|\bsteps?\b|how to|instructions|lösung", re.IGNORECASE
)
_IS_HEAD = re.compile(r"#{1,6} |[A-Z0-9 ()/,&-]{4,}$|.{1,60}:$")

Facts = dict[str, Any]


@dataclass(slots=True)
class _Sentence:
    place: tuple[int, int]
    passage: str
    text: str
    advises: bool
    score: float = 0.0


def answer(question: str, material: Facts) -> Facts:
    """The facts of a draft: sentences, each with the passage and the words it is made of."""
    given = material.get("passages")
    passages = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    found = (_sentences(passages) or _sentences(passages, all_of_it=True))[:SENTENCES_LOOKED_AT]
    if not found:
        return {"sentences": []}
    asked = set(terms(question))
    near = likeness(question, [one.text for one in found])
    for one, meaning in zip(found, near, strict=True):
        said = asked.intersection(terms(one.text))
        words = len(said) / max(len(asked), 1)
        one.score = WORDS_SHARE * words + (1 - WORDS_SHARE) * meaning + ADVICE * one.advises
    best = max(one.score for one in found)
    chosen = sorted(found, key=lambda one: -one.score)[:SENTENCES_MOST]
    chosen = sorted((one for one in chosen if one.score >= NEAR_BEST * best), key=lambda one: one.place)
    return {
        "sentences": [
            {"text": " ".join(one.text.split()), "citations": [{"passage": one.passage, "quote": one.text}]}
            for one in chosen
        ]
    }


def _sentences(passages: list[Facts], *, all_of_it: bool = False) -> list[_Sentence]:
    """Those worth quoting, of the most relevant document alone: no headings, no scraps, nothing twice."""
    most = max((float(one.get("relevance") or 1.0) for one in passages), default=1.0)
    found: list[_Sentence] = []
    seen: set[str] = set()
    for number, passage in enumerate(passages[:PASSAGES_MOST]):
        if float(passage.get("relevance") or 1.0) < most:
            continue
        text, title = str(passage.get("text") or ""), str(passage.get("title") or "").strip()
        advising = False
        for start, end in sentences(text):
            said = text[start:end]
            if _IS_HEAD.match(said) and not all_of_it:
                advising = _HEADS_ADVICE.search(said) is not None
                continue
            scrap = said == title or len(said.split()) < FEW_WORDS
            if (scrap and not all_of_it) or len(said) > SENTENCE_CHARS or said in seen:
                continue
            seen.add(said)
            advises = advising or _ADVICE.match(said) is not None
            found.append(_Sentence((number, start), str(passage.get("id")), said, advises))
    return found
