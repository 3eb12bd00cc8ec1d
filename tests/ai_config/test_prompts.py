import httpx2
import pytest

from app.ai_config.prompts import VARIABLES, problem, rendered, variables
from app.core.resources import Resources
from app.core.settings import AgentSettings

SUPPORT = "/api/v1/ai-config/customer_support"


def test_variables_are_put_in_once_and_what_they_hold_is_not_expanded(resources: Resources) -> None:
    settings = resources.settings.model_copy(update={"agents": AgentSettings(company="{{tools}} & Söhne")})
    values = variables(settings, {"create_ticket", "analyze_file"})
    assert set(values) == set(VARIABLES)
    prompt = "For {{company}}: {{ tools }}. {{categories}} {{teams}} {{priorities}} {{today}} {not} }} {{unknown}}"
    text = rendered(prompt, values)
    assert text.startswith("For {{tools}} & Söhne: analyze_file, create_ticket. general, bug, ")
    assert "low, medium, high, critical 20" in text
    assert text.endswith("{not} }} {{unknown}}")


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("Hello {{customer}} and {{ticket}}.", "there is no variable {{customer}}, {{ticket}}; there are {{company}}"),
        ("Hello {{company.", "begins a variable that is not closed"),
        ("Hello {{ company | upper }}.", "begins a variable"),
        ("{{{{company}}}}", "begins a variable"),
    ],
)
async def test_a_prompt_with_a_variable_that_is_none_is_refused(
    desk: httpx2.AsyncClient, prompt: str, words: str
) -> None:
    assert words in (problem(prompt) or "")
    answer = await desk.put(SUPPORT, json={"system_prompt": prompt})
    assert (answer.status_code, answer.json()["code"]) == (400, "config_invalid")
    assert answer.json()["detail"].startswith("system_prompt: ")
    assert words in answer.json()["detail"]
    tried = await desk.post(f"{SUPPORT}/test", json={"config": {"system_prompt": prompt}, "input": "x"})
    assert tried.status_code == 400


async def test_a_prompt_with_known_variables_and_json_is_accepted(desk: httpx2.AsyncClient) -> None:
    prompt = 'You work for {{company}}. Answer like {"a": {"b": 1}}.'
    assert problem(prompt) is None
    assert (await desk.put(SUPPORT, json={"system_prompt": prompt})).status_code == 200


@pytest.mark.parametrize("name", ["openai:gpt-5-turbolent", "anthropic:claude-sonet-4-6"])
async def test_a_model_that_its_vendor_is_not_known_to_serve_is_refused(desk: httpx2.AsyncClient, name: str) -> None:
    answer = await desk.put(SUPPORT, json={"model": name})
    assert answer.status_code == 400
    assert "is not known to serve" in answer.json()["detail"]
    assert "EVIDESK_MODELS__ALSO_KNOWN" in answer.json()["detail"]


@pytest.mark.parametrize("name", ["openai:gpt-5", "anthropic:claude-sonnet-4-6", "azure:our-own", "compatible:x/y"])
async def test_a_known_model_and_any_name_behind_ones_own_address_is_accepted(
    desk: httpx2.AsyncClient, name: str
) -> None:
    assert (await desk.put(SUPPORT, json={"model": name})).status_code == 200
