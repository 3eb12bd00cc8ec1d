from pydantic import SecretStr

from app.inference.errors import ModelUnavailable


def revealed(secret: SecretStr | None, *, provider: str, variable: str) -> str:
    if secret is None or not secret.get_secret_value():
        raise ModelUnavailable(f"Models of “{provider}:” need an API key: set {variable}.")
    return secret.get_secret_value()
