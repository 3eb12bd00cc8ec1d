"""Whether an agent could run with a configuration. Every refusal names the value and says what is wrong with it."""

from difflib import get_close_matches
from typing import Any

from app.ai_config import prompts
from app.ai_config.catalogue import POLICIES, AgentType
from app.ai_config.errors import ConfigInvalid
from app.ai_config.schemas import ConfigValues
from app.core.settings import Settings
from app.inference.errors import UnknownModel
from app.inference.pricing import listed
from app.inference.registry import check_name, known_models
from app.models.agent import AiConfig

FIELDS = tuple(ConfigValues.model_fields)


def merged(base: AiConfig, values: dict[str, Any]) -> ConfigValues:
    """The base with some values replaced; raises ConfigInvalid if an agent of its type could not run with them.

    A model whose credentials are missing is accepted: they may be there on the machines that run it, or tomorrow.
    """
    candidate = ConfigValues.model_validate({name: getattr(base, name) for name in FIELDS} | values)
    policy = POLICIES[AgentType(base.agent_type)]
    chosen = candidate.tools_enabled
    if len(set(chosen)) != len(chosen):
        raise ConfigInvalid("tools_enabled: names a tool twice.")
    if foreign := sorted(set(chosen) - policy.allowed):
        allowed = ", ".join(sorted(policy.allowed))
        raise ConfigInvalid(f"tools_enabled: {base.agent_type} cannot use {', '.join(foreign)}; it may use: {allowed}.")
    if missing := sorted(policy.required - set(chosen)):
        raise ConfigInvalid(f"tools_enabled: {base.agent_type} cannot do its work without {', '.join(missing)}.")
    try:
        check_name(candidate.model)
    except UnknownModel as error:
        raise ConfigInvalid(f"model: {error.detail}") from error
    if wrong := prompts.problem(candidate.system_prompt):
        raise ConfigInvalid(f"system_prompt: {wrong}.")
    return candidate


def check_model(name: str, settings: Settings) -> None:
    """Raises ConfigInvalid for a model that its provider is not known to serve. Only the vendors' own services have a
    known list; at an address of one's own, and behind deployments, any name may be served."""
    provider, _, model = name.partition(":")
    own = {"openai": settings.models.openai_base_url, "anthropic": settings.models.anthropic_base_url}
    if provider not in own or own[provider] or not model or name in settings.models.also_known:
        return
    names = [known for known in known_models() if known.startswith(f"{provider}:")]
    if name in names or listed(name):
        return
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    hint = f" Close to it: {', '.join(near)}." if near else ""
    raise ConfigInvalid(
        f"model: {provider} is not known to serve “{model}”.{hint} If it does, name it in EVIDESK_MODELS__ALSO_KNOWN."
    )
