from decimal import Decimal

import pytest
from pydantic import SecretStr
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.bedrock import BedrockConverseModel
from pydantic_ai.models.openai import OpenAIResponsesModel
from pydantic_ai.usage import RequestUsage, RunUsage

from app.core.settings import ModelSettings, Settings
from app.inference.errors import ModelUnavailable, UnknownModel
from app.inference.local.model import LocalModel
from app.inference.operations import Operation
from app.inference.pricing import price
from app.inference.registry import available, known_models, resolve


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Settings:
    """Settings of a machine without any credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", f"{tmp_path}/config")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", f"{tmp_path}/credentials")
    return Settings(_env_file=None)


def test_local_needs_no_credentials_and_says_what_it_is(bare: Settings) -> None:
    model = resolve("local", bare)

    assert isinstance(model, LocalModel)
    assert (model.model_name, model.system) == ("local", "evidesk")


@pytest.mark.parametrize(
    ("name", "missing"),
    [
        ("openai:gpt-4o", "OPENAI_API_KEY"),
        ("anthropic:claude-sonnet-4-5", "ANTHROPIC_API_KEY"),
        ("bedrock:amazon.nova-lite-v1:0", "AWS credentials"),
    ],
)
def test_a_model_without_credentials_is_unavailable_and_says_what_is_missing(
    bare: Settings, name: str, missing: str
) -> None:
    with pytest.raises(ModelUnavailable, match=missing):
        resolve(name, bare)
    assert not available(name, bare)


@pytest.mark.parametrize("name", ["", "gpt-4o", "openai:", "nobody:model", "LOCAL"])
def test_a_name_of_no_provider_is_refused(bare: Settings, name: str) -> None:
    with pytest.raises(UnknownModel, match="local"):
        resolve(name, bare)
    assert not available(name, bare)


def test_an_empty_key_counts_as_none(bare: Settings) -> None:
    with pytest.raises(ModelUnavailable):
        resolve("openai:gpt-4o", bare.model_copy(update={"openai_api_key": SecretStr("")}))


def test_keys_and_addresses_come_from_the_settings(bare: Settings) -> None:
    settings = bare.model_copy(
        update={
            "openai_api_key": SecretStr("one"),
            "anthropic_api_key": SecretStr("two"),
            "models": ModelSettings(openai_base_url="http://127.0.0.1:9/v1", anthropic_base_url="http://127.0.0.1:8"),
        }
    )

    openai, anthropic = resolve("openai:gpt-4o", settings), resolve("anthropic:claude-sonnet-4-5", settings)

    assert isinstance(openai, OpenAIResponsesModel)
    assert isinstance(anthropic, AnthropicModel)
    assert openai.model_name == "gpt-4o"
    assert str(openai.client.base_url).startswith("http://127.0.0.1:9/v1")
    assert str(anthropic.client.base_url).startswith("http://127.0.0.1:8")
    assert available("openai:gpt-4o", settings)


def test_bedrock_uses_the_credentials_that_boto3_finds(bare: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
    with pytest.raises(ModelUnavailable, match="region"):
        resolve("bedrock:amazon.nova-lite-v1:0", bare)

    settings = bare.model_copy(update={"models": ModelSettings(bedrock_region="eu-central-1")})
    model = resolve("bedrock:amazon.nova-lite-v1:0", settings)

    assert isinstance(model, BedrockConverseModel)
    assert model.model_name == "amazon.nova-lite-v1:0"


def test_the_known_models_begin_with_local_and_name_each_provider() -> None:
    known = known_models()

    assert known[0] == "local"
    assert {name.partition(":")[0] for name in known[1:]} == {"anthropic", "bedrock", "openai"}


def test_the_local_model_costs_nothing() -> None:
    assert price("local", RunUsage(input_tokens=10_000, output_tokens=10_000), {}) == Decimal(0)


@pytest.mark.parametrize("name", ["openai:gpt-4o", "anthropic:claude-sonnet-4-5", "bedrock:amazon.nova-lite-v1:0"])
def test_a_known_model_has_a_price_that_grows_with_its_use(name: str) -> None:
    little, much = price(name, RequestUsage(input_tokens=100), {}), price(name, RequestUsage(input_tokens=10_000), {})

    assert little is not None
    assert much is not None
    assert 0 < little < much


def test_a_model_without_a_known_price_has_none() -> None:
    assert price("openai:no-such-model-here", RunUsage(input_tokens=1), {}) is None


def test_operations_are_their_wire_names() -> None:
    assert Operation("create_ticket") is Operation.CREATE_TICKET
