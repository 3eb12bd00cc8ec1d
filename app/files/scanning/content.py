"""Harm that shows in the bytes of one file, outside an archive or in it: test virus, program, macros, two faces."""

import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.files.executables import executable_content, is_script
from app.files.sample import Sample
from app.files.scanning.budget import Harm
from app.files.scanning.verdict import Flag
from app.files.signatures import OLE_MAGIC, Group

EICAR: Final = b"X5O!P%@AP[4\\PZX54(P^)7CC)7}" + b"$EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The harmless string every scanner knows; in two pieces, so that none takes this module for infected."""

_VBA: Final = ("_VBA_PROJECT".encode("utf-16-le"), "_VBA_PROJECT_CUR".encode("utf-16-le"))
_MARKUP: Final = re.compile(rb"<(?:script|html|iframe|\?php)[\s>]", re.IGNORECASE)
_ACTIVE_PDF: Final = re.compile(rb"/(?:JavaScript|JS|Launch)\b")
_ONE_FACE: Final = frozenset({"image", "audio", "video"})
_PDF_HEAD: Final = 1024
_TAR_MAGIC: Final = slice(257, 262)
_BLOCK: Final = 1024 * 1024


def refuse_bytes(sample: Sample, name: str | None) -> Flag | None:
    """Raises Harm for the test virus and for programs; a script inside an archive is only flagged.

    `name` is the entry's inside an archive, already fit to be shown, and None for the uploaded file itself.
    """
    where = f" in {name}" if name else ""
    if sample.head.startswith(EICAR):
        raise Harm(f"EICAR test virus found{where}.")
    if name is not None and is_script(sample.head):
        return "script_inside"
    if (phrase := executable_content(sample)) is not None:
        raise Harm(f"The archive holds {phrase}: {name}." if name else f"The content is {phrase}.")
    return None


def ole_macros(path: Path, sample: Sample) -> bool:
    """Whether an OLE file (.doc, .xls, .ppt) has a Visual Basic project among its streams."""
    return sample.head.startswith(OLE_MAGIC) and any(mark in block for block in _blocks(path) for mark in _VBA)


def office_macros(entries: list[str]) -> bool:
    return any(entry.lower().rpartition("/")[2] in ("vbaproject.bin", "vbadata.xml") for entry in entries)


def refuse_two_faces(path: Path, group: Group, sample: Sample) -> None:
    """Raises Harm for what is a picture or recording to one program and an archive or a document to another."""
    if group in _ONE_FACE:
        if b"%PDF-" in sample.head[:_PDF_HEAD] and b"%%EOF" in sample.tail:
            raise Harm(f"The file is two things at once: {group} and PDF.")
        if sample.head[_TAR_MAGIC] == b"ustar":
            raise Harm(f"The file is two things at once: {group} and TAR archive.")
    if (group in _ONE_FACE or sample.head.startswith(b"%PDF-")) and _hides_zip(path):
        raise Harm(f"The file is two things at once: {group} and ZIP archive.")


def markup_in_picture(path: Path, group: Group) -> bool:
    """A browser that guessed the type would run it; it is served so that none guesses."""
    return group == "image" and any(_MARKUP.search(block) for block in _blocks(path))


def active_pdf(path: Path, sample: Sample) -> bool:
    """As far as it shows without decompressing object streams."""
    return sample.head.startswith(b"%PDF-") and any(_ACTIVE_PDF.search(block) for block in _blocks(path))


def _hides_zip(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as archive:
            # The end record alone may be chance; an entry whose own header stands where it should is not.
            return any(_opens(archive, entry) for entry in archive.infolist()[:3])
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, IndexError):
        return False


def _opens(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bool:
    try:
        archive.open(entry).close()
    except (zipfile.BadZipFile, RuntimeError, OSError, ValueError, NotImplementedError) as error:
        return isinstance(error, RuntimeError)  # encrypted, and therefore there
    return True


def _blocks(path: Path) -> Iterator[bytes]:
    """The file in blocks that overlap, so that no mark falls between two."""
    held = b""
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield held + block
            held = block[-64:]
