"""The port: a scanner that is asked in addition to the baseline."""

from collections.abc import AsyncIterator
from typing import Protocol

from app.core.settings import ScanSettings
from app.files.scanning.clamav import ClamAv
from app.files.scanning.verdict import Verdict


class Scanner(Protocol):
    async def version(self) -> str:
        """Program and signatures. Raises ScannerAway."""
        ...

    async def scan(self, chunks: AsyncIterator[bytes]) -> Verdict:
        """Looks at the whole stream. Raises ScannerAway when there is no verdict."""
        ...


def open_scanner(settings: ScanSettings) -> Scanner | None:
    """The configured scanner, None when there is only the baseline. Raises ValueError for an address that is none."""
    return ClamAv(settings.clamav, seconds=settings.clamav_seconds) if settings.clamav else None
