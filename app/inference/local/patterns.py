"""Error codes, addresses and versions. Each quantifier has an upper bound and each pattern starts at a word's edge,
so no text makes matching worse than linear.
"""

import re
from collections.abc import Iterator
from itertools import chain
from typing import Final

from app.inference.local.spans import Span
from app.inference.local.vocabulary import word_set

_URL = re.compile(r"(?<!\w)(?:https?://|www\.)[^\s<>\"'`|\\^{}]{3,2000}", re.IGNORECASE)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}")

_STATUS = r"[45][0-9OoIl]{2}"
_STATUS_NAMED = re.compile(
    rf"(?<!\w)(?:https?(?:/[\d.]{{1,3}})?|status|code|error|errors|fehler|erreur|código|codigo|returns?|returned|got|gets?)"
    rf"[\s:=#()\"']{{1,4}}({_STATUS})(?![\w.,]?\w)",
    re.IGNORECASE,
)
_STATUS_WITH_REASON = re.compile(
    rf"(?<![\w.]){_STATUS}(?=[\s:-]{{1,3}}([A-Za-z0-9-]{{3,15}})(?:[ -]([A-Za-z0-9-]{{2,15}}))?)"
)
_REASONS: Final = word_set(
    "badrequest unauthorized forbidden notfound methodnot conflict gone unprocessableentity toomany internalserver "
    "badgateway serviceunavailable gatewaytimeout gatewaytime requesttimeout payloadtoo"
)
_NOT_A_STATUS: Final = word_set("ms s kb mb gb eur usd users")

_ERR = re.compile(r"(?<!\w)(?:[A-Z]{2,10}::)?ERR_[A-Z0-9_]{3,60}(?!\w)")
_PLATFORM = re.compile(
    r"(?<!\w)(?:E(?:CONNREFUSED|CONNRESET|TIMEDOUT|NOENT|ACCES|PERM|PIPE|ADDRINUSE|NOTFOUND|AI_AGAIN|HOSTUNREACH|MFILE)"
    r"|NXDOMAIN|SIGSEGV|SIGKILL|OOMKilled|CrashLoopBackOff|(?:ORA|PLS|TNS)-\d{4,5}|CVE-\d{4}-\d{4,7}"
    r"|DNS_PROBE_[A-Z_]{3,40}|PR_[A-Z_]{5,40}_ERROR|SEC_ERROR_[A-Z_]{3,40}|TS\d{4})(?!\w)"
)
_SQLSTATE = re.compile(r"(?<!\w)SQLSTATE[\s:=(\[]{0,4}([0-9A-Z]{5})(?!\w)", re.IGNORECASE)
_HEX = re.compile(r"(?<!\w)[0O]x[0-9A-FOa-fo]{4,16}(?!\w)")
_EXCEPTION = re.compile(r"(?<![\w.])(?:[A-Za-z_]\w{0,60}\.){0,8}[A-Z]\w{0,80}(?:Err[o0]r|Excepti[o0]n|Fault)(?!\w)")
_LABELLED = re.compile(
    r"(?<!\w)(?:error|fehler|exit|return|stop)[ -]?(?:code|nummer|number|no\.?|nr\.?)[\s:=#]{1,3}"
    r"((?=[A-Z0-9_-]{0,19}\d)[A-Z0-9][A-Z0-9_-]{1,19})(?!\w)",
    re.IGNORECASE,
)
_CALLED = re.compile(r"(?<!\w)(?i:error|fehler|erreur|errore|erro)[\s:#]{1,3}([A-Z]{1,6}-?\d{1,6})(?!\w)")
""""Error E-77": what follows is a code where it is written like one."""

_PHONE = re.compile(
    r"(?<![\w.+/-])(?:\+|00)\d{1,3}(?:[ ./-]?\(?\d{1,4}\)?){2,6}(?![\w-])"
    r"|(?<![\w.+/-])\(?0\d{1,5}\)?[ /-]\d{3,8}(?:[ -]\d{2,5}){0,2}(?![\w-])"
)
_LEAST_PHONE_DIGITS: Final = 7
_AMOUNT = r"\d{1,3}(?:[ .,']\d{3}){1,4}(?:[.,]\d{2})?|\d{1,9}(?:[.,]\d{1,2})?"
_CURRENCY = r"USD|EUR|GBP|CHF|JPY|CAD|AUD"
_MONEY = re.compile(
    rf"(?<![\w.,])(?:(?:[$€£¥]|(?:{_CURRENCY})) ?(?:{_AMOUNT})(?![\w]|[.,]\d)"
    rf"|(?:{_AMOUNT}) ?(?:[€£$]|(?:{_CURRENCY}|euros?|dollars?)(?!\w)))",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(
    r"(?<!\w)(?:account|customer|client|contract|invoice|order|subscription|tenant|konto|kunden?|vertrags?|rechnungs?|"
    r"bestell|cuenta|cliente|factura|pedido|compte|facture|commande)[ -]?(?:id|number|no\.?|nr\.?|nummer|numero|n°)?"
    r"[\s:=#]{1,3}((?=[A-Z0-9_-]{0,24}\d)[A-Z0-9][A-Z0-9_-]{2,24})(?!\w)",
    re.IGNORECASE,
)

_NUMBER = r"\d{1,5}(?:\.\d{1,6}){0,3}(?:[-+][0-9A-Za-z.]{1,20})?"
_VERSION_NAMED = re.compile(
    r"(?<!\w)(version|versión|release|build|firmware|client|app|update|chrome|firefox|safari|edge|opera|android|ios|"
    r"ipados|windows|macos|ubuntu|debian|python|node(?:\.js)?|java|php|postgresql|postgres|mysql|redis|outlook)"
    rf"(?:[\s/]|: )(?:version )?v?({_NUMBER})(?![\w%]|[:/]\w)",
    re.IGNORECASE,
)
_VERSION_BARE = re.compile(
    r"(?<![\w.,/])(?:v\d{1,5}(?:\.\d{1,6}){0,3}|\d{1,4}\.\d{1,4}\.\d{1,6})(?:-[0-9A-Za-z.]{1,20})?(?![\w:]|[.,]\d)"
)
_PRODUCT = re.compile(r"(?<![\w./:@-])([A-Za-z][\w-]{1,30})/v?(\d{1,5}(?:\.\d{1,6}){1,3})(?![\w/])")
_PROTOCOLS: Final = frozenset({"http", "https", "tls", "ssl", "h2"})
_DATE = re.compile(r"\d{1,2}\.\d{1,2}\.(?:19|20)?\d\d")
_GENERIC: Final = frozenset({"version", "versión", "release", "build", "firmware", "client", "app", "update"})

_TO_DIGITS = str.maketrans("OoIl", "0011")
_TO_LETTERS = str.maketrans("01", "ol")


def urls(text: str) -> Iterator[Span]:
    for match in _URL.finditer(text):
        value = match[0].rstrip(".,;:!?")
        if value.endswith(")") and "(" not in value:
            value = value.rstrip(").,;:!?")
        yield Span(value, match.start(), match.start() + len(value))


def emails(text: str) -> Iterator[Span]:
    for match in _EMAIL.finditer(text):
        value = match[0].rstrip(".-_")
        yield Span(value.lower(), match.start(), match.start() + len(value))


def phones(text: str) -> Iterator[Span]:
    """Numbers with a country code or a leading zero, as "+" and digits or as digits alone."""
    for match in _PHONE.finditer(text):
        digits = "".join(char for char in match[0] if char.isdigit())
        if len(digits) >= _LEAST_PHONE_DIGITS:
            yield Span(f"+{digits}" if match[0].startswith("+") else digits, match.start(), match.end())


def money(text: str) -> Iterator[Span]:
    """Amounts with a currency, as written."""
    for match in _MONEY.finditer(text):
        yield Span(" ".join(match[0].split()), match.start(), match.end())


def accounts(text: str) -> Iterator[Span]:
    """What is labelled as the number of an account, customer, contract, invoice, order or the like."""
    for match in _ACCOUNT.finditer(text):
        yield Span(match[1], match.start(1), match.end(1))


def error_codes(text: str) -> Iterator[Span]:
    """HTTP statuses as "HTTP 503", SQL states as "SQLSTATE 23505", all others as they are named by their makers."""
    for match in _STATUS_NAMED.finditer(text):
        following = re.match(r"\s?(\w{1,6})", text[match.end() : match.end() + 8])
        if following is None or following[1].lower() not in _NOT_A_STATUS:
            yield Span(f"HTTP {match[1].translate(_TO_DIGITS)}", match.start(1), match.end(1))
    for match in _STATUS_WITH_REASON.finditer(text):
        words = [(group or "").lower().translate(_TO_LETTERS).replace("-", "") for group in match.groups()]
        if words[0] in _REASONS or "".join(words) in _REASONS:
            yield Span(f"HTTP {match[0].translate(_TO_DIGITS)}", match.start(), match.end())
    for match in _ERR.finditer(text):
        yield Span(_letters_between(match[0]), match.start(), match.end())
    for match in _PLATFORM.finditer(text):
        yield Span(match[0], match.start(), match.end())
    for match in _SQLSTATE.finditer(text):
        yield Span(f"SQLSTATE {match[1].upper()}", match.start(), match.end(1))
    for match in _HEX.finditer(text):
        yield Span(f"0x{match[0][2:].translate(_TO_DIGITS).upper()}", match.start(), match.end())
    for match in _EXCEPTION.finditer(text):
        yield Span(match[0].replace("Err0r", "Error").replace("Excepti0n", "Exception"), match.start(), match.end())
    for match in chain(_CALLED.finditer(text), _LABELLED.finditer(text)):
        if not re.fullmatch(_STATUS, match[1]):
            yield Span(match[1], match.start(1), match.end(1))


def versions(text: str) -> Iterator[Span]:
    """ "Firefox 142", "4.12.1", "v3.2": a bare number of two parts is no version, a date or an address neither."""
    named: list[tuple[int, int]] = []
    for match in _VERSION_NAMED.finditer(text):
        number = match[2].rstrip(".")
        if match[1].lower() in _GENERIC and "." not in number and match[1].lower() != "build":
            continue
        value = number if match[1].lower() in _GENERIC else f"{match[1]} {number}"
        named.append((match.start(), match.end()))
        yield Span(value, match.start(2) if value == number else match.start(), match.start(2) + len(number))
    for match in _PRODUCT.finditer(text):
        if match[1].lower() not in _PROTOCOLS and match.start() not in {start for start, _ in named}:
            yield Span(f"{match[1]} {match[2]}", match.start(), match.end())
    starts = {position for start, end in named for position in range(start, end)}
    for match in _VERSION_BARE.finditer(text):
        if match.start() in starts or _DATE.fullmatch(match[0]):
            continue
        value = match[0].removeprefix("v").rstrip(".")
        yield Span(value, match.start(), match.end())


def _letters_between(code: str) -> str:
    """ERR_C0NNECTION → ERR_CONNECTION; a group of digits alone, as in ERR_404, stays."""
    return "_".join(part if part.isdigit() else part.replace("0", "O").replace("1", "I") for part in code.split("_"))
