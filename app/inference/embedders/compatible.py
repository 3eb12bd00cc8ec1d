"""Any server that speaks OpenAI's protocol: "compatible:<endpoint>/<model>", the endpoint from the settings."""

from app.core.settings import Settings
from app.inference.embedders.wire import WireEmbedder
from app.inference.errors import ModelUnavailable


def build(model: str, settings: Settings) -> WireEmbedder:
    endpoint, _, of_endpoint = model.partition("/")
    found = settings.models.compatible.get(endpoint)
    if found is None:
        raise ModelUnavailable(f"There is no endpoint “{endpoint}”: name it in EVIDESK_MODELS__COMPATIBLE.")
    key = None if found.api_key is None else found.api_key.get_secret_value()
    return WireEmbedder(f"compatible:{model}", of_endpoint, base_url=found.base_url, api_key=key)
