import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from app.files.scanning.baseline import scan
from app.files.scanning.budget import Limits
from app.files.scanning.content import EICAR
from app.files.signatures import Group
from tests.files import samples


def nested(depth: int, content: bytes) -> bytes:
    for _ in range(depth):
        content = samples.zipped({"inner.zip": content})
    return content


def device() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        member = tarfile.TarInfo("disk")
        member.type = tarfile.BLKTYPE
        archive.addfile(member)
    return out.getvalue()


def linked_zip(target: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("a/link")
        entry.create_system, entry.external_attr = 3, 0o120777 << 16
        archive.writestr(entry, target)
    return out.getvalue()


PICTURE = samples.png("words")
MACROS = samples.zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"<w/>", "word/vbaProject.bin": b"x"})
BOMB = samples.zipped({"zeros": bytes(70 * 1024 * 1024)})

HARMFUL: list[tuple[str, Group, bytes, str]] = [
    ("eicar", "text", EICAR, "EICAR"),
    ("eicar inside", "archive", nested(2, EICAR), "EICAR|archive"),
    ("program", "binary", samples.MZ, "a DOS or Windows program"),
    ("program inside", "archive", samples.zipped({"setup.txt": samples.ELF}), "setup.txt"),
    ("path traversal", "archive", samples.zipped({"../../evil.txt": b"x"}), "leaves its folder"),
    ("windows traversal", "archive", samples.zipped({"..\\..\\evil.txt": b"x"}), "leaves its folder"),
    ("absolute path", "archive", samples.tarred({"/etc/cron.d/x": b"x"}), "leaves its folder"),
    ("drive", "archive", samples.zipped({"C:/x.txt": b"x"}), "leaves its folder"),
    ("link out of a tar", "archive", samples.tarred({}, links={"a/b": "../../etc"}), "link that leaves"),
    ("link out of a zip", "archive", linked_zip("../../etc/passwd"), "link that leaves"),
    ("device", "archive", device(), "device"),
    ("bomb", "archive", BOMB, "decompression bomb"),
    ("bomb in an archive", "archive", samples.zipped({"inner.zip": BOMB}), "decompression bomb"),
    ("too deep", "archive", nested(7, b"words"), "more than 5 deep"),
    ("picture and zip", "image", PICTURE + samples.zipped({"a.class": b"x"}), "image and ZIP"),
    ("picture and pdf", "image", b"\x89PNG\r\n\x1a\n%PDF-1.4\n%%EOF", "image and PDF"),
]


@pytest.mark.parametrize(("group", "content", "reason"), [row[1:] for row in HARMFUL], ids=[row[0] for row in HARMFUL])
def test_harm_is_found_and_named(tmp_path: Path, group: Group, content: bytes, reason: str) -> None:
    path = tmp_path / "object"
    path.write_bytes(content)
    harm = scan(path, group, Limits()).harm
    assert harm is not None
    assert any(part in harm for part in reason.split("|"))


HARMLESS: list[tuple[str, Group, bytes, list[str]]] = [
    ("picture", "image", PICTURE, []),
    ("text", "text", b"The EICAR string is not at the start: " + EICAR, []),
    ("document", "document", samples.docx("words"), []),
    ("macros are flagged", "document", MACROS, ["macros"]),
    ("a script inside is flagged", "archive", samples.zipped({"gradlew": b"#!/bin/sh\necho\n"}), ["script_inside"]),
    ("a link that stays", "archive", samples.tarred({"a/b": b"x"}, links={"a/c": "b"}), []),
    ("damaged", "archive", samples.zipped({"a": b"x"})[:30], ["partly_inspected"]),
    ("unknown archive", "archive", b"7z\xbc\xaf'\x1c" + bytes(50), ["archive_not_inspected"]),
    ("markup", "image", PICTURE + b"<script >", ["markup_in_picture"]),
    ("active pdf", "document", samples.pdf("x") + b"/JavaScript (x)", ["active_pdf"]),
]


@pytest.mark.parametrize(("group", "content", "flags"), [row[1:] for row in HARMLESS], ids=[row[0] for row in HARMLESS])
def test_what_is_only_worth_telling_is_flagged(tmp_path: Path, group: Group, content: bytes, flags: list[str]) -> None:
    path = tmp_path / "object"
    path.write_bytes(content)
    verdict = scan(path, group, Limits())
    assert (verdict.harm, verdict.flags) == (None, flags)


def test_macros_are_refused_where_the_policy_says_so(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(MACROS)
    assert "macros" in str(scan(path, "document", Limits(refuse_macros=True)).harm)


def test_a_spent_budget_is_told(tmp_path: Path) -> None:
    path = tmp_path / "object"
    path.write_bytes(samples.zipped({f"{number}": b"x" for number in range(9)}))
    assert scan(path, "archive", Limits(max_entries=3)).flags == ["partly_inspected"]


@pytest.mark.parametrize("name", sorted(["zipslip_zip-slip.zip", "zipslip_zip-slip.tar", "zipslip_zip-slip-win.zip",
                                         "zipslip_zip-slip-win.tar"]))  # fmt: skip
def test_published_archives_that_climb_out_are_harmful(name: str) -> None:
    assert "leaves its folder" in str(scan(samples.shared("hostile") / name, "archive", Limits()).harm)


def test_published_damaged_pictures_and_recordings_do_not_break_the_scan() -> None:
    groups: dict[str, Group] = {"images": "image", "hostile": "audio"}
    paths = sorted(path for path in samples.shared("hostile").rglob("*") if path.is_file())
    kept = [path for path in paths if not path.name.startswith("zipslip")]
    for path in kept:
        assert scan(path, groups[path.parent.name], Limits()).harm is None, path.name
