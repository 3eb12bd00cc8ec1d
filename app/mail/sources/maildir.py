"""A maildir, into which a local mail server, or anybody with a text editor, puts files."""

import asyncio
from pathlib import Path

from app.core.resources import Resources
from app.core.storage import StorageError
from app.mail.service.intake import Incoming, note_too_large, receive
from app.mail.service.keeping import note_look
from app.mail.sources.base import SourceAway, rested


class MaildirSource:
    """What lies in `new` is taken in and then moved to `cur`, as seen."""

    name = "maildir"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        settings = resources.settings
        self.root: Path = settings.mail.maildir or settings.data_dir / "mail" / "in"

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            await rested(stop, self._resources.settings.mail.poll_seconds)

    async def look(self) -> int:
        """How many were taken. Raises SourceAway."""
        try:
            names = await asyncio.to_thread(self._waiting)
            for name in names:
                await self._take(name)
        except OSError as error:
            raise SourceAway(f"The maildir {self.root} cannot be used ({error.strerror}).") from error
        except StorageError as error:
            raise SourceAway("The store takes no mail just now.") from error
        async with self._resources.db.unit_of_work() as db:
            await note_look(db, self.name, None)
        return len(names)

    def _waiting(self) -> list[str]:
        for folder in ("tmp", "new", "cur"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        # A link could lead out of the maildir.
        files = [path for path in (self.root / "new").iterdir() if path.is_file() and not path.is_symlink()]
        return [path.name for path in sorted(files, key=lambda path: (path.stat().st_mtime_ns, path.name))]

    async def _take(self, name: str) -> None:
        path = self.root / "new" / name
        size = (await asyncio.to_thread(path.stat)).st_size
        if size > self._resources.settings.mail.max_bytes:
            here = Incoming(self.name, f"{name}:{size}".encode(), ref=name)
            await note_too_large(self._resources, here, size=size)
        else:
            raw = await asyncio.to_thread(path.read_bytes)
            await receive(self._resources, Incoming(self.name, raw, ref=name))
        # Killed before this, it is taken again and known by its bytes.
        await asyncio.to_thread(path.replace, self.root / "cur" / f"{name.partition(':')[0]}:2,S")
