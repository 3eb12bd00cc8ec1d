"""National identity numbers, each by its form and, where it has one, its check digit.

Numbers that are bare digits are looked for only behind a word that names them: one in ten order numbers would pass
for one otherwise.
"""

import re
from collections.abc import Callable, Iterator

_VERHOEFF_D = (
    "0123456789", "1234067895", "2340178956", "3401289567", "4012395678",
    "5987604321", "6598710432", "7659821043", "8765932104", "9876543210",
)  # fmt: skip
_VERHOEFF_P = (
    "0123456789", "1576283094", "5803796142", "8916043527",
    "9453126870", "4286573901", "2793806415", "7046913258",
)  # fmt: skip
_ITALIAN_ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16,
         10, 22, 25, 24, 23),
        strict=True,
    )
)  # fmt: skip
_CHINESE_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_PESEL_WEIGHTS = (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def iban(text: str) -> bool:
    """ISO 13616: the rearranged number is 1 modulo 97."""
    turned = text[4:] + text[:4]
    return int("".join(str(int(char, 36)) for char in turned)) % 97 == 1


def _french(digits: str) -> bool:
    # Corsica's departments count as numbers.
    number = digits[:13].replace("2A", "19").replace("2B", "18")
    return number.isdigit() and 97 - int(number) % 97 == int(digits[13:])


def _spanish(text: str) -> bool:
    number = text[:-1].translate(str.maketrans("XYZ", "012"))
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(number) % 23] == text[-1]


def _italian(text: str) -> bool:
    total = 0
    for place, char in enumerate(text[:15]):
        even = int(char) if char.isdigit() else ord(char) - ord("A")
        total += even if place % 2 else _ITALIAN_ODD[char]
    return chr(total % 26 + ord("A")) == text[15]


def _german(digits: str) -> bool:
    """ISO 7064, MOD 11,10."""
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _polish(digits: str) -> bool:
    total = sum(int(d) * w for d, w in zip(digits, _PESEL_WEIGHTS, strict=False))
    return (10 - total % 10) % 10 == int(digits[10])


def _dutch(digits: str) -> bool:
    total = sum(int(d) * w for d, w in zip(digits, (9, 8, 7, 6, 5, 4, 3, 2, -1), strict=True))
    return total % 11 == 0 and digits != "000000000"


def _brazilian(digits: str) -> bool:
    for length in (9, 10):
        total = sum(int(d) * w for d, w in zip(digits, range(length + 1, 1, -1), strict=False))
        if (total * 10 % 11) % 10 != int(digits[length]):
            return False
    return len(set(digits)) > 1


def _indian(digits: str) -> bool:
    check = 0
    for place, digit in enumerate(reversed(digits)):
        check = int(_VERHOEFF_D[check][int(_VERHOEFF_P[place % 8][int(digit)])])
    return check == 0


def _chinese(text: str) -> bool:
    total = sum(int(d) * w for d, w in zip(text, _CHINESE_WEIGHTS, strict=False))
    return "10X98765432"[total % 11] == text[17]


def _any(_: str) -> bool:
    return True


_FORMS: tuple[tuple[re.Pattern[str], Callable[[str], bool]], ...] = (
    # United States: no area 000, 666 or 9xx.
    (re.compile(r"\b(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}\b"), _any),
    # United Kingdom.
    (re.compile(r"\b(?!BG|GB|KN|NK|NT|TN|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d{2} ?\d{2} ?\d{2} ?[A-D]\b"), _any),
    # France.
    (re.compile(r"\b[12] ?\d{2} ?(?:0[1-9]|1[0-2]|[2-9]\d) ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?\d{2}\b"), _french),
    # Spain: DNI and NIE.
    (re.compile(r"\b(?:\d{8}|[XYZ]\d{7})-?[A-HJ-NP-TV-Z]\b"), _spanish),
    (re.compile(r"\b[A-Z]{6}\d{2}[A-EHLMPRST]\d{2}[A-Z]\d{3}[A-Z]\b"), _italian),
    (re.compile(r"\b\d{3}\.\d{3}\.\d{3}-\d{2}\b"), _brazilian),
    (re.compile(r"\b[2-9]\d{3} \d{4} \d{4}\b"), _indian),
    (re.compile(r"\b[1-9]\d{5}(?:19|20)\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dX]\b"), _chinese),
    (re.compile(r"(?i:steuer-?id(?:nr)?|idnr|tax id)\W{0,10}(?P<id>\d{2} ?\d{3} ?\d{3} ?\d{3})\b"), _german),
    (re.compile(r"(?i:pesel)\W{0,10}(?P<id>\d{11})\b"), _polish),
    (re.compile(r"(?i:bsn|burgerservicenummer)\W{0,10}(?P<id>\d{9})\b"), _dutch),
)  # fmt: skip


def found(text: str) -> Iterator[tuple[int, int]]:
    """Where national identity numbers stand, from and to."""
    for pattern, holds in _FORMS:
        for match in pattern.finditer(text):
            group = "id" if "id" in pattern.groupindex else 0
            if holds(re.sub(r"[ .-]", "", match[group])):
                yield match.span(group)
