"""The model of one run: which ones may be asked, in which order, and under which rules."""

from collections.abc import Callable
from dataclasses import dataclass

from pydantic_ai.models import Model

from app.core.breakers import Breakers
from app.core.redis import Redis
from app.core.settings import Settings
from app.core.slots import Slots
from app.inference.answer_cache import AnswerCache
from app.inference.calls import Journal, ModelCall
from app.inference.chain import Candidate, ChainModel, Purpose, Shared
from app.inference.errors import ModelUnavailable
from app.inference.local.model import LOCAL_MODEL
from app.inference.platform import CHANGES_SOMETHING, Platform
from app.inference.registry import provider_of

ResolveModel = Callable[[str, Settings], Model]


@dataclass(frozen=True, slots=True)
class ModelRoad:
    """All that leads from a configured name to answers, for runs of this process."""

    settings: Settings
    platform: Platform
    breakers: Breakers
    slots: Slots
    redis: Redis
    resolve: ResolveModel
    alone: bool = False
    """Only the configured model is asked: what is tried out is to be judged by itself."""
    over_budget: bool = False
    """The month's money is spent: `local` carries out what a remote model would have."""

    def model(self, primary: str, purpose: Purpose, journal: Journal) -> Model:
        """Raises UnknownModel, and ModelUnavailable when none of the chain's models can be used here."""
        candidates: list[Candidate] = []
        missing: ModelUnavailable | None = None
        for name in self._names(primary, purpose, journal):
            try:
                candidates.append(Candidate(name, self.resolve(name, self.settings)))
            except ModelUnavailable as error:
                missing = missing or error
                journal.calls.append(ModelCall(name, provider_of(name), "skipped", "not_configured"))
        if not candidates:
            raise missing or ModelUnavailable()
        shared = Shared(self.platform, self.breakers, self.slots, self._cache(purpose))
        return ChainModel(candidates, shared, purpose, journal)

    def _names(self, primary: str, purpose: Purpose, journal: Journal) -> list[str]:
        if self.over_budget and primary != LOCAL_MODEL:
            journal.calls.append(ModelCall(primary, provider_of(primary), "skipped", "budget"))
            return [LOCAL_MODEL]
        return [primary] if self.alone else self.platform.chain(primary, purpose.operation)

    def _cache(self, purpose: Purpose) -> AnswerCache | None:
        section = self.platform.cache
        wanted = purpose.operation in section.operations and purpose.operation not in CHANGES_SOMETHING
        return AnswerCache(self.redis, section.ttl_seconds) if wanted and section.ttl_seconds else None
