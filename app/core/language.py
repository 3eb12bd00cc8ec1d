"""Which language a text is in: asked of what was read in files, of documents, and of queries.

py3langid counts byte sequences; it has an answer for anything, so one it is not sure of is none. Texts of a word or
two are often undetermined, and a wrong guess costs a search its stems, never its exact words.
"""

from functools import lru_cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier  # type: ignore[import-untyped]  # ships no types

UNKNOWN: Final = "und"
"""ISO 639-2: undetermined."""

_NO_LANGUAGE: Final = "zxx"
_SURE_FROM: Final = 0.4
_READ_CHARS: Final = 5000


def language_of(text: str) -> str:
    """An ISO 639 code of two letters (three where there are no two), `und` when none stands out."""
    language, share = _identifier().classify(text[:_READ_CHARS])
    return str(language) if share >= _SURE_FROM and language != _NO_LANGUAGE else UNKNOWN


@lru_cache(maxsize=1)
def _identifier() -> LanguageIdentifier:
    """Half a second and 75 MB, at the first text of a process."""
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
