"""Turns text into terms: lower case, no accents, foreign words glossed, digits reduced to their kind.

MiniLM reads English. A small glossary replaces the support vocabulary of German, Spanish and French by English words,
for the terms and for the sentence vector alike; a text in which too few words of one language are met is left alone.
"""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no types

from app.inference.local.examples import data_bytes

MAX_CHARS: Final = 20_000
"""Classification looks at this much of a text: a sentence vector sees 256 word pieces, the terms see the rest."""

_WORD = re.compile(r"[^\W_]{1,40}")
_STATUS = re.compile(r"[45]\d\d")
_MIN_HITS: Final = 2
_MIN_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Token:
    term: str
    surface: str


def word_set(words: str) -> frozenset[str]:
    return frozenset(words.split())


@lru_cache(maxsize=1)
def _glossary() -> tuple[dict[str, dict[str, str]], frozenset[str]]:
    document = json.loads(data_bytes("glossary.json"))
    return document["languages"], frozenset(document["ambiguous"])


def plain(text: str) -> str:
    """Lower case without accents; ß becomes ss."""
    decomposed = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss"))
    return "".join(char for char in decomposed if not unicodedata.combining(char))


def _language_table(words: Sequence[str]) -> dict[str, str]:
    languages, ambiguous = _glossary()
    distinct = set(words) - ambiguous
    best: dict[str, str] = {}
    hits = 0
    for table in languages.values():
        found = len(distinct & table.keys())
        if found > hits:
            best, hits = table, found
    enough = hits >= _MIN_HITS or (hits and hits >= _MIN_SHARE * len(words))
    return best if enough else {}


def tokens(text: str) -> list[Token]:
    """Terms in reading order, each with the word of the text that it stands for."""
    surfaces = [match[0] for match in _WORD.finditer(text[:MAX_CHARS])]
    words = [plain(surface) for surface in surfaces]
    table = _language_table(words)
    found: list[Token] = []
    for word, surface in zip(words, surfaces, strict=True):
        if word.isdigit():
            found.append(Token(word if _STATUS.fullmatch(word) else "#", surface))
        else:
            found.extend(Token(part, surface) for part in table.get(word, word).split())
    return found


def glossed(text: str) -> str:
    """The text with known foreign words replaced, for the sentence vector; unchanged when it is English."""
    text = text[:MAX_CHARS]
    table = _language_table([plain(match[0]) for match in _WORD.finditer(text)])
    if not table:
        return text
    return _WORD.sub(lambda match: table.get(plain(match[0]), match[0]), text)


class Vocabulary:
    """TF-IDF with sublinear term frequency and L2-normalised rows (Manning et al. 2008, §6.2-6.4)."""

    def __init__(self, known: Sequence[str], idf: NDArray[np.float32]) -> None:
        self.known = tuple(known)
        self.idf = idf
        self._index = {term: position for position, term in enumerate(self.known)}

    @classmethod
    def fit(cls, documents: Iterable[Sequence[str]], *, minimum: int, most: int) -> "Vocabulary":
        """Keeps terms that occur in at least `minimum` documents, the `most` frequent of them; idf = ln((1 + n) / (1 +
        df)) + 1."""
        frequency: Counter[str] = Counter()
        count = 0
        for document in documents:
            frequency.update(set(document))
            count += 1
        often = sorted((-number, term) for term, number in frequency.items() if number >= minimum)
        known = sorted(term for _, term in often[:most])
        idf = [np.log((1 + count) / (1 + frequency[term])) + 1 for term in known]
        return cls(known, np.asarray(idf, dtype=np.float32))

    def rows(self, documents: Sequence[Sequence[str]]) -> csr_matrix:
        """Shape (documents, terms): nearly all of it is zero."""
        weighed = [self._weighed(document) for document in documents]
        ends = np.cumsum([0, *(len(positions) for positions, _ in weighed)])
        columns = np.concatenate([positions for positions, _ in weighed])
        values = np.concatenate([weights for _, weights in weighed])
        return csr_matrix((values, columns, ends), shape=(len(documents), len(self.known)))

    def _weighed(self, document: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        counts = Counter(position for term in document if (position := self._index.get(term)) is not None)
        positions = np.fromiter(counts.keys(), dtype=np.int64, count=len(counts))
        frequency = np.fromiter(counts.values(), dtype=np.float32, count=len(counts))
        weights = ((1 + np.log(frequency)) * self.idf[positions]).astype(np.float32)
        return positions, weights / max(float(np.linalg.norm(weights)), 1e-12)
