"""Names and links inside archives: whether unpacking them would write outside the folder."""

import posixpath
import re
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:")


def escapes(name: str) -> bool:
    """Absolute, on a Windows drive, or climbing out with `..`; backslashes count as slashes."""
    plain = name.replace("\\", "/")
    return plain.startswith("/") or _DRIVE.match(plain) is not None or climbs(plain)


def link_escapes(name: str, target: str) -> bool:
    """Whether a symbolic link called `name` leads out of the folder it is unpacked in."""
    plain = target.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain):
        return True
    return climbs(f"{posixpath.dirname(name.replace(chr(92), '/'))}/{plain}".lstrip("/"))


def climbs(plain: str) -> bool:
    normal = posixpath.normpath(plain)
    return normal == ".." or normal.startswith("../")


def shown(name: str) -> str:
    """An entry's name for a message: short, without control characters."""
    return repr("".join(char if char.isprintable() else "?" for char in name)[:100])
