"""What an answer must not hold: links to places its sources do not name, and secrets.

A report can ask a model to put a link into a ticket or a reply. Links survive only to hosts that stand in the
conversation the model was given or on the installation's list; a secret never does, wherever it came from.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from pydantic_ai.messages import (
    BaseToolReturnPart,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    UserPromptPart,
)

from app.core.redaction import REDACTED, secrets_in
from app.inference.privacy.pseudonyms import response_part

LINK_REMOVED = "[link removed]"

_LINK = re.compile(r"\b(?:https?|ftp)://[^\s<>\"'`\\)\]}]{1,2000}", re.IGNORECASE)
_HOST = re.compile(r"(?<![\w@.-])(?:[\w-]{1,63}\.){1,8}[^\W\d_]{2,24}(?![\w-])")


@dataclass(slots=True)
class OutputChecks:
    allowed: frozenset[str]
    removed: Counter[str] = field(default_factory=Counter)

    def cleaned(self, answer: ModelResponse, asked: Sequence[ModelMessage]) -> ModelResponse:
        """The answer without them; `removed` counts what was taken out."""
        known = self.allowed.union(_hosts(asked))

        def clean(text: str) -> str:
            return self._without_links(self._without_secrets(text), known)

        return replace(answer, parts=[response_part(part, clean) for part in answer.parts])

    def _without_secrets(self, text: str) -> str:
        for start, end in sorted(secrets_in(text, named=False), reverse=True):
            text = f"{text[:start]}{REDACTED}{text[end:]}"
            self.removed["secret"] += 1
        return text

    def _without_links(self, text: str, known: frozenset[str]) -> str:
        def judged(match: re.Match[str]) -> str:
            if (_host(match[0]) or "") in known:
                return match[0]
            self.removed["link"] += 1
            return LINK_REMOVED

        return _LINK.sub(judged, text) if "://" in text else text


def _hosts(messages: Sequence[ModelMessage]) -> Iterable[str]:
    """Of addresses and bare names in what the model was given by others; its own words do not count."""
    for message in messages:
        if not isinstance(message, ModelRequest):
            continue
        for part in message.parts:
            if isinstance(part, UserPromptPart | BaseToolReturnPart):
                text = part.content if isinstance(part.content, str) else str(part.content)
                yield from (match[0].lower() for match in _HOST.finditer(text))
                yield from filter(None, (_host(match[0]) for match in _LINK.finditer(text)))


def _host(link: str) -> str | None:
    try:
        return urlsplit(link).hostname
    except ValueError:
        return None
