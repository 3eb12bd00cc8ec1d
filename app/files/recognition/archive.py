"""Archives are listed, never unpacked. A listing is bounded in entries and in bytes decompressed to make it."""

import bz2
import gzip
import lzma
import posixpath
import re
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from app.files.recognition.result import Hostile, Progress, Recognition, RecognitionSettings, Segment, Unreadable
from app.files.recognition.text import clean, decode

ENGINE: Final = "listing"
ENGINE_VERSION: Final = "1"
MAX_ENTRIES: Final = 10_000
MAX_RATIO: Final = 200
"""Text compresses 5 to 20 times; 200 on average over more than 64 MB is a bomb."""

_RATIO_FROM_BYTES: Final = 64 * 1024 * 1024
_STREAM_LIMIT: Final = 64 * 1024 * 1024
_ARCHIVE_ERRORS: Final = (
    zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, zlib.error, EOFError, OSError, ValueError,
    NotImplementedError, RuntimeError, IndexError,
)  # fmt: skip
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_COMPRESSORS: Final = ("gzip", "bzip2", "xz")


class Entry(NamedTuple):
    name: str
    size: int


class _Bounded:
    """Reads on until `limit` bytes came out, then refuses: a compressed stream does not say how long it is."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        self._stream, self._left = stream, limit

    def read(self, size: int = -1) -> bytes:
        if self._left <= 0:
            raise Hostile(f"The archive expands beyond {_STREAM_LIMIT // 2**20} MB; it was not read on.", "validation")
        wanted = self._left if size < 0 else min(size, self._left)
        chunk = self._stream.read(wanted)
        self._left -= len(chunk)
        return chunk


def recognise_archive(path: Path, label: str, *, settings: RecognitionSettings, progress: Progress) -> Recognition:
    """The list of what is inside; for a single compressed file (`app.log.gz`) its text.

    Raises:
        Hostile: an entry would be written outside its folder, or the archive is a decompression bomb.
        Unreadable: damaged.
    """
    progress("validation", 0.0, "Listing the archive")
    try:
        if label == "zip":
            with zipfile.ZipFile(path) as archive:
                check_zip(archive, settings.max_expanded_bytes * 20)
                return _listed([Entry(i.filename, i.file_size) for i in archive.infolist()], label, settings)
        if label == "tar":
            with path.open("rb") as plain:
                return _listed(list(_tar_entries(plain)), label, settings)
        if label in _COMPRESSORS:
            with _decompressed(path, label) as stream:
                return _compressed(stream, label, settings)
    except _ARCHIVE_ERRORS as error:
        raise Unreadable(f"The archive is damaged: {type(error).__name__}.", "validation") from error
    return _result("", [], {"format": label, "listed": False})


@contextmanager
def _decompressed(path: Path, label: str) -> Iterator[IO[bytes]]:
    with path.open("rb") as packed:
        match label:
            case "gzip":
                yield cast("IO[bytes]", gzip.GzipFile(fileobj=packed))
            case "bzip2":
                yield cast("IO[bytes]", bz2.BZ2File(packed))
            case _:
                with lzma.LZMAFile(packed) as stream:
                    yield cast("IO[bytes]", stream)


def check_zip(archive: zipfile.ZipFile, max_expanded: int) -> None:
    """Refuse a ZIP (an Office document is one) that would write elsewhere or expand without measure."""
    entries = archive.infolist()
    for entry in entries:
        _refuse_escape(entry.filename)
    expanded = sum(entry.file_size for entry in entries)
    packed = sum(entry.compress_size for entry in entries)
    if expanded > max_expanded or (expanded > _RATIO_FROM_BYTES and expanded > MAX_RATIO * max(1, packed)):
        raise Hostile(f"The archive expands from {packed:,} to {expanded:,} bytes: a decompression bomb.", "validation")


def _refuse_escape(name: str) -> None:
    plain = name.replace("\\", "/")
    if plain.startswith("/") or _DRIVE.match(plain) or posixpath.normpath(plain).startswith("../"):
        shown = clean(name)[:100]
        raise Hostile(f"The archive holds an entry that leaves its folder: {shown!r}.", "validation")


def _tar_entries(stream: IO[bytes]) -> Iterator[Entry]:
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for count, member in enumerate(archive):
            if count >= MAX_ENTRIES:
                return
            _refuse_escape(member.name)
            if member.issym() or member.islnk():
                target = member.linkname if member.islnk() else f"{posixpath.dirname(member.name)}/{member.linkname}"
                _refuse_escape(target.lstrip("/") if not member.linkname.startswith("/") else member.linkname)
            yield Entry(member.name, member.size)


def _compressed(stream: IO[bytes], label: str, settings: RecognitionSettings) -> Recognition:
    head = stream.read(512)
    stream.seek(0)
    bounded = _Bounded(stream, _STREAM_LIMIT)
    if head[257:262] == b"ustar":
        return _listed(list(_tar_entries(cast("IO[bytes]", bounded))), f"tar+{label}", settings)
    content = bounded.read(min(settings.max_chars, _STREAM_LIMIT))
    if b"\0" in content[:8192]:
        return _result("", [], {"format": label, "listed": False})
    text, charset = decode(content)
    segments = [Segment(text)] if text.strip() else []
    return _result(text, segments, {"format": label, "charset": charset, "truncated": bool(stream.read(1))})


def _listed(entries: list[Entry], label: str, settings: RecognitionSettings) -> Recognition:
    lines: list[Segment] = []
    left = settings.max_chars
    for entry in entries[:MAX_ENTRIES]:
        line = f"{clean(entry.name)} ({entry.size:,} bytes)"
        left -= len(line) + 1
        if left < 0:
            break
        lines.append(Segment(line))
    text = "\n".join(line.text for line in lines)
    return _result(
        text,
        lines[: settings.max_segments],
        {
            "format": label,
            "entries": len(entries),
            "expanded_bytes": sum(entry.size for entry in entries),
            "truncated": len(lines) < len(entries),
        },
    )


def _result(text: str, segments: list[Segment], metadata: dict[str, str | int | float | bool | None]) -> Recognition:
    return Recognition(
        analysis_type="archive",
        text=text,
        segments=segments,
        confidence=1.0 if text else None,
        engine=ENGINE,
        engine_version=ENGINE_VERSION,
        metadata=metadata,
    )
