"""Who is asked, how often, and who stands in: over real HTTP, in the words of each provider, failing as they fail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError
from pydantic_ai.exceptions import ModelHTTPError, ModelTimeoutError
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.settings import ModelSettings as Limits

from app.core.resources import Resources
from app.core.settings import ModelSettings, Settings
from app.core.settings.models import CompatibleEndpoint
from app.inference.assembly import ModelRoad
from app.inference.calls import Journal
from app.inference.chain import NoProviderLeft, Purpose
from app.inference.platform import Platform, effective
from app.inference.registry import resolve
from tests.factories.runs import serving
from tests.inference.speaking import Provider

FAST = {"attempts": 3, "backoff_seconds": 0.0, "backoff_max_seconds": 0.0, "request_seconds": 20, "concurrency": 4}
PRIMARY = "compatible:one/m"
ALL = [
    ("openai:gpt-4o", "responses"),
    ("anthropic:claude-sonnet-4-6", "messages"),
    ("azure:gpt-4o", "chat"),
    ("bedrock:amazon.nova-lite-v1:0", "converse"),
    (PRIMARY, "chat"),
]


def rules(**sections: Any) -> Platform:
    return effective({"providers": {"default": FAST}, "fallbacks": {}, **sections})


def standing_in(_messages: list[ModelMessage], _info: AgentInfo) -> ModelResponse:
    return ModelResponse(parts=[TextPart("From here.")])


class Road:
    """A chain's model for a question, with the journal of what was done."""

    def __init__(self, resources: Resources, settings: Settings) -> None:
        self.resources = resources
        self.settings = settings

    async def ask(
        self,
        name: str,
        *,
        platform: Platform | None = None,
        text: str = "Hello",
        operation: str = "categorize",
        user: int = 1,
        seconds: float = 30,
        **about: Any,
    ) -> tuple[str, Journal]:
        journal = Journal()
        try:
            return await self._asked(name, platform or rules(), text, operation, user, seconds, journal, about), journal
        except Exception as error:
            error.add_note(" ".join(f"{c.model}:{c.outcome}:{c.reason}:{c.status}" for c in journal.calls))
            raise

    async def _asked(
        self,
        name: str,
        platform: Platform,
        text: str,
        operation: str,
        user: int,
        seconds: float,
        journal: Journal,
        about: dict[str, Any],
    ) -> str:
        r = self.resources
        road = ModelRoad(self.settings, platform, r.breakers, r.slots, r.redis, self._resolve, **about)
        purpose = Purpose(operation, user, 1, asyncio.get_running_loop().time() + seconds)
        async with road.model(name, purpose, journal) as model:
            messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(text)])]
            answer = await model.request(messages, Limits(max_tokens=1000), ModelRequestParameters())
        (part,) = answer.parts
        assert isinstance(part, TextPart)
        return part.content

    @staticmethod
    def _resolve(name: str, settings: Settings) -> Model:
        return FunctionModel(standing_in) if name == "local" else resolve(name, settings)


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
async def road(resources: Resources, provider: Provider, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Road]:
    async with serving(provider.app()) as address:
        for name, value in (
            ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address),
            ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE"),
            ("AWS_SECRET_ACCESS_KEY", "example"),
        ):
            monkeypatch.setenv(name, value)
        settings = resources.settings.model_copy(
            update={
                "openai_api_key": SecretStr("k"),
                "anthropic_api_key": SecretStr("k"),
                "models": ModelSettings(
                    openai_base_url=f"{address}/v1",
                    anthropic_base_url=address,
                    bedrock_region="eu-central-1",
                    azure_endpoint=address,
                    azure_api_key=SecretStr("k"),
                    compatible={
                        "one": CompatibleEndpoint(base_url=f"{address}/v1"),
                        "nowhere": CompatibleEndpoint(base_url="http://127.0.0.1:9/v1", api_key=SecretStr("k")),
                    },
                ),
            }
        )
        yield Road(resources, settings)


@pytest.mark.parametrize(("name", "protocol"), ALL, ids=[protocol for _, protocol in ALL[:-1]] + ["compatible"])
async def test_every_provider_is_asked_again_after_what_passes(
    road: Road, provider: Provider, name: str, protocol: str
) -> None:
    provider.faults = [503, 429]
    said, journal = await road.ask(name)
    assert said == "Done."
    assert [kind for kind, _ in provider.asked] == [protocol] * 3
    assert [(call.outcome, call.status) for call in journal.calls] == [
        ("failed", 503),
        ("failed", 429),
        ("answered", None),
    ]
    assert journal.calls[-1].input_tokens == 1000


@pytest.mark.parametrize("status", [400, 422])
async def test_what_is_refused_for_its_own_sake_is_asked_once_and_of_nobody_else(
    road: Road, provider: Provider, status: int
) -> None:
    provider.faults = [status] * 5
    with pytest.raises(ModelHTTPError):
        await road.ask(PRIMARY, platform=rules(fallbacks={"default": ["local"]}))
    assert len(provider.asked) == 1
    assert (await road.resources.breakers.report("compatible/one")).failures == 0


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_provider_that_answers_nobody_here_is_asked_once_and_the_next_stands_in(
    road: Road, provider: Provider, status: int
) -> None:
    provider.faults = [status] * 5
    said, journal = await road.ask(PRIMARY, platform=rules(fallbacks={"default": ["local"]}))
    assert (said, len(provider.asked), journal.answered_by) == ("From here.", 1, "local")


async def test_the_chain_is_gone_through_in_its_order(road: Road, provider: Provider) -> None:
    provider.faults = [500] * 3
    chain = rules(fallbacks={"categorize": ["compatible:nowhere/m", "anthropic:claude-sonnet-4-6"], "default": []})
    said, journal = await road.ask("openai:gpt-4o", platform=chain)
    assert said == "Done."
    by_provider = [(call.provider, call.outcome) for call in journal.calls]
    assert by_provider == [
        *[("openai", "failed")] * 3,
        *[("compatible/nowhere", "failed")] * 3,
        ("anthropic", "answered"),
    ]
    lost = journal.calls[3]
    assert (lost.reason, lost.cost_usd) == ("connection", None)
    assert journal.unpriced == 3


async def test_a_slow_answer_is_given_up_and_its_cost_is_not_known(road: Road, provider: Provider) -> None:
    provider.faults = [10.0, 10.0]
    impatient = rules(providers={"default": {**FAST, "request_seconds": 0.2, "attempts": 2}})
    with pytest.raises(ModelTimeoutError) as raised:
        await road.ask(PRIMARY, platform=impatient)
    assert raised.value.__notes__ == [f"{PRIMARY}:failed:timeout:None {PRIMARY}:failed:timeout:None"]


async def test_the_runs_time_bounds_all_attempts(road: Road, provider: Provider) -> None:
    provider.faults = [10.0] * 3
    said, journal = await road.ask(PRIMARY, platform=rules(fallbacks={"default": ["local"]}), seconds=3.3)
    assert said == "From here."
    assert [call.reason for call in journal.calls] == ["timeout", None]


async def test_a_provider_may_say_how_long_to_wait_and_a_rest_too_long_is_not_waited_for(
    road: Road, provider: Provider
) -> None:
    provider.faults, provider.retry_after = [429], "3600"
    said, journal = await road.ask(PRIMARY, platform=rules(fallbacks={"default": ["local"]}))
    assert said == "From here."
    assert [call.reason for call in journal.calls] == ["rate_limit", None]


async def test_after_enough_failures_nobody_asks_until_the_rest_is_over(road: Road, provider: Provider) -> None:
    provider.faults = [500] * 10
    careful = rules(breaker={"failures": 4, "window_seconds": 60, "open_seconds": 60})
    with pytest.raises(ModelHTTPError):
        await road.ask(PRIMARY, platform=careful)
    with pytest.raises(ModelHTTPError):
        await road.ask(PRIMARY, platform=careful)
    assert len(provider.asked) == 4
    with pytest.raises(NoProviderLeft) as raised:
        await road.ask(PRIMARY, platform=careful)
    assert raised.value.__notes__ == [f"{PRIMARY}:skipped:breaker_open:None"]
    await road.resources.breakers.reset("compatible/one")
    provider.faults = []
    assert (await road.ask(PRIMARY, platform=careful))[0] == "Done."


async def test_a_provider_whose_slots_are_taken_is_passed_over(road: Road, provider: Provider) -> None:
    narrow = rules(
        providers={"default": {**FAST, "concurrency": 1, "wait_seconds": 0}}, fallbacks={"default": ["local"]}
    )
    async with road.resources.slots.hold("compatible/one", limit=1, seconds=60, wait_seconds=0):
        said, journal = await road.ask(PRIMARY, platform=narrow)
    assert (said, journal.calls[0].reason, provider.asked) == ("From here.", "busy", [])


async def test_over_budget_the_local_model_does_the_work(road: Road, provider: Provider) -> None:
    said, journal = await road.ask(PRIMARY, over_budget=True)
    assert (said, provider.asked) == ("From here.", [])
    assert [(call.model, call.reason) for call in journal.calls] == [(PRIMARY, "budget"), ("local", None)]


async def test_a_cost_is_by_the_installations_own_prices_and_said_to_be_unknown_without_one(road: Road) -> None:
    _, unknown = await road.ask(PRIMARY)
    priced = rules(prices={PRIMARY: {"input": 2.0, "output": 10.0}}, cache={"ttl_seconds": 0, "operations": []})
    _, known = await road.ask(PRIMARY, platform=priced)
    assert (unknown.unpriced, float(unknown.cost_usd)) == (1, 0.0)
    assert known.unpriced == 0
    assert float(known.cost_usd) == pytest.approx(0.003)


async def test_a_remote_model_sees_placeholders_and_the_answer_has_the_values_again(
    road: Road, provider: Provider
) -> None:
    provider.reply = lambda asked: "Call [PHONE_1] of [EMAIL_1]" if "[EMAIL_1]" in asked else "?"
    said, journal = await road.ask(PRIMARY, text='{"user_input": "I am ada@example.com, +44 20 7946 0958"}')
    assert said == "Call +44 20 7946 0958 of ada@example.com"
    assert "ada@example.com" not in str(provider.asked)
    assert dict(journal.hidden) == {"email": 1, "phone": 1}


async def test_links_that_no_source_names_and_secrets_do_not_leave(road: Road, provider: Provider) -> None:
    provider.text = "See https://evil.example/x and https://good.example/y; sk-abcdefghijklmnop1234"
    said, journal = await road.ask(PRIMARY, text="It is at good.example")
    assert said == "See [link removed] and https://good.example/y; [redacted]"
    assert dict(journal.removed) == {"link": 1, "secret": 1}


KEEPING = {"cache": {"ttl_seconds": 60, "operations": ["categorize"]}}


@pytest.mark.parametrize(
    ("first", "second", "asked"),
    [
        ({}, {}, 1),
        ({}, {"user": 2}, 1),
        ({"text": "ada@example.com"}, {"text": "ada@example.com"}, 1),
        ({"text": "ada@example.com"}, {"text": "ada@example.com", "user": 2}, 2),
        ({}, {"text": "Other"}, 2),
        ({"operation": "triage"}, {"operation": "triage"}, 2),
    ],
    ids=["again", "others", "own personal data", "never others' personal data", "other question", "not kept"],
)
async def test_an_answer_is_given_again_to_whom_it_may_be(
    road: Road, provider: Provider, first: dict[str, Any], second: dict[str, Any], asked: int
) -> None:
    await road.ask(PRIMARY, platform=rules(**KEEPING), **first)
    said, journal = await road.ask(PRIMARY, platform=rules(**KEEPING), **second)
    assert (said, len(provider.asked)) == ("Done.", asked)
    assert journal.calls[-1].from_cache is (asked == 1)


async def test_many_at_once_lose_nothing_and_keep_to_the_limit(road: Road, provider: Provider) -> None:
    provider.faults = [503, 0.05, 429, 0.05, 0.02] * 4
    careful = rules(
        breaker={"failures": 1000, "window_seconds": 60, "open_seconds": 60},
        cache={"ttl_seconds": 0, "operations": []},
        providers={"default": {**FAST, "attempts": 10}},
    )
    answers = await asyncio.gather(*(road.ask(PRIMARY, platform=careful) for _ in range(20)))
    assert [said for said, _ in answers] == ["Done."] * 20
    assert len(provider.asked) == sum(len(journal.calls) for _, journal in answers) == 28


@pytest.mark.parametrize(
    "wrong",
    [
        {"fallbacks": {"default": ["local", "openai:gpt-4o"]}},
        {"fallbacks": {"nothing": []}},
        {"fallbacks": {"default": ["nobody:x"]}},
        {"prices": {"gpt": {"input": 1, "output": 1}}},
        {"prices": {"openai:gpt-4o": {"input": -1, "output": 1}}},
        {"costs": {"alert_at": 0.9, "stop_at": 0.5}},
        {"cache": {"operations": ["create_ticket"]}},
        {"safety": {"phone_regions": ["QQ"]}},
        {"breaker": {"failures": 0}},
        {"unknown": {}},
    ],
    ids=str,
)
def test_a_rule_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        effective(wrong)
