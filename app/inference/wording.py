"""What a sentence says in words that can be compared: its terms, its figures, and whether it denies."""

import re
from typing import Final

_WORD: Final = re.compile(r"[^\W_](?:[\w.\-/:'’]*[^\W_])?")
_PART: Final = re.compile(r"[._\-/:'’]+")
_FIGURE: Final = re.compile(r"\d+(?:[.,:/-]\d+)*")
_CODE: Final = re.compile(r"\b(?=[\w.-]*\d)(?=[\w.-]*[A-Za-z._-])[A-Za-z\d][\w.-]{2,}")
_IDENTIFIER: Final = re.compile(r"(?=.*[a-z]).*\d{3}")
_KIND: Final = re.compile(r"([^\W\d_]+)[-_. ]?(?=\d)")
_DENIAL: Final = re.compile(
    r"\b(?:not|no|never|none|cannot|without|n[o']t|\w+n['’]t|unable|unsupported|disabled|"
    r"nicht|kein\w*|nie|ohne|ne|pas|jamais|sans|nunca|sin|não|nem|sem|non|mai|senza|niet|geen|nooit|zonder)\b",
    re.IGNORECASE,
)
_ENDINGS: Final = ("ations", "ation", "ings", "ing", "edly", "ies", "ed", "es", "ly", "s")
_LEAST_STEM: Final = 3
_LITTLE: Final = frozenset(
    [
        "a",
        "about",
        "after",
        "again",
        "all",
        "also",
        "an",
        "and",
        "any",
        "are",
        "as",
        "at",
        "be",
        "been",
        "before",
        "being",
        "between",
        "both",
        "but",
        "by",
        "can",
        "could",
        "did",
        "do",
        "does",
        "each",
        "few",
        "for",
        "from",
        "get",
        "got",
        "had",
        "has",
        "have",
        "having",
        "he",
        "hello",
        "help",
        "hi",
        "how",
        "i",
        "if",
        "in",
        "into",
        "is",
        "it",
        "its",
        "just",
        "know",
        "like",
        "may",
        "me",
        "might",
        "more",
        "most",
        "must",
        "my",
        "need",
        "no",
        "not",
        "of",
        "off",
        "on",
        "once",
        "one",
        "only",
        "or",
        "other",
        "our",
        "out",
        "over",
        "own",
        "please",
        "same",
        "see",
        "she",
        "should",
        "so",
        "some",
        "such",
        "than",
        "thank",
        "thanks",
        "that",
        "the",
        "their",
        "them",
        "then",
        "there",
        "these",
        "they",
        "this",
        "those",
        "to",
        "too",
        "try",
        "under",
        "until",
        "up",
        "us",
        "use",
        "used",
        "using",
        "very",
        "want",
        "was",
        "we",
        "were",
        "what",
        "when",
        "where",
        "which",
        "while",
        "who",
        "whom",
        "why",
        "will",
        "with",
        "would",
        "yes",
        "you",
        "your",
        "der",
        "die",
        "das",
        "und",
        "ist",
        "für",
        "auf",
        "ein",
        "eine",
        "sie",
        "wird",
        "oder",
        "wie",
        "ich",
        "zu",
        "im",
        "den",
        "von",
        "mit",
        "le",
        "la",
        "les",
        "et",
        "est",
        "une",
        "des",
        "pour",
        "dans",
        "que",
        "vous",
        "sur",
        "du",
        "je",
        "el",
        "los",
        "las",
        "es",
        "una",
        "con",
        "del",
        "se",
        "por",
    ]
)


def terms(text: str) -> list[str]:
    """Its words without the little ones, endings cut off; of a code or a version also its parts."""
    found: list[str] = []
    for match in _WORD.finditer(text):
        word = match[0].lower()
        parts = [part for part in _PART.split(word) if part]
        if len(parts) > 1:
            found.append(word)
        found.extend(_stem(part) for part in parts if part not in _LITTLE)
    return found


def codes(text: str) -> set[str]:
    """Error codes, versions, SKUs, CVE numbers: words with a digit and something beside it."""
    return {match[0].lower().strip(".-_") for match in _CODE.finditer(text)}


def identifiers(text: str) -> set[str]:
    """Of the codes those that name one thing: an error code, a CVE number, a part; not a version or “64-bit”."""
    return {code for code in codes(text) if _IDENTIFIER.match(code)}


def spellings(identifier: str) -> set[str]:
    """As others write it: err504, err 504, err-504, err_504."""
    return {identifier, *(_KIND.sub(rf"\1{between}", identifier, count=1) for between in ("", " ", "-", "_"))}


def kind_of(identifier: str) -> str | None:
    """What its number is a number of, as a POSIX regular expression that finds any of them: “cve” before a digit."""
    match = _KIND.search(identifier)
    return None if match is None else rf"\y{match[1]}[-_. ]?[0-9]"


def figures(text: str) -> set[str]:
    return {match[0] for match in _FIGURE.finditer(text)}


def denies(text: str) -> bool:
    return len(_DENIAL.findall(text)) % 2 == 1


def _stem(word: str) -> str:
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= _LEAST_STEM:
            return word[: -len(ending)] + ("y" if ending == "ies" else "")
    return word
