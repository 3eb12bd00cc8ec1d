"""Archives, entry by entry and into one another, within a budget. Nothing is ever written where an entry says.

ZIP (Office documents are ZIPs), TAR, gzip, bzip2, xz and combinations are opened. Others (7z, RAR, …) are not, and
said not to have been.
"""

import bz2
import gzip
import lzma
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final, cast

from app.files.sample import HEAD_BYTES, Sample
from app.files.scanning.budget import MEBIBYTE, Budget, Harm, Spent
from app.files.scanning.content import office_macros, refuse_bytes
from app.files.scanning.entry import escapes, link_escapes, shown
from app.files.scanning.verdict import Flag
from app.files.signatures import binary_format

_OPENED: Final = frozenset({"zip", "docx", "xlsx", "pptx", "odt", "ods", "odp", "epub", "tar"})
_COMPRESSED: Final = frozenset({"gzip", "bzip2", "xz"})
_DAMAGED: Final = (
    zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError,
    NotImplementedError, IndexError,
)  # fmt: skip
"""What the readers raise on damaged input. That is no harm: who reads the file later says that it is damaged."""

_IN_MEMORY: Final = 16 * MEBIBYTE
_BLOCK: Final = 256 * 1024
_LONGEST_LINK: Final = 4096


def inspect(stream: IO[bytes], sample: Sample, budget: Budget, *, depth: int = 0) -> set[Flag]:
    """Look through the archive that `stream` is; an empty set at once when it is none.

    Raises:
        Harm: an entry escapes, is a program, or expands without measure; archives lie too deep in one another.
    """
    known = binary_format(sample)
    if known is None or known.label not in _OPENED | _COMPRESSED:
        return {"archive_not_inspected"} if known is not None and known.group == "archive" else set()
    if depth > budget.limits.max_depth:
        raise Harm(f"Archives lie in one another more than {budget.limits.max_depth} deep.")
    flags: set[Flag] = set()
    try:
        if known.label in _COMPRESSED:
            _compressed(stream, known.label, sample.size, budget, depth, flags)
        elif known.label == "tar":
            _tar(stream, sample.size, budget, depth, flags)
        else:
            _zip(stream, budget, depth, flags)
    except Spent:
        flags.add("partly_inspected")
    except _DAMAGED:
        flags.add("partly_inspected")
    return flags


def _zip(stream: IO[bytes], budget: Budget, depth: int, flags: set[Flag]) -> None:
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
        for entry in entries:
            # The name as it was stored: the library cuts it at a NUL.
            if escapes(entry.orig_filename):
                raise Harm(f"The archive holds an entry that leaves its folder: {shown(entry.orig_filename)}.")
        packed, expanded = sum(e.compress_size for e in entries), sum(e.file_size for e in entries)
        budget.refuse_bomb(packed, expanded)
        if office_macros([entry.filename for entry in entries]):
            flags.add("macros")
        for entry in entries:
            if entry.is_dir():
                continue
            budget.entry()
            if entry.flag_bits & 1:
                flags.add("encrypted_entries")
                continue
            with archive.open(entry) as content:
                if stat.S_ISLNK(entry.external_attr >> 16):
                    _refuse_link(entry.filename, content.read(_LONGEST_LINK).decode("utf-8", "replace"))
                else:
                    _entry(content, entry.filename, entry.file_size, budget, depth, flags)


def _tar(stream: IO[bytes], size: int, budget: Budget, depth: int, flags: set[Flag]) -> None:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        expanded = 0
        for member in archive:
            budget.entry()
            if escapes(member.name):
                raise Harm(f"The archive holds an entry that leaves its folder: {shown(member.name)}.")
            if member.issym():
                _refuse_link(member.name, member.linkname)
            elif member.islnk() and escapes(member.linkname):
                raise Harm(f"The archive holds a link that leaves its folder: {shown(member.linkname)}.")
            elif member.isdev():
                raise Harm(f"The archive holds a device: {shown(member.name)}.")
            # A sparse entry is larger than what is stored of it.
            expanded += member.size
            budget.refuse_bomb(size, expanded)
            if member.isfile() and (content := archive.extractfile(member)) is not None:
                _entry(content, member.name, member.size, budget, depth, flags)


def _compressed(stream: IO[bytes], label: str, packed: int, budget: Budget, depth: int, flags: set[Flag]) -> None:
    """One stream; it does not say how long it becomes, so it is counted while it comes out."""
    with _decompressor(stream, label) as content:
        _entry(content, f"the {label} stream", None, budget, depth, flags, packed=packed)


@contextmanager
def _decompressor(stream: IO[bytes], label: str) -> Iterator[IO[bytes]]:
    match label:
        case "gzip":
            yield cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
        case "bzip2":
            yield cast("IO[bytes]", bz2.BZ2File(stream))
        case _:
            with lzma.LZMAFile(stream) as content:
                yield content


def _entry(
    content: IO[bytes],
    name: str,
    size: int | None,
    budget: Budget,
    depth: int,
    flags: set[Flag],
    *,
    packed: int | None = None,
) -> None:
    """Its first bytes, and all of it where it is an archive again or where its length must be counted."""
    head = content.read(HEAD_BYTES)
    budget.expanded(len(head))
    sample = Sample(head, head, size if size is not None else len(head))
    if (flag := refuse_bytes(sample, shown(name))) is not None:
        flags.add(flag)
    known = binary_format(sample)
    inner = known is not None and known.label in _OPENED | _COMPRESSED
    if known is not None and known.group == "archive" and not inner:
        flags.add("archive_not_inspected")
    if not inner and packed is None:
        return
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as copy:
        total = len(head)
        if inner:
            copy.write(head)
        while block := content.read(_BLOCK):
            total += len(block)
            if packed is not None:
                budget.refuse_bomb(packed, total)
            budget.expanded(len(block))
            if inner:
                copy.write(block)
        if inner:
            flags |= _again(cast("IO[bytes]", copy), budget, depth + 1)


def _again(copy: IO[bytes], budget: Budget, depth: int) -> set[Flag]:
    sample = Sample.of_stream(copy)
    # A JAR or an app package shows only in the whole: its directory is at its end.
    if (flag := refuse_bytes(sample, "an archive inside")) is not None:
        return {flag}
    copy.seek(0)
    return inspect(copy, sample, budget, depth=depth)


def _refuse_link(name: str, target: str) -> None:
    if link_escapes(name, target):
        raise Harm(f"The archive holds a link that leaves its folder: {shown(name)} to {shown(target)}.")
