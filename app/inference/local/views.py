"""How alike texts are, seen in several ways: cosines between texts and those that were learned from.

Words and pairs of words; pieces of words, which carry languages that the sentence model does not know; sentence
vectors; and the words of the opening line, which is the subject of a ticket.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no types
from sklearn.feature_extraction.text import TfidfVectorizer

MAX_CHARS: Final = 20_000
OPENING_CHARS: Final = 200
MAX_PIECES: Final = 100_000
MANY: Final = 200
"""From so many texts on, a term must be met in more than one of them to count."""

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]

_WORD = re.compile(r"\w\w")


def cleaned(text: str) -> str:
    r"""Exports often hold a literal `\n`. A text without words becomes one word of its own."""
    text = text[:MAX_CHARS].replace("\\r", " ").replace("\\n", "\n")
    return text if _WORD.search(text) else "withoutwords"


@dataclass(frozen=True, slots=True)
class Texts:
    """Cleaned texts and their sentence vectors, row by row."""

    words: list[str]
    vectors: Floats

    def take(self, rows: Integers) -> "Texts":
        return Texts([self.words[row] for row in rows], self.vectors[rows])


class Views:
    """Fitted to the texts that are learned from; no label is looked at."""

    def __init__(self, texts: Texts) -> None:
        self._words = _fitted(texts.words, ngram_range=(1, 2))
        self._pieces = _fitted(texts.words, analyzer="char_wb", ngram_range=(3, 5), max_features=MAX_PIECES)
        lines = sum("\n" in text.strip() for text in texts.words)
        # Where most texts are one line, it would be the first view again.
        self._opening = _fitted(_openings(texts), ngram_range=(1, 2)) if lines * 2 > len(texts.words) else None
        self._known = [csr_matrix(rows.T) for rows in self._sparse(texts)]
        self._vectors = np.asarray(texts.vectors, dtype=np.float32)

    def cosines(self, texts: Texts) -> list[Floats]:
        """Of each text with each that was learned from: words, pieces, sentences, opening (where there is one), and
        last the mean of these."""
        words, pieces, *opening = [
            (rows @ known).toarray() for rows, known in zip(self._sparse(texts), self._known, strict=True)
        ]
        views = [words, pieces, np.asarray(texts.vectors, dtype=np.float32) @ self._vectors.T, *opening]
        return [*views, sum(views) / np.float32(len(views))]

    def _sparse(self, texts: Texts) -> list[csr_matrix]:
        found = [self._words.transform(texts.words), self._pieces.transform(texts.words)]
        return found if self._opening is None else [*found, self._opening.transform(_openings(texts))]


def _openings(texts: Texts) -> list[str]:
    return [cleaned(text.strip().split("\n", 1)[0][:OPENING_CHARS]) for text in texts.words]


def _fitted(texts: list[str], **settings: Any) -> TfidfVectorizer:
    least = 2 if len(texts) >= MANY else 1
    vectorizer = TfidfVectorizer(sublinear_tf=True, dtype=np.float32, min_df=least, **settings)
    try:
        return vectorizer.fit(texts)
    except ValueError:
        # No two texts share a term.
        return vectorizer.set_params(min_df=1).fit(texts)
