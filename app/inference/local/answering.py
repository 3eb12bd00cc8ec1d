"""An answer composed from the sentences of passages, word for word. It can be short of words, but not of grounds."""

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

from app.inference.embedding import likeness
from app.inference.sentences import FENCE, fenced, sentences
from app.inference.wording import terms

SENTENCES_MOST: Final = 4
SENTENCES_LOOKED_AT: Final = 60
SENTENCE_CHARS: Final = 1_000
PASSAGES_MOST: Final = 8
NEAR_BEST: Final = 0.6
WORDS_SHARE: Final = 0.4
HEADING_SHARE: Final = 0.3
"""What the heading counts for beside the sentence."""
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
_IS_RULE = re.compile(r"\|?[-:=| ]+\|?$")

Facts = dict[str, Any]


@dataclass(slots=True)
class _Sentence:
    """A sentence, a row of a table, or all the code between two fences."""

    place: tuple[int, int]
    passage: str
    text: str
    heading: str
    """That it stands under, as far as its passage shows one."""
    advises: bool
    introduced: str | None = None
    """Of code the sentence before it, which tells what it does."""
    score: float = 0.0

    @property
    def code(self) -> bool:
        return self.introduced is not None

    @property
    def read_as(self) -> str:
        return f"{self.introduced}\n{self.text}" if self.introduced else self.text


def answer(question: str, material: Facts) -> Facts:
    """The facts of a draft: sentences, each with the passage and the words it is made of."""
    given = material.get("passages")
    passages = [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []
    found = (_sentences(passages) or _sentences(passages, all_of_it=True))[:SENTENCES_LOOKED_AT]
    if not found:
        return {"sentences": []}
    asked = set(terms(question))
    texts = [*dict.fromkeys(text for one in found for text in (one.read_as, one.heading) if text)]
    told = dict(zip(texts, _told(asked, question, texts), strict=True))
    for one in found:
        one.score = told[one.read_as] + HEADING_SHARE * told.get(one.heading, 0.0) + ADVICE * one.advises
    best = max(one.score for one in found)
    chosen = sorted(found, key=lambda one: -one.score)[:SENTENCES_MOST]
    chosen = sorted((one for one in chosen if one.score >= NEAR_BEST * best), key=lambda one: one.place)
    return {
        "sentences": [
            {
                "text": one.text if one.code else " ".join(one.text.split()),
                "citations": [{"passage": one.passage, "quote": one.text}],
            }
            for one in chosen
        ]
    }


def _told(asked: set[str], question: str, texts: list[str]) -> Iterator[float]:
    """How much each has to do with the question: the words they share, and their meaning."""
    for text, meaning in zip(texts, likeness(question, texts), strict=True):
        words = len(asked.intersection(terms(text))) / max(len(asked), 1)
        yield WORDS_SHARE * words + (1 - WORDS_SHARE) * meaning


def _sentences(passages: list[Facts], *, all_of_it: bool = False) -> list[_Sentence]:
    """Those worth quoting, of the most relevant document alone: no headings, no scraps, nothing twice."""
    most = max((float(one.get("relevance") or 1.0) for one in passages), default=1.0)
    found: list[_Sentence] = []
    seen: set[str] = set()
    for number, passage in enumerate(passages[:PASSAGES_MOST]):
        if float(passage.get("relevance") or 1.0) < most:
            continue
        text, title = str(passage.get("text") or ""), str(passage.get("title") or "").strip()
        advising, heading, before = False, "", ""
        for start, end, code in _units(text):
            said = text[start:end]
            if not code and _IS_HEAD.match(said) and not all_of_it:
                advising = _HEADS_ADVICE.search(said) is not None
                heading, before = said.strip("# :"), ""
                continue
            few = not code and len(said.split()) < FEW_WORDS
            scrap = few or said == title or _IS_RULE.match(said) is not None
            if (scrap and not all_of_it) or len(said) > SENTENCE_CHARS or said in seen:
                continue
            seen.add(said)
            advises = not code and (advising or _ADVICE.match(said) is not None)
            introduced = before if code else None
            found.append(_Sentence((number, start), str(passage.get("id")), said, heading, advises, introduced))
            before = said
    return found


def _units(text: str) -> Iterator[tuple[int, int, bool]]:
    """Spans of sentences, and of code that is read as one: it is of use as a whole alone."""
    lines = text.splitlines(keepends=True)
    places = itertools.pairwise(itertools.accumulate(map(len, lines), initial=0))
    for code, few in itertools.groupby(zip(lines, places, fenced(lines), strict=True), key=itemgetter(2)):
        spans = [span for line, span, _ in few if not (code and FENCE.match(line))]
        start, end = (spans[0][0], spans[-1][1]) if spans else (0, 0)
        bare = text[start:end].strip()
        if code and 0 < len(bare) <= SENTENCE_CHARS:
            first = text.index(bare, start)
            yield first, first + len(bare), True
        else:
            for first, last in sentences(text, start, end):
                yield first, last, False
