"""The index that the settings name. Its library is loaded when it is wanted: see docs/decisions/0009."""

from importlib import import_module

from app.core.settings import Settings
from app.core.vectors.base import IndexUnavailable, VectorIndex

IN_DATABASE = "pgvector"


def open_index(settings: Settings) -> VectorIndex | None:
    """None: the database's own. Raises IndexUnavailable when the library is not installed or the address is missing."""
    given = settings.knowledge
    if given.index == IN_DATABASE:
        return None
    if not given.index_url:
        raise IndexUnavailable(f"EVIDESK_KNOWLEDGE__INDEX={given.index} needs EVIDESK_KNOWLEDGE__INDEX_URL.")
    try:
        module = import_module(f"app.core.vectors.{given.index}")
    except ModuleNotFoundError as error:
        raise IndexUnavailable(f"{given.index} needs the package {error.name}: install evidesk[vectors].") from error
    opened: VectorIndex = module.build(given)
    return opened
