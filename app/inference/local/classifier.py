"""Says which category a report belongs to, how sure that is, and why.

The confidence is calibrated: of the answers given with 0.7, about seven in ten are right (see the metadata's `ece`).
Below the head's threshold, or another that was set in its place, the answer is `general` and the reasoning says that
nothing was clear enough.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.inference.embedding import Embedder, default_embedder
from app.inference.local.examples import Example, load_examples
from app.inference.local.head import Head, shipped_head
from app.inference.local.reading import prepared
from app.inference.local.routing import GENERAL, team_for
from app.inference.local.stack import WORDS
from app.inference.local.views import Texts
from app.inference.local.vocabulary import Token, glossed, tokens, word_set

_ALTERNATIVES: Final = 3
_SPEAKING_TERMS: Final = 3
_MIN_CONTRIBUTION: Final = 0.05
_QUOTE_CHARS: Final = 90
_SILENT: Final = word_set(
    "# a about after all am an and any are as at be been but by can could do does for from had has have he her his i "
    "if in into is it its me my no not of on one or our she so some than that the their them there they this to too "
    "up us was we were what when where which who will with would you your"
)

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Classification:
    category: str
    confidence: float
    """Probability in 0..1 that `category` is right."""
    alternatives: tuple[tuple[str, float], ...]
    """The next categories with their probabilities, best first."""
    reasoning: str
    team: str
    abstained: bool = False


class Classifier:
    """Safe to call from several threads. Reads no instruction out of the text: it only weighs words."""

    def __init__(self, head: Head, examples: Sequence[Example], embedder: Embedder) -> None:
        self._head = head
        self._examples = examples
        self._embedder = embedder
        self._words = head.classifier.judges.views.words
        self._leaning = _leaning(head)

    def classify(self, text: str, *, below: float | None = None) -> Classification:
        """`below`: the confidence to abstain under, in place of the head's own threshold."""
        words = tokens(text)
        if not words:
            return Classification(
                GENERAL, 0.0, (), "There are no words to judge by, so it stays general.", team_for(GENERAL), True
            )
        seen = self._seen(text, words)
        scores = self._head.classifier.probabilities(seen)[0]
        order = [int(index) for index in np.argsort(-scores)]
        ranked = [(self._head.labels[index], round(float(scores[index]), 4)) for index in order]
        best, confidence = ranked[0]
        needed = self._head.classifier.threshold if below is None else below
        if confidence < needed and best != GENERAL:
            return _abstention(ranked, needed)
        reasoning = self._reasoning(order[0], confidence, seen, words)
        return Classification(best, confidence, tuple(ranked[1 : 1 + _ALTERNATIVES]), reasoning, team_for(best))

    def best(self, text: str) -> str:
        """The likeliest category, however unsure: for judging the head, not for people."""
        scores = self._head.classifier.probabilities(self._seen(text, tokens(text)))
        return self._head.labels[int(np.argmax(scores))]

    def _seen(self, text: str, words: list[Token]) -> Texts:
        return Texts([prepared(words)], self._embedder.embed([glossed(text)]))

    def _reasoning(self, label: int, confidence: float, seen: Texts, words: list[Token]) -> str:
        category = self._head.labels[label]
        speaking = self._speaking(label, seen.words[0], words)
        sentence = f"Reads like {category} ({confidence:.0%})"
        if speaking:
            quoted = ", ".join(f"“{term}”" for term in speaking)
            sentence += f": {quoted} speak{'s' if len(speaking) == 1 else ''} for it"
        near = self._nearest(category, seen.vectors[0])
        if near is None:
            return f"{sentence}; it was learned from this desk's own tickets."
        return f"{sentence}; the closest labelled example is “{_short(near[0].text)}” (similarity {near[1]:.2f})."

    def _nearest(self, category: str, vector: Floats) -> tuple[Example, float] | None:
        """Of the delivered examples alone: what people wrote is quoted to nobody else."""
        similarities = self._head.example_vectors @ vector
        inside = np.asarray([example.category == category for example in self._examples])
        if not inside.any():
            return None
        best = int(np.argmax(np.where(inside, similarities, -np.inf)))
        return self._examples[best], float(similarities[best])

    def _speaking(self, label: int, text: str, words: list[Token]) -> list[str]:
        """Words of the text, as written, that push most towards the category; a word is named once."""
        row = self._words.vocabulary.rows([self._words.analysis(text)])
        contributions = row.data * self._leaning[row.indices, label]
        chosen: list[str] = []
        named: set[str] = set()
        for place in np.argsort(-contributions):
            if len(chosen) == _SPEAKING_TERMS or contributions[place] < _MIN_CONTRIBUTION:
                break
            parts = self._words.vocabulary.known[row.indices[place]].split(" ")
            if named.intersection(parts) or all(part in _SILENT for part in parts):
                continue
            named.update(parts)
            chosen.append(_surface(parts, words))
        return chosen


def _abstention(ranked: list[tuple[str, float]], needed: float) -> Classification:
    best, confidence = ranked[0]
    rest = [entry for entry in ranked if entry[0] != GENERAL]
    wanted = f"{needed:.0%} is needed" if np.isfinite(needed) else "no confidence has proved to be right often enough"
    return Classification(
        category=GENERAL,
        confidence=dict(ranked)[GENERAL],
        alternatives=tuple(rest[:_ALTERNATIVES]),
        reasoning=(
            f"No category is clear enough: the best, {best}, reaches {confidence:.0%} and {wanted}, so it stays "
            "general until a person decides."
        ),
        team=team_for(GENERAL),
        abstained=True,
    )


def _leaning(head: Head) -> Floats:
    """How far each word pushes towards each label, rather than to all: the weights of the regression that is linear in
    words. Shape (terms, labels)."""
    judges = head.classifier.judges
    linear = next(one for one in judges.regressions if (one.view, one.shape) == (WORDS, "linear"))
    pushes = np.asarray(judges.views.words.known @ linear.coefficients)
    return np.asarray(pushes - pushes.mean(axis=1, keepdims=True))


def _surface(parts: list[str], words: list[Token]) -> str:
    """How the first occurrence of a term is written in the text; a glossed word keeps its own language."""
    size = len(parts)
    windows = (words[start : start + size] for start in range(len(words)))
    # Between two words of a pair there may stand one of a single character.
    first = next((window for window in windows if [word.term for word in window] == parts), None)
    return " ".join(parts if first is None else dict.fromkeys(word.surface for word in first))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _QUOTE_CHARS else f"{line[: _QUOTE_CHARS - 1].rstrip()}…"


class _InUse:
    """The one classifier of this process, with the checksum of its weights; None: the delivered one. Replaced as a
    whole, so that a thread sees the old or the new."""

    entry: tuple[str | None, Classifier] | None = None
    below: float | None = None
    """Set by an administrator in place of the classifier's own threshold."""


def default_classifier() -> Classifier:
    """The delivered one, read at the first use, until another is put in its place."""
    entry = _InUse.entry
    return _shipped() if entry is None else entry[1]


@lru_cache(maxsize=1)
def _shipped() -> Classifier:
    return Classifier(shipped_head(), load_examples(), default_embedder())


def use(head: Head, checksum: str) -> None:
    """From now on this process classifies with another head."""
    _InUse.entry = (checksum, Classifier(head, load_examples(), default_embedder()))


def use_shipped() -> None:
    _InUse.entry = (None, _shipped())


def abstain_below(confidence: float | None) -> None:
    """From now on in this process; None: below the classifier's own threshold."""
    _InUse.below = confidence


def in_use() -> str | None:
    """The checksum of the weights in use; None: the delivered ones."""
    return None if _InUse.entry is None else _InUse.entry[0]


def classify(text: str) -> Classification:
    return default_classifier().classify(text, below=_InUse.below)
