"""How words of a language are brought to their stems when documents are searched."""

from typing import Final

_CONFIGURATIONS: Final = {
    "en": "english",
    "de": "german",
    "fr": "french",
    "es": "spanish",
    "pt": "portuguese",
    "it": "italian",
    "nl": "dutch",
}
EXACT: Final = "simple"


def configuration(language: str) -> str:
    """PostgreSQL's text search configuration: stems for the languages known here, exact words for others."""
    return _CONFIGURATIONS.get(language.lower().split("-")[0], EXACT)
