import os
import pickle
import struct
from pathlib import Path

import pytest

from app.files.content_type import ContentType, EmptyContent, identify
from app.files.sample import HEAD_BYTES, TAIL_BYTES, Sample, Sampler
from tests.files import samples


def typed(content: bytes, *, filename: str | None = None, declared: str | None = None) -> ContentType:
    return identify(Sample.of_bytes(content), filename=filename, declared=declared)


def ole(root_class: bytes, *, shift: int = 9, directory: int = 0) -> bytes:
    header = bytearray(512)
    header[:8] = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
    struct.pack_into("<H", header, 30, shift)
    struct.pack_into("<I", header, 48, directory)
    return bytes(header) + bytes(80) + root_class + bytes(500)


INSTALLER = bytes.fromhex("84100c0000000000c000000000000046")


@pytest.mark.parametrize(
    ("content", "mime", "group"),
    [
        (samples.png("x"), "image/png", "image"),
        (samples.encoded(samples.drawn("x"), "JPEG"), "image/jpeg", "image"),
        (samples.encoded(samples.drawn("x"), "GIF"), "image/gif", "image"),
        (samples.encoded(samples.drawn("x"), "BMP"), "image/bmp", "image"),
        (samples.encoded(samples.drawn("x"), "TIFF"), "image/tiff", "image"),
        (samples.encoded(samples.drawn("x"), "WEBP"), "image/webp", "image"),
        (samples.encoded(samples.drawn("x"), "AVIF"), "image/avif", "image"),
        (samples.wav(samples.tone(0.1)), "audio/wav", "audio"),
        (b"ID3\4\0" + bytes(50), "audio/mpeg", "audio"),
        (b"\xff\xfb\x90\x64" + bytes(400), "audio/mpeg", "audio"),
        (b"\xff\xf1\x50\x80" + bytes(50), "audio/aac", "audio"),
        (b"OggS\0\2" + bytes(50), "audio/ogg", "audio"),
        (b"fLaC\0\0\0\x22" + bytes(50), "audio/flac", "audio"),
        (b"#!AMR\n" + bytes(50), "audio/amr", "audio"),
        (b"FORM\0\0\0\x40AIFFCOMM" + bytes(50), "audio/aiff", "audio"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42" + bytes(50), "audio/mp4", "audio"),
        (b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(50), "video/mp4", "video"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  " + bytes(50), "video/quicktime", "video"),
        (b"\0\0\0\x18ftyp3gp4\0\0\0\0isom3gp4" + bytes(50), "video/3gpp", "video"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(50), "image/heic", "image"),
        (b"\x1aE\xdf\xa3\x9f\x42\x82\x84webm" + bytes(50), "video/webm", "video"),
        (b"\x1aE\xdf\xa3\x9f\x42\x82\x88matroska" + bytes(50), "video/x-matroska", "video"),
        (b"RIFF\0\0\0\0AVI LIST" + bytes(50), "video/x-msvideo", "video"),
        (samples.pdf("hello"), "application/pdf", "document"),
        (samples.docx("hello"), "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "document"),
        (samples.odt("hello"), "application/vnd.oasis.opendocument.text", "document"),
        (b"{\\rtf1\\ansi hello}", "application/rtf", "document"),
        (samples.zipped({"a.txt": b"a"}), "application/zip", "archive"),
        (samples.zipped({}), "application/zip", "archive"),
        (samples.tarred({"a.txt": b"a"}), "application/x-tar", "archive"),
        (b"\x1f\x8b\x08" + bytes(50), "application/gzip", "archive"),
        (b"7z\xbc\xaf'\x1c" + bytes(50), "application/x-7z-compressed", "archive"),
        (b"hello this is a report about the printer on floor two\n", "text/plain", "text"),
        (b"x", "text/plain", "text"),
        ("größer als sonst\n".encode("utf-16"), "text/plain", "text"),
        ("Der Drucker im Büro druckt größer als sonst\n".encode("latin-1"), "text/plain", "text"),
        (b"From: a@b.example\r\nSubject: hi\r\nDate: today\r\n\r\nbody\r\n", "message/rfc822", "document"),
        (b"SQLite format 3\0" + bytes(100), "application/vnd.sqlite3", "binary"),
        (ole(bytes(16)), "application/x-ole-storage", "document"),
    ],
)  # fmt: skip
def test_a_type_is_told_by_content(content: bytes, mime: str, group: str) -> None:
    found = typed(content)
    assert (found.mime, found.group, found.executable) == (mime, group, False)


def test_a_lying_content_type_is_resolved_to_what_the_content_is() -> None:
    found = typed(b"just a line of text\n", filename="photo.png", declared="image/png")
    assert (found.mime, found.group, found.executable) == ("text/plain", "text", False)


def test_a_picture_called_text_is_a_picture() -> None:
    assert typed(samples.png("x"), filename="notes.txt", declared="text/plain").mime == "image/png"


def test_random_bytes_have_no_type_and_are_not_an_executable() -> None:
    found = typed(b"\x91" + os.urandom(2000), filename="photo.png", declared="image/png")
    assert not found.executable
    assert found.group in ("binary", "archive")  # random bytes now and then look like a disk image


def test_short_binaries_and_odd_texts_are_told_apart_by_their_characters() -> None:
    assert typed("größer\n".encode("utf-16-be"), filename="a").group in ("text", "binary")
    assert typed(b"\xef\xbb\xbfwith a mark").group == "text"
    assert typed(b"\xff\xfeh\0i\0").group == "text"
    assert typed(pickle.dumps([{"name": "x", "at": n} for n in range(200)])).group == "binary"
    assert typed(bytes(range(1, 9)) * 3).group == "binary"


def test_an_empty_file_has_no_type() -> None:
    with pytest.raises(EmptyContent):
        typed(b"", filename="a.txt")


@pytest.mark.parametrize(
    "content",
    [
        samples.MZ,
        samples.ELF,
        b"\xfe\xed\xfa\xcf" + bytes(30),
        b"\xcf\xfa\xed\xfe" + bytes(30),
        b"\xca\xfe\xba\xbe\0\0\0\2" + bytes(30),
        b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(30),
        b"\0asm\1\0\0\0" + bytes(30),
        b"dex\n035\0" + bytes(30),
        b"CWS\x0a" + bytes(30),
        b"\xa7\r\r\n"[:2] + b"\r\n" + bytes(20),
        b"L\0\0\0\1\x14\2\0\0\0\0\0\xc0\0\0\0\0\0\0F" + bytes(30),
        b"ITSF\3\0\0\0" + bytes(30),
        b"Cr24\3\0\0\0" + bytes(30),
        b"!<arch>\ndebian-binary   1" + bytes(30),
        b"\xed\xab\xee\xdb\3\0" + bytes(30),
        b"#!/bin/sh\nrm -rf /\n",
        b"\xef\xbb\xbf#! /usr/bin/env python3\nprint()\n",
        b"@echo off\r\ndel *.*\r\n",
        ole(INSTALLER),
        samples.zipped({"META-INF/MANIFEST.MF": b"Manifest-Version: 1.0", "Main.class": b"\xca\xfe\xba\xbe"}),
        samples.zipped({"AndroidManifest.xml": b"\3\0", "classes.dex": b"dex\n035"}),
        samples.zipped({"AppxManifest.xml": b"<Package/>", "app.bin": b"x"}),
    ],
)
def test_an_executable_is_refused_by_content_whatever_it_is_called(content: bytes) -> None:
    found = typed(content, filename="holiday.png", declared="image/png")
    assert found.executable
    assert found.reason.startswith("the content is ")


@pytest.mark.parametrize(
    "name",
    [
        "setup.exe", "lib.DLL", "run.bat", "run.cmd", "old.com", "i.msi", "saver.scr", "s.ps1", "s.vbs", "a.jar",
        "s.sh", "a.apk", "page.hta", "x.js", "link.lnk", "report.pdf.exe", "a.exe.", "a.exe ", "a.exe\0.png",
        "a.exe::$DATA", "photo\u202egnp.exe", "../../a.exe",
    ],
)  # fmt: skip
def test_an_executable_is_refused_by_name(name: str) -> None:
    found = typed(b"harmless text\n", filename=name)
    assert found.executable
    assert found.reason.startswith("the name ends in .")


@pytest.mark.parametrize(
    "declared",
    [
        "application/x-msdownload", "application/X-DOSEXEC", "application/x-sh; charset=utf-8", "text/javascript",
        "application/java-archive", "application/vnd.android.package-archive", "application/x-elf",
        "application/vnd.microsoft.portable-executable",
    ],
)  # fmt: skip
def test_an_executable_is_refused_by_declared_type(declared: str) -> None:
    found = typed(b"harmless text\n", filename="a.txt", declared=declared)
    assert found.executable
    assert found.reason.startswith("the declared type ")


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'2026-11-21 ERROR crash\n  File "a.py", line 3, in <module>\n    import os\n', "app.log"),
        (b"Steps:\n#!/bin/sh\nrm -rf /tmp/x\n@echo off\n", "steps.txt"),
        (b"MZ-100 fails to boot\n", "note.txt"),
        (b"FWS is our firewall\n", "note.txt"),
        (b"import os\nprint(os.getcwd())\n", "snippet.py"),
        (b"<html><body><script>alert(1)</script></body></html>", "page.html"),
        (samples.zipped({"tool.exe": samples.MZ, "readme.txt": b"hi"}), "bundle.zip"),
        (samples.zipped({"META-INF/MANIFEST.MF": b"", "notes.txt": b"hi"}), "bundle.zip"),
    ],
)
def test_what_merely_contains_code_is_allowed(content: bytes, name: str) -> None:
    assert not typed(content, filename=name).executable


@pytest.mark.parametrize(
    ("name", "mime"),
    [
        ("app.log", "text/plain"),
        ("rows.csv", "text/csv"),
        ("data.json", "application/json"),
        ("readme.md", "text/markdown"),
        ("noname", "text/plain"),
    ],
)
def test_among_kinds_of_text_the_name_is_believed(name: str, mime: str) -> None:
    assert typed(b"one two three four five\nsix seven eight nine\n", filename=name).mime == mime


def test_a_legacy_office_file_is_a_document() -> None:
    assert typed(ole(bytes(16), shift=5)).group == "document"
    assert typed(ole(bytes(16), directory=99999)).group == "document"


def test_a_sample_taken_while_streaming_is_the_sample_of_the_file(tmp_path: Path) -> None:
    content = os.urandom(HEAD_BYTES + 3 * TAIL_BYTES + 17)
    path = tmp_path / "large"
    path.write_bytes(content)
    sampler = Sampler()
    for start in range(0, len(content), 50_000):
        sampler.feed(content[start : start + 50_000])
    streamed = sampler.sample()
    assert streamed == Sample.of_path(path) == Sample.of_bytes(content)
    assert streamed.joined() == content[:HEAD_BYTES] + content[-TAIL_BYTES:]
    assert streamed.at(len(content) - 5, 5) == content[-5:]
    assert streamed.at(HEAD_BYTES + 10, 4) == b""
    assert Sample.of_bytes(content[:100]).joined() == content[:100]


def test_a_jar_is_told_by_its_directory_at_the_end_of_a_large_file() -> None:
    entries = {"padding.bin": os.urandom(400_000), "META-INF/MANIFEST.MF": b"x", "Main.class": b"y"}
    assert typed(samples.zipped(entries), filename="photos.zip").executable


def test_hostile_pictures_are_pictures_and_archives_archives() -> None:
    folder = samples.shared("hostile")
    for path in sorted((folder / "images").glob("*.png")):
        assert identify(Sample.of_path(path), filename=path.name).mime == "image/png", path.name
    for path in folder.glob("*.zip"):
        assert identify(Sample.of_path(path), filename=path.name).mime == "application/zip"
