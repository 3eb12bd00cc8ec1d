"""One model made of several: the configured one, then those that stand in for it.

A request goes to the first model that may be asked. What may pass is tried again after a rest; what will not, or passes
too slowly, is the next model's; what the provider refuses for the request's own sake is the caller's. Limits and
breakers are each provider's, shared by all processes. On the way to a remote model personal data is replaced, on the
way back it is put in again and the answer is checked. Every request, and every one not made, is written down.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.exceptions import AgentRunError, ModelAPIError, ModelTimeoutError
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import CompletedStreamedResponse, Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from app.core.breakers import Breakers
from app.core.slots import Slots
from app.core.telemetry import get_logger
from app.inference.admission import Blame, NotAdmitted, Provider
from app.inference.answer_cache import AnswerCache, CacheScope, cache_key
from app.inference.calls import Journal, ModelCall
from app.inference.faults import Fault, described, fault_of
from app.inference.local.model import LOCAL_MODEL
from app.inference.platform import Platform, ProviderLimits
from app.inference.pricing import price
from app.inference.privacy.output_checks import OutputChecks
from app.inference.privacy.pseudonyms import Pseudonyms
from app.inference.registry import provider_of

log = get_logger(__name__)

RESERVE_SECONDS = 3.0
"""Of a run's time, kept for the models that stand in."""


class NoProviderLeft(AgentRunError):
    """None of the models could be asked at the moment: their providers rest after failures, or are busy."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model by its configured name, ready to be asked."""

    name: str
    model: Model

    @property
    def provider(self) -> str:
        return provider_of(self.name)

    @property
    def remote(self) -> bool:
        return self.name != LOCAL_MODEL


@dataclass(frozen=True, slots=True)
class Shared:
    """What all runs have in common, in this process and beyond."""

    platform: Platform
    breakers: Breakers
    slots: Slots
    cache: AnswerCache | None

    def provider(self, name: str) -> Provider:
        return Provider(name, self.platform, self.breakers, self.slots)


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a run calls models for. `deadline` is on the event loop's clock."""

    operation: str
    user_id: int
    config_version: int | None
    deadline: float


@dataclass(slots=True)
class _Question:
    messages: list[ModelMessage]
    settings: ModelSettings | None
    parameters: ModelRequestParameters


class _Next(Exception):
    """This model is done with; `error` is why, if a provider said so."""

    def __init__(self, error: Exception | None) -> None:
        self.error = error
        super().__init__()


@dataclass(init=False)
class ChainModel(FallbackModel):
    """Entering, leaving and preparing are the base's; whom to ask, when and how often is decided here."""

    _candidates: list[Candidate] = field(repr=False)
    _shared: Shared = field(repr=False)
    _purpose: Purpose = field(repr=False)
    _journal: Journal = field(repr=False)

    def __init__(self, candidates: Sequence[Candidate], shared: Shared, purpose: Purpose, journal: Journal) -> None:
        """At least one candidate, in the order in which they are to be asked."""
        super().__init__(*(candidate.model for candidate in candidates))
        self._candidates = list(candidates)
        self._shared = shared
        self._purpose = purpose
        self._journal = journal
        safety = shared.platform.safety
        self._pseudonyms = Pseudonyms(regions=safety.phone_regions) if safety.pseudonymise else None
        self._checks = OutputChecks(frozenset(host.lower() for host in safety.link_hosts), removed=journal.removed)

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Raises what the last provider answered, NoProviderLeft, or at once what a provider refuses for good."""
        last: Exception | None = None
        for position, candidate in enumerate(self._candidates, 1):
            prepared = candidate.model.prepare_messages(messages, model_request_parameters)
            question = _Question(prepared, model_settings, model_request_parameters)
            try:
                if not candidate.remote:
                    own = candidate.model.request(question.messages, question.settings, question.parameters)
                    answer = await self._asked(candidate, own)
                else:
                    answer = await self._ask_hidden(candidate, question, last=position == len(self._candidates))
            except _Next as done:
                last = done.error or last
            else:
                return self._checks.cleaned(answer, messages)
        raise last or NoProviderLeft("No provider can be asked at the moment.")

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,
    ) -> AsyncGenerator[StreamedResponse]:
        """The whole answer in one event: it is checked before anybody sees a part of it."""
        answer = await self.request(messages, model_settings, model_request_parameters)
        yield CompletedStreamedResponse(answer, model_request_parameters=model_request_parameters, replay_events=True)

    async def _ask_hidden(self, candidate: Candidate, question: _Question, *, last: bool) -> ModelResponse:
        if self._pseudonyms is None:
            return await self._ask_or_remember(candidate, question, personal=True, last=last)
        question.messages = self._pseudonyms.hide(question.messages)
        self._journal.hidden = self._pseudonyms.counts
        personal = bool(self._pseudonyms.counts)
        return self._pseudonyms.restore(await self._ask_or_remember(candidate, question, personal=personal, last=last))

    async def _ask_or_remember(
        self, candidate: Candidate, question: _Question, *, personal: bool, last: bool
    ) -> ModelResponse:
        cache = self._shared.cache
        if cache is None:
            return await self._ask_remote(candidate, question, last=last)
        purpose = self._purpose
        scope = CacheScope(
            purpose.operation, candidate.name, purpose.config_version, purpose.user_id if personal else None
        )
        key = cache_key(scope, question.messages, question.settings, question.parameters)
        started = time.perf_counter()
        answer = await cache.get(key)
        if answer is not None:
            self._note(candidate, "answered", started, from_cache=True)
            return answer
        answer = await self._ask_remote(candidate, question, last=last)
        await cache.put(key, answer)
        return answer

    async def _ask_remote(self, candidate: Candidate, question: _Question, *, last: bool) -> ModelResponse:
        limits = self._shared.platform.limits(candidate.provider)
        error: Exception | None = None
        for attempt in range(1, limits.attempts + 1):
            left = self._left(last=last)
            if left <= 0:
                self._note(candidate, "skipped", reason="no_time")
                raise _Next(error)
            try:
                return await self._ask_once(candidate, question, limits, left)
            except _Next as done:
                raise _Next(done.error or error) from None
            except (ModelAPIError, ModelTimeoutError) as failure:
                if fault_of(failure) is Fault.REFUSED:
                    raise
                error = failure
                if fault_of(failure) is Fault.BROKEN or attempt == limits.attempts:
                    break
            pause = _pause(limits, attempt, error)
            if pause >= self._left(last=last):
                break
            await asyncio.sleep(pause)
        raise _Next(error)

    async def _ask_once(
        self, candidate: Candidate, question: _Question, limits: ProviderLimits, left: float
    ) -> ModelResponse:
        """Raises _Next when the provider may not be asked, or what it answers."""
        provider = self._shared.provider(candidate.provider)
        seconds = min(limits.request_seconds, left)
        try:
            async with provider.admitted(most=limits.request_seconds, seconds=seconds, wait_seconds=left, blame=_blame):
                return await self._asked(candidate, _within(candidate, question, seconds))
        except NotAdmitted as refusal:
            self._note(candidate, "skipped", reason=refusal.reason)
            raise _Next(None) from None

    async def _asked(self, candidate: Candidate, answering: Awaitable[ModelResponse]) -> ModelResponse:
        started = time.perf_counter()
        try:
            answer = await answering
        except AgentRunError as error:
            self._failed(candidate, error, started)
            raise
        self._answered(candidate, answer, started)
        return answer

    def _answered(self, candidate: Candidate, answer: ModelResponse, started: float) -> None:
        cost = price(candidate.name, answer.usage, self._shared.platform.prices)
        self._note(candidate, "answered", started, usage=answer.usage, cost_usd=cost)

    def _left(self, *, last: bool) -> float:
        reserve = 0.0 if last else RESERVE_SECONDS
        return self._purpose.deadline - asyncio.get_running_loop().time() - reserve

    def _failed(self, candidate: Candidate, error: AgentRunError, started: float) -> None:
        reason, status = described(error)
        # A provider that was cut off may have worked, and asks for its money; a refusal costs nothing.
        unknown = status is None and candidate.remote
        self._note(candidate, "failed", started, reason=reason, status=status, cost_usd=None if unknown else Decimal(0))
        log.warning("model_call_failed", model=candidate.name, reason=reason, status=status)

    def _note(
        self,
        candidate: Candidate,
        outcome: Any,
        started: float | None = None,
        *,
        usage: RequestUsage | None = None,
        **about: Any,
    ) -> None:
        used = usage or RequestUsage()
        self._journal.calls.append(
            ModelCall(
                model=candidate.name,
                provider=candidate.provider,
                outcome=outcome,
                seconds=0.0 if started is None else time.perf_counter() - started,
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                cached_tokens=used.cache_read_tokens,
                **about,
            )
        )


def _blame(error: Exception) -> Blame:
    if not isinstance(error, AgentRunError):
        return "nobody"
    return "request" if fault_of(error) is Fault.REFUSED else "provider"


async def _within(candidate: Candidate, question: _Question, seconds: float) -> ModelResponse:
    settings = question.settings or ModelSettings()
    if "max_retries" not in candidate.model.unsupported_settings:
        # The vendors' own clients are not to repeat: attempts are counted here.
        settings = {**settings, "max_retries": 0, "timeout": seconds}
    try:
        async with asyncio.timeout(seconds):
            return await candidate.model.request(question.messages, settings, question.parameters)
    except TimeoutError as error:
        raise ModelTimeoutError(candidate.name, f"no answer within {seconds:g} s") from error


def _pause(limits: ProviderLimits, attempt: int, error: Exception) -> float:
    """Longer where the provider says so."""
    asked_for = getattr(error, "retry_after", None) or 0.0
    return max(limits.rest(attempt), float(asked_for))
