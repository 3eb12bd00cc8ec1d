"""`evidesk up` with small stand-ins for our own processes: `run_up.py [once] [broken]`, the rest by environment."""

import asyncio
import sys
from pathlib import Path

from rich.console import Console

from app.core.settings import Settings
from app.embedded.services import DOORS, WORKERS, Addresses
from app.embedded.up import Up

MODULES = {
    "api": ("tests.embedded.standin_api", DOORS),
    "mcp": ("tests.embedded.standin_mcp", DOORS),
}


async def sample(addresses: Addresses, data_dir: Path, console: Console) -> bool:
    console.print(f"a report for {addresses.http}")
    if "hanging" in sys.argv:
        await asyncio.sleep(60)
    return "incomplete" not in sys.argv


modules = MODULES | ({"worker": ("tests.embedded.standin_broken", WORKERS)} if "broken" in sys.argv else {})
up = Up(Settings(), Console(highlight=False, width=200), sample, once="once" in sys.argv, modules=modules)
if __name__ == "__main__":
    sys.exit(asyncio.run(up.run()))
