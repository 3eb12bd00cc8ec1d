"""From what words and meaning say of each passage to one order.

Okapi BM25 (Robertson and Zaragoza 2009) and the cosine are each divided by the best of the query, then added: a
distance tells more than a rank does, which is all that reciprocal rank fusion keeps (see docs/knowledge.md). To that
comes how much of its document's title the query says.
"""

import math
from collections.abc import Collection, Mapping
from itertools import accumulate
from typing import Final

from app.core.words import COUNTED_MOST, MANY, Asked

_SATURATION: Final = 1.2
_LENGTH_SHARE: Final = 0.75
WORDS_SHARE: Final = 0.35
"""What words count for beside meaning. The figures hardly move between 0.3 and 0.4."""
TITLE_SHARE: Final = 0.15
"""What the title counts for beside the passage."""
CONSTANTS: Final = {
    "saturation": _SATURATION,
    "length_share": _LENGTH_SHARE,
    "words_share": WORDS_SHARE,
    "title_share": TITLE_SHARE,
}
READ_MOST: Final = 2_000
"""Of many passages, so many are read for having one of the rarest terms, and of the very rarest if it is common."""
_BESIDE_MOST: Final = 4
_OTHERS_MOST: Final = 12
RANK_CONSTANT: Final = 60
"""Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): a hit at rank r counts 1 / (60 + r)."""


def weight(rows: int, containing: int) -> float:
    """Inverse document frequency, never negative."""
    return math.log(1 + max(rows - containing + 0.5, 0.5) / (containing + 0.5))


def rarest(asked: Asked, *, most: int) -> dict[str, float]:
    """The weights of the `most` rarest terms. A common one is left out when rarer ones say enough: it costs much and
    tells little."""
    rare = sorted(asked.terms.items(), key=lambda item: (item[1], item[0]))[:most]
    chosen = [(term, number) for term, number in rare if number < COUNTED_MOST] or rare[:1]
    return {term: weight(asked.corpus.rows, number) for term, number in chosen}


def read_most(asked: Asked) -> int:
    """Passages to read for one term."""
    return READ_MOST if asked.corpus.rows > MANY else COUNTED_MOST


def looked_up(asked: Asked, weights: Mapping[str, float]) -> dict[str, list[str]]:
    """Terms to find passages by, each with those of which one must be said beside it: none for the rarest.

    The rows of a term lie all over the table, and of many passages nearly each is read from disk. What has only one
    term, and that no rare one, would hardly be among the best.
    """
    if asked.corpus.rows <= MANY:
        return {term: [] for term in weights}
    rising = sorted(weights, key=lambda term: (asked.terms[term], term))
    read = list(accumulate(asked.terms[term] for term in rising))
    alone = max(1, sum(number <= READ_MOST for number in read))
    known = rising[:_OTHERS_MOST]
    beside = {term: [other for other in known if other != term] for term in rising[alone : alone + _BESIDE_MOST]}
    return {**{term: [] for term in rising[:alone]}, **beside}


def bm25(counts: Mapping[str, int], weights: Mapping[str, float], *, words: int, mean_words: float) -> float:
    """As a share of what a passage full of every term would reach: 0..1."""
    most = sum(weights.values())
    if not most:
        return 0.0
    long = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * words / max(mean_words, 1.0))
    return sum(weights[term] * count / (count + long) for term, count in counts.items()) / most


def fused(lexical: float, cosine: float, *, best_lexical: float, best_cosine: float) -> float:
    """0..1, relative to the query's best of each."""
    words = lexical / best_lexical if best_lexical > 0 else 0.0
    meaning = max(cosine, 0.0) / best_cosine if best_cosine > 0 else 0.0
    return WORDS_SHARE * words + (1 - WORDS_SHARE) * meaning


def titled(terms: Collection[str], weights: Mapping[str, float]) -> float:
    """Share of a title's terms, by weight, that the query says; one that it does not say weighs as its mean one."""
    if not terms or not weights:
        return 0.0
    said = sum(weights[term] for term in terms if term in weights)
    unsaid = sum(term not in weights for term in terms)
    return said / (said + unsaid * sum(weights.values()) / len(weights)) if said else 0.0


def with_title(score: float, share: float) -> float:
    return (1 - TITLE_SHARE) * score + TITLE_SHARE * share
