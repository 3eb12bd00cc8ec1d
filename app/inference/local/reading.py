"""How the desk's classifier reads a report: its words in English where the glossary knows them, and their meaning.

The delivered examples are English for the most part; a classifier that learned from an export alone needs no glossary.
"""

from collections.abc import Sequence

from app.inference.embedding import Embedder
from app.inference.local.views import Texts, cleaned
from app.inference.local.vocabulary import Token, glossed, tokens


def prepared(words: Sequence[Token]) -> str:
    """Of one character there are digits for the most part, which say little."""
    return cleaned(" ".join(word.term for word in words if len(word.term) > 1))


def read(texts: Sequence[str], embedder: Embedder) -> Texts:
    return Texts([prepared(tokens(text)) for text in texts], embedder.embed([glossed(text) for text in texts]))
