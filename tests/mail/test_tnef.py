"""winmail.dat: its files are files of the mail; what is odd in it loses nothing."""

import struct
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from app.mail.parsing import tnef
from app.mail.parsing.mail import parse
from app.models.mail import MailAttachment
from tests.mail.conftest import MailDesk, letter
from tests.mail.tnef import BINARY, OBJECT, TEXT, attribute, file, pack, properties, wide

KEYWORDS = (TEXT, 0x8001, wide("printer"))
TWO = pack(
    attribute(1, 0x9003, properties(KEYWORDS, (TEXT, 0x1000, wide("Grüße.")))),
    file("Prüfung.txt", b"ERROR E-77", KEYWORDS, (TEXT, 0x370E, wide("text/plain"))),
    file("bild.png", b"\x89PNG\r\n"),
)


def mailed(content: bytes, text: str = "See the files.") -> bytes:
    mail = letter(text)
    mail.add_attachment(content, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    return bytes(mail)


def named(content: bytes, text: str = "See the files.") -> list[str | None]:
    return [one.filename for one in parse(mailed(content, text)).attachments]


def test_the_files_in_it_take_its_place() -> None:
    read = parse(mailed(TWO))
    assert [(one.filename, one.media_type, one.content) for one in read.attachments] == [
        ("Prüfung.txt", "text/plain", b"ERROR E-77"),
        ("bild.png", "application/octet-stream", b"\x89PNG\r\n"),
    ]
    assert (read.text, read.defects) == ("See the files.", ())


def test_its_words_are_the_mails_where_that_has_none() -> None:
    assert parse(mailed(TWO, text="")).text == "Grüße."
    html = pack(attribute(1, 0x9003, properties((BINARY, 0x1013, b"<p>Rich <b>words</b>."))))
    assert parse(mailed(html, text="")).text == "Rich words."
    assert parse(mailed(pack(attribute(1, 0x800C, b"Old words.\0")), text="")).text == "Old words."
    formatted = pack(attribute(1, 0x9003, properties((BINARY, 0x1009, b"LZFu"))))
    assert (named(formatted, text=""), named(formatted)) == (["winmail.dat"], [])


def test_files_of_a_mail_in_it_are_found_and_it_stays_for_the_words() -> None:
    inner = (OBJECT, 0x3701, b"i" * 16 + TWO)
    assert named(pack(file("A mail", b"", inner))) == ["Prüfung.txt", "bild.png", "winmail.dat"]
    for _ in range(10):
        inner = (OBJECT, 0x3701, b"i" * 16 + pack(file("A mail", b"", inner)))
    assert named(pack(file("A mail", b"", inner))) == ["winmail.dat"]


@pytest.mark.parametrize(
    "content",
    [
        TWO[:-9],
        TWO + b"more",
        TWO.replace(b"ERROR", b"error"),
        pack(file("Prüfung.txt", b"x"), attribute(2, 0x9005, struct.pack("<I", 2**32 - 1))),
        pack(file("Prüfung.txt", b"x"), attribute(2, 0x9005, properties((3, 1, struct.pack("<I", 1)))[:-2])),
        pack(file("Prüfung.txt", b"x"), attribute(2, 0x9005, struct.pack("<IHHI", 1, 0x1003, 1, 2**31))),
        pack(file("Prüfung.txt", b"x"), struct.pack("<BHHI", 2, 0x800F, 6, 2**32 - 1)),
        pack(file("Prüfung.txt", b"x"), attribute(2, 0x9002, b""), attribute(2, 0x8010, b"A link\0")),
    ],
    ids=["cut", "more", "checksum", "count", "property", "values", "length", "link"],
)
def test_what_is_odd_is_read_as_far_as_it_goes_and_stays(content: bytes) -> None:
    read = parse(mailed(content))
    assert read.attachments[0].filename == "Prüfung.txt"
    assert (read.attachments[-1].filename, read.attachments[-1].content) == ("winmail.dat", content)
    assert "TnefNotWhole" in read.defects


def test_what_only_calls_itself_so_stays_as_it_is() -> None:
    assert named(b"no tnef at all") == ["winmail.dat"]
    mail = letter()
    mail.add_attachment(TWO, maintype="application", subtype="octet-stream", filename="WINMAIL.DAT")
    mail.add_attachment(b"x" * 40, maintype="application", subtype="octet-stream", filename="other.dat")
    assert [one.filename for one in parse(bytes(mail)).attachments] == ["Prüfung.txt", "bild.png", "other.dat"]


def test_very_many_files_are_not_all_taken_apart() -> None:
    many = [file("a.txt", b"x")] * (tnef.FILES_MOST + 1)
    found = tnef.opened(pack(*many))
    assert (len(found.files), found.whole) == (tnef.FILES_MOST, False)
    mails = [file("A mail", b"", (OBJECT, 0x3701, b"i" * 16 + pack(*many[:150])))] * 3
    found = tnef.opened(pack(*mails))
    assert (len(found.files), found.whole) == (tnef.FILES_MOST, False)


def test_memory_is_not_taken_for_what_is_only_counted() -> None:
    numbers = struct.pack("<I", 40_000) + b"".join(struct.pack("<HHI", 3, n % 60_000, n) for n in range(40_000))
    hostile = pack(attribute(1, 0x9003, numbers), *[attribute(2, 0x9002, b"")] * 40_000)
    tracemalloc.start()
    found = tnef.opened(hostile)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (found.files, found.whole) == ([], False)
    assert peak < 1_000_000


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(TWO)), st.binary(min_size=1, max_size=8), st.integers(0, 20))
def test_nothing_in_it_makes_reading_fail(at: int, other: bytes, cut: int) -> None:
    changed = TWO[:at] + other + TWO[at + cut :]
    found = tnef.opened(changed)
    assert sum(len(one.content) for one in found.files) <= len(changed)
    if changed != TWO:
        names = [one.filename for one in parse(mailed(changed)).attachments]
        assert "winmail.dat" in names or found.whole


async def test_its_files_are_scanned_and_hung_like_others(desk: MailDesk) -> None:
    mail = letter("See the log.")
    content = pack(file("desk.log", b"ERROR E-77"), file("setup.exe", b"MZ\x90\x00"))
    mail.add_attachment(content, maintype="application", subtype="ms-tnef", filename="winmail.dat")
    await desk.drop(mail)
    async with desk.resources.db.session() as db:
        log, program = (await db.execute(select(MailAttachment).order_by(MailAttachment.position))).scalars().all()
    assert (log.filename, log.file_id is not None) == ("desk.log", True)
    assert (program.file_id, ".exe" in (program.refused or "")) == (None, True)
