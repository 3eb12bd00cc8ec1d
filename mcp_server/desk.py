"""What the tools of one server process share: its open resources."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from app.core.resources import Resources, open_resources
from app.core.settings import Settings


class Desk:
    """Given resources it uses them; given settings it opens its own for as long as the server runs."""

    def __init__(self, source: Resources | Settings) -> None:
        self._settings = source if isinstance(source, Settings) else source.settings
        self._resources = None if isinstance(source, Settings) else source

    @property
    def resources(self) -> Resources:
        if self._resources is None:
            raise RuntimeError("the server has not been started")
        return self._resources

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        if self._resources is not None:
            yield
            return
        async with open_resources(self._settings) as self._resources:
            yield
        self._resources = None
