"""How alike texts are, seen in several ways: cosines between texts and those that were learned from.

Words and pairs of words; pieces of words, which carry languages that the sentence model does not know; sentence
vectors; and the words of the opening line, which is the subject of a ticket.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix  # type: ignore[import-untyped]  # scipy ships no types

from app.inference.local.vocabulary import Vocabulary

MAX_CHARS: Final = 20_000
OPENING_CHARS: Final = 200
MAX_PIECES: Final = 100_000
MAX_WORDS: Final = 500_000
PIECE_CHARS: Final = (3, 4, 5)
MANY: Final = 200
"""From so many texts on, a term must be met in more than one of them to count."""

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.int64]
Rows = Any
"""A matrix of texts, row by row: sparse terms, or vectors."""
Analysis = Callable[[str], list[str]]

_WORD = re.compile(r"\w\w")
_WORDS = re.compile(r"\b\w\w+\b")


def cleaned(text: str) -> str:
    r"""Exports often hold a literal `\n`. A text without words becomes one word of its own."""
    text = text[:MAX_CHARS].replace("\\r", " ").replace("\\n", "\n")
    return text if _WORD.search(text) else "withoutwords"


def words(text: str) -> list[str]:
    """Those of two characters or more, then pairs of neighbours joined by a space."""
    found = _WORDS.findall(text.lower())
    return [*found, *(f"{first} {second}" for first, second in itertools.pairwise(found))]


def pieces(text: str) -> list[str]:
    """Three to five characters in a row, of words with a space before and after."""
    return list(itertools.chain.from_iterable(map(_pieces, text.lower().split())))


def _pieces(word: str) -> Iterator[str]:
    padded = f" {word} "
    for size in PIECE_CHARS:
        for start in range(max(len(padded) - size, 0) + 1):
            yield padded[start : start + size]
        if len(padded) <= size:
            # A short word counts once.
            return


def opening(text: str) -> list[str]:
    return words(cleaned(text.strip().split("\n", 1)[0][:OPENING_CHARS]))


@dataclass(frozen=True, slots=True)
class Texts:
    """Cleaned texts and their sentence vectors, row by row."""

    words: list[str]
    vectors: Floats

    def take(self, rows: Integers) -> "Texts":
        return Texts([self.words[row] for row in rows], self.vectors[rows])


@dataclass(frozen=True, slots=True)
class View:
    """One way of seeing texts, as sparse rows of unit length."""

    analysis: Analysis
    vocabulary: Vocabulary
    known: csr_matrix
    """Shape (terms, texts learned from)."""

    @classmethod
    def fit(cls, analysis: Analysis, texts: list[str], most: int) -> "View":
        least = 2 if len(texts) >= MANY else 1
        vocabulary = Vocabulary.fit(map(analysis, texts), minimum=least, most=most)
        if not vocabulary.known:
            # No two texts share a term.
            vocabulary = Vocabulary.fit(map(analysis, texts), minimum=1, most=most)
        return cls(analysis, vocabulary, csr_matrix(_rows(analysis, vocabulary, texts).T))

    def rows(self, texts: list[str]) -> csr_matrix:
        return _rows(self.analysis, self.vocabulary, texts)

    def unseen(self, folds: Integers) -> csr_matrix:
        """The texts learned from, each as it would be seen had its fold not been learned from: without the terms that
        are then met too seldom to be known. Of a new text these are missing as well."""
        rows = csr_matrix(self.known.T)
        row = np.repeat(np.arange(len(folds)), np.diff(rows.indptr))
        met = np.ones(len(row), dtype=np.int32)
        inside = csr_matrix((met, (folds[row], rows.indices)), shape=(int(folds.max()) + 1, rows.shape[1])).toarray()
        outside = np.diff(self.known.indptr)
        known = outside[rows.indices] - inside[folds[row], rows.indices] >= outside.min()
        size = np.sqrt(np.bincount(row[known], rows.data[known] ** 2, minlength=len(folds)))
        values = np.where(known, rows.data / np.maximum(size[row], 1e-12), 0).astype(np.float32)
        return csr_matrix((values, rows.indices, rows.indptr), shape=rows.shape)


def _rows(analysis: Analysis, vocabulary: Vocabulary, texts: list[str]) -> csr_matrix:
    return vocabulary.rows([analysis(text) for text in texts])


@dataclass(frozen=True, slots=True)
class Views:
    words: View
    pieces: View
    opening: View | None
    """None where most texts are one line: it would be the first again."""
    vectors: NDArray[np.float32]

    @classmethod
    def fit(cls, texts: Texts) -> "Views":
        """To the texts that are learned from; no label is looked at."""
        lines = sum("\n" in text.strip() for text in texts.words)
        return cls(
            View.fit(words, texts.words, MAX_WORDS),
            View.fit(pieces, texts.words, MAX_PIECES),
            View.fit(opening, texts.words, MAX_WORDS) if lines * 2 > len(texts.words) else None,
            np.asarray(texts.vectors, dtype=np.float32),
        )

    def cosines(self, texts: Texts) -> list[Floats]:
        """Of each text with each that was learned from: words, pieces, sentences, opening (where there is one), and
        last the mean of these."""
        return self.alike(self._arranged([view.rows(texts.words) for view in self._sparse], texts.vectors))

    def learned(self) -> list[Rows]:
        """The texts learned from, for `alike`."""
        return self._arranged([csr_matrix(view.known.T) for view in self._sparse], self.vectors)

    def unseen(self, folds: Integers) -> list[Rows]:
        """The same, each as if its fold had not been learned from."""
        return self._arranged([view.unseen(folds) for view in self._sparse], self.vectors)

    def alike(self, rows: list[Rows]) -> list[Floats]:
        """Cosines as `cosines` gives them, of texts that have been read."""
        words, pieces, vectors, *openings = rows
        seen = [(words @ self.words.known).toarray(), (pieces @ self.pieces.known).toarray()]
        seen.append(np.asarray(vectors, dtype=np.float32) @ self.vectors.T)
        if self.opening is not None:
            seen.append((openings[0] @ self.opening.known).toarray())
        return [*seen, np.asarray(sum(seen) / np.float32(len(seen)))]

    @property
    def _sparse(self) -> list[View]:
        return [self.words, self.pieces, *([] if self.opening is None else [self.opening])]

    def _arranged(self, sparse: list[Rows], vectors: Floats) -> list[Rows]:
        return [*sparse[:2], vectors, *sparse[2:]]
