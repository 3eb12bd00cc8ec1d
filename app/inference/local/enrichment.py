"""Language, mood and key words of a text, by word lists in six languages: small, readable, and silent when unsure.

Language: the share of the words that are function words of one language only, compared between languages. Mood: words
of praise and complaint with their negations, (p - n) / (p + n). A text in none of the languages, or without such a
word, has no language and no mood rather than a guessed one.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from app.inference.local.priority_terms import NEGATORS
from app.inference.local.vocabulary import plain, word_set

Mood = Literal["negative", "neutral", "positive"]

MAX_CHARS: Final = 50_000
MAX_KEYWORDS: Final = 10
_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+){0,4}")
_LEAST_HITS: Final = 2
_LEAST_LEAD: Final = 1.3
_NEGATION_REACH: Final = 3
_LEAST_KEYWORD: Final = 3
_MOOD_LINE: Final = 0.25

FUNCTION_WORDS: Final[dict[str, frozenset[str]]] = {
    "en": word_set(
        "the and is are was were have has had not with this that these those from when which you your we our they it "
        "its does did can cannot could would should will been since after before please there here my i at of to for"
    ),
    "de": word_set(
        "der die das und ist sind war waren haben hat nicht mit dieser diese dieses von wenn welche sie ihr wir unser "
        "es kann konnen konnte wird wurde seit nach vor bitte hier mein ich ein eine einen einem auf fur zu beim im am"
    ),
    "es": word_set(
        "el la los las y es son era han ha no con este esta estos de cuando que usted su nosotros nuestro puede puedo "
        "desde despues antes por favor aqui mi yo un una en para al del se lo muy pero mas como"
    ),
    "fr": word_set(
        "le la les et est sont etait ont pas avec ce cette ces de quand qui vous votre nous notre peut peux depuis "
        "apres avant svp ici mon ma je un une dans pour au aux du des sur il elle plus mais comme ne"
    ),
    "it": word_set(
        "il lo gli le e sono era hanno ha non con questo questa di quando che lei suo noi nostro puo posso dopo prima "
        "per favore qui mio io un una nel nella della dello dal alla piu ma come si"
    ),
    "pt": word_set(
        "o os as e sao era tem nao com este esta de quando que voce seu nos nosso pode posso desde depois antes por "
        "favor aqui meu eu um uma em para ao do da dos das na no mais mas como se"
    ),
}
_PRAISE: Final = word_set(
    "thanks thank great good excellent perfect love happy glad helpful wonderful appreciate works fixed danke super "
    "prima gut toll perfekt freundlich zufrieden gracias excelente perfecto bueno genial feliz merci parfait bon "
    "excellent super content ravi grazie ottimo perfetto obrigado otimo perfeito"
)
_COMPLAINT: Final = word_set(
    "unacceptable outrageous furious angry annoyed annoying frustrated frustrating disappointed disappointing "
    "terrible terribly horrible awful worst bad ridiculous useless hate unhappy broken inakzeptabel unverschamt wutend "
    "argerlich verargert enttauscht schlecht schrecklich furchtbar unmoglich inaceptable furioso enojado frustrado "
    "decepcionado terrible horrible malo pesimo inutil inacceptable furieux fache decu frustre horrible mauvais nul "
    "inutile inaccettabile furioso deluso pessimo inaceitavel frustrado decepcionado pessimo"
)
_ALL_FUNCTION_WORDS: Final = frozenset().union(*FUNCTION_WORDS.values())


@dataclass(frozen=True, slots=True)
class Enrichment:
    language: str | None
    """ISO 639-1; None: too short, or none of the six."""
    mood: Mood | None
    """None: no word of praise or complaint in it."""
    mood_score: float | None
    """-1 (complaint only) to 1 (praise only)."""
    keywords: tuple[str, ...]


def enrich(text: str) -> Enrichment:
    """Linear in the text's length, of which at most 50,000 characters are read."""
    written = [match[0] for match in _WORD.finditer(text[:MAX_CHARS])]
    words = [plain(word) for word in written]
    score = _mood(words)
    return Enrichment(_language(words), None if score is None else _named(score), score, _keywords(written, words))


def _language(words: Sequence[str]) -> str | None:
    counts = Counter(words)
    hits = {name: sum(counts[word] for word in known) for name, known in FUNCTION_WORDS.items()}
    (best, most), (_, second) = Counter(hits).most_common(2)
    return best if most >= _LEAST_HITS and most >= _LEAST_LEAD * second else None


def _mood(words: Sequence[str]) -> float | None:
    praise = complaint = 0
    for index, word in enumerate(words):
        if word not in _PRAISE and word not in _COMPLAINT:
            continue
        before = words[max(0, index - _NEGATION_REACH) : index]
        negated = any(other in NEGATORS or other.endswith("n't") for other in before)
        if (word in _PRAISE) is not negated:
            praise += 1
        else:
            complaint += 1
    return None if praise + complaint == 0 else round((praise - complaint) / (praise + complaint), 4)


def _named(score: float) -> Mood:
    if score < -_MOOD_LINE:
        return "negative"
    return "positive" if score > _MOOD_LINE else "neutral"


def _keywords(written: Sequence[str], words: Sequence[str]) -> tuple[str, ...]:
    """Words that carry the matter: frequent, long, early; as first written, in the order of their weight."""
    first: dict[str, int] = {}
    counts: Counter[str] = Counter()
    for index, word in enumerate(words):
        if len(word) >= _LEAST_KEYWORD and not word.isdigit() and word not in _ALL_FUNCTION_WORDS:
            first.setdefault(word, index)
            counts[word] += 1
    ranked = sorted(counts, key=lambda word: (-counts[word] * min(len(word), 12), first[word]))
    return tuple(written[first[word]] for word in ranked[:MAX_KEYWORDS])
