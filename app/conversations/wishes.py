"""Whether somebody asks for a person instead of an answer, in plain words of six languages.

A wish names a person and wants, or is nothing but the name ("A human, please"). Questions about people ("How do I add
an agent?") are questions. When in doubt it is no wish: whatever cannot be answered reaches a person anyway.
"""

import re
from typing import Final

LOOKED_AT: Final = 2_000

_PERSON: Final = (
    r"(?:(?:a|an|the|some|any|your|real|live|actual|human|support|service|customer|another|somebody|someone)\s+){0,4}"
    r"(?:human(?: being)?|person|people|agent|representative|rep|operator|advisor|adviser|manager|supervisor|somebody|"
    r"someone|employee|staff|colleague|support team)"
)
_SPEAK: Final = r"(?:talk|speak|chat|write)\s+(?:to|with)\s+"
_NOT: Final = r"(?:don['’]?t|do not|never|no need to|not|without)\s+(?:\w+\s+){0,3}$"
_WISHES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        (
            rf"\b(?:i\s+(?:want|need|wish|demand|would\s+like|['’]?d\s+like|would\s+prefer|have)\s+to|i['’]d\s+(?:like|"
            rf"prefer)\s+to|let\s+me|(?:can|could|may|might)\s+i(?:\s+please)?|please\s+let\s+me|how\s+(?:can|do)\s+i)\s+"
            rf"(?:please\s+)?{_SPEAK}{_PERSON}\b(?!\s+(?:account|api|record|page))"
        ),
        (
            rf"\b(?:connect|transfer|forward|hand|put|pass|escalate)\s+(?:me|us|this|it)\s+(?:\w+\s+)?(?:to|with)\s+"
            rf"{_PERSON}\b"
        ),
        rf"\b(?:get|give|find|send)\s+me\s+{_PERSON}\b",
        (
            r"\b(?:i\s+(?:want|need)|i['’]d\s+like|i\s+would\s+like)\s+(?:a\s+|an\s+)?(?:real\s+|live\s+|human\s+)"
            r"(?:human|person|agent|being|operator|representative|help|support)\b"
        ),
        r"\b(?:stop|enough|no more|not)\s+(?:with\s+)?(?:the|this|a|these)?\s*(?:bot|chatbot|robot|machine)s?\b",
        (
            r"\bich\s+(?:möchte|will|würde\s+gerne?|muss)\s+(?:bitte\s+)?(?:gerne?\s+)?mit\s+(?:\w+\s+){0,3}?"
            r"(?:mensch(?:en)?|mitarbeiter(?:in|n)?|person|berater(?:in)?|jemande?m?)\s+(?:\w+\s+){0,2}"
            r"(?:sprechen|reden|chatten|verbunden)"
        ),
        r"\bverbinden\s+sie\s+mich\s+(?:bitte\s+)?mit\s+(?:\w+\s+){0,2}(?:mensch|mitarbeiter|person|berater|jemand)",
        (
            r"\b(?:quiero|quisiera|necesito|puedo)\s+hablar\s+con\s+(?:\w+\s+){0,2}(?:persona|agente|humano|alguien|"
            r"operador)"
        ),
        (
            r"\bje\s+(?:veux|voudrais|souhaite|dois)\s+(?:parler|discuter)\s+(?:à|a|avec)\s+(?:\w+\s+){0,2}(?:humain|"
            r"personne|agent|conseiller|quelqu['’]un)"
        ),
        r"\b(?:voglio|vorrei|posso)\s+parlare\s+con\s+(?:\w+\s+){0,2}(?:persona|operatore|umano|agente|qualcuno)",
        (
            r"\b(?:quero|queria|gostaria\s+de|posso|preciso)\s+falar\s+com\s+(?:\w+\s+){0,2}(?:pessoa|humano|atendente|"
            r"agente|alguém)"
        ),
    )
)
_NEGATED: Final = re.compile(_NOT, re.IGNORECASE)
_ALONE: Final = re.compile(
    r"(?:(?:hi|hello|please|bitte|ok|no)[\s,.!]*)*(?:(?:a|an|real|live|human|support)\s+)*"
    r"(?:human|person|agent|operator|representative|mensch|mitarbeiter|humano|humain|persona)"
    r"(?:\s*,?\s*(?:please|now|bitte|por favor|s'il vous plaît))*[\s.!?]*",
    re.IGNORECASE,
)


def wants_person(text: str) -> bool:
    said = " ".join(text[:LOOKED_AT].split())
    if _ALONE.fullmatch(said):
        return True
    return any(
        not _NEGATED.search(said[max(0, match.start() - 40) : match.start()])
        for wish in _WISHES
        for match in wish.finditer(said)
    )
