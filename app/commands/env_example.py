"""Write .env.example from the settings themselves: every name, its default, what it is for."""

from collections.abc import Iterator
from pathlib import Path

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app.core.settings import Settings

HEAD = """\
# Every setting of Evidesk, with its default. Copy this file to .env and change what you need; the environment wins.
# Written by `make env-example`; a test keeps it in step with app/core/settings.
"""
# These have names of their own instead of the prefix.
PLAIN_NAMES = {"database_url": "DATABASE_URL", "redis_url": "REDIS_URL"}
# The compose file reads these; the product itself does not.
COMPOSE = """
# --- compose.yml only: passwords of the containers it starts ---
# POSTGRES_PASSWORD=
# REDIS_PASSWORD=
"""


def render() -> str:
    fields = Settings.model_fields.items()
    flat = [line for name, field in fields if not _is_group(field) for line in _flat(name, field)]
    groups = [line for name, field in fields if _is_group(field) for line in _group(name, field)]
    return "\n".join([HEAD, *flat, *groups]) + "\n" + COMPOSE


def _is_group(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def _flat(name: str, field: FieldInfo) -> Iterator[str]:
    yield from _setting(PLAIN_NAMES.get(name, f"EVIDESK_{name.upper()}"), field)


def _group(name: str, field: FieldInfo) -> Iterator[str]:
    yield f"\n# --- {name} ---"
    group = field.annotation
    if isinstance(group, type) and issubclass(group, BaseModel):
        for inner, described in group.model_fields.items():
            yield from _setting(f"EVIDESK_{name.upper()}__{inner.upper()}", described)


def _setting(name: str, field: FieldInfo) -> Iterator[str]:
    if field.description:
        yield f"# {field.description}"
    default = "" if field.default is None else field.get_default(call_default_factory=True)
    yield f"# {name}={default}"


def main() -> None:
    Path(".env.example").write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
