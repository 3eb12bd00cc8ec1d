import bz2
import gzip
import lzma
import os

import pytest

from app.files.recognition import archive
from app.files.recognition.result import Hostile, Unreadable
from tests.files import samples
from tests.files.recognition.conftest import Read

LISTED = {"logs/app.log": b"line\n" * 10, "readme.txt": b"hello"}


@pytest.mark.parametrize(
    "content",
    [
        samples.zipped(LISTED),
        samples.tarred(LISTED),
        gzip.compress(samples.tarred(LISTED)),
        bz2.compress(samples.tarred(LISTED)),
        lzma.compress(samples.tarred(LISTED)),
    ],
)
def test_an_archive_is_listed_and_not_unpacked(read: Read, content: bytes) -> None:
    found = read(content)
    assert found.analysis_type == "archive"
    assert found.text == "logs/app.log (50 bytes)\nreadme.txt (5 bytes)"
    assert found.metadata["entries"] == 2
    assert found.metadata["expanded_bytes"] == 55


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
def test_a_single_compressed_log_gives_its_text(read: Read, pack: object) -> None:
    found = read(pack(b"2026-11-21 ERROR disk full\n" * 3))  # type: ignore[operator]
    assert found.text.startswith("2026-11-21 ERROR disk full")
    assert found.metadata["truncated"] is False


def test_a_long_compressed_log_is_cut(read: Read) -> None:
    found = read(gzip.compress(b"a line of a log\n" * 1000), max_chars=50)
    assert len(found.text) == 50
    assert found.metadata["truncated"] is True


def test_a_compressed_binary_and_an_unlisted_format_are_finished_without_text(read: Read) -> None:
    for content in (gzip.compress(bytes(5000)), gzip.compress(b" \n"), b"7z\xbc\xaf'\x1c" + bytes(100)):
        found = read(content)
        assert (found.segments, found.confidence if not found.text else None) == ([], None)


def test_an_empty_archive_is_a_finished_recognition(read: Read) -> None:
    assert read(samples.zipped({})).text == ""


@pytest.mark.parametrize(
    "name", ["../evil.txt", "a/../../evil.txt", "/etc/passwd", "..\\evil.txt", "C:\\evil.txt", "\\evil.txt"]
)
def test_an_entry_that_leaves_its_folder_is_hostile(read: Read, name: str) -> None:
    for content in (samples.zipped({name: b"x"}), samples.tarred({name: b"x"})):
        with pytest.raises(Hostile, match="leaves its folder"):
            read(content)


def test_a_link_that_leaves_its_folder_is_hostile(read: Read) -> None:
    for target in ("/etc/passwd", "../../etc/passwd"):
        with pytest.raises(Hostile, match="leaves its folder"):
            read(samples.tarred({}, links={"a/link": target}))
    assert "a/link" in read(samples.tarred({}, links={"a/link": "../b/file"})).text


def test_a_zip_bomb_is_hostile(read: Read) -> None:
    with pytest.raises(Hostile, match="decompression bomb"):
        read(samples.zipped({"zeros": bytes(80 * 1024 * 1024)}))


def test_a_compressed_tar_that_expands_without_end_is_hostile(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_STREAM_LIMIT", 100_000)
    with pytest.raises(Hostile, match="expands beyond"):
        read(gzip.compress(samples.tarred({"zeros": bytes(1_000_000), "after": b"x"})))


def test_a_listing_is_bounded(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    many = {f"file-{number:04}.txt": b"x" for number in range(50)}
    assert read(samples.zipped(many), max_chars=100).metadata["truncated"] is True
    monkeypatch.setattr(archive, "MAX_ENTRIES", 10)
    for content in (samples.zipped(many), samples.tarred(many)):
        assert len(read(content).segments) == 10


@pytest.mark.parametrize(
    "content",
    [
        samples.zipped({"a": os.urandom(500)})[:300],
        samples.tarred({"a": os.urandom(2000)})[:1000],
        gzip.compress(os.urandom(5000))[:1000],
        b"BZh9" + bytes(100),
        b"\xfd7zXZ\0" + bytes(100),
    ],
    ids=["zip", "tar", "gzip", "bzip2", "xz"],
)
def test_a_damaged_archive_is_unreadable(read: Read, content: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read(content)


def test_zip_slip_archives_are_hostile(read: Read) -> None:
    folder = samples.shared("hostile")
    for path in (*folder.glob("*.zip"), *folder.glob("*.tar")):
        with pytest.raises(Hostile):
            read(path)
