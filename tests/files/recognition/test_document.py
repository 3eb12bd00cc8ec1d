import io
import re
import zipfile
from pathlib import Path

import openpyxl  # type: ignore[import-untyped]  # ships no types
import pptx
import pypdfium2
import pytest

from app.files.recognition.document import recognise_document
from app.files.recognition.result import Hostile, RecognitionSettings, Unreadable
from app.files.recognition.rtf import rtf_text
from app.files.recognition.text import decode
from tests.files import samples
from tests.files.recognition.conftest import Read, Steps


def xlsx(**cells: str) -> bytes:
    book = openpyxl.Workbook()
    for place, value in cells.items():
        book.active[place] = value
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def slides(title: str) -> bytes:
    show = pptx.Presentation()
    slide = show.slides.add_slide(show.slide_layouts[5])
    slide.shapes.title.text = title
    out = io.BytesIO()
    show.save(out)
    return out.getvalue()


def locked_pdf() -> bytes:
    """A PDF that names an encryption dictionary nobody holds the password to."""
    encryption = b"/Encrypt << /Filter /Standard /V 1 /R 2 /O <%s> /U <%s> /P -4 >> /ID [<00> <00>] " % (
        b"ab" * 32,
        b"cd" * 32,
    )
    return re.sub(rb"/Root 1 0 R ", rb"/Root 1 0 R " + encryption, samples.pdf("secret"))


def test_a_pdf_is_read_page_by_page_from_its_text_layer(read: Read, steps: Steps) -> None:
    found = read(samples.pdf("First page here", "Second page there"))
    assert (found.analysis_type, found.engine) == ("document", "pdfium")
    assert [(segment.page, segment.text) for segment in found.segments] == [
        (1, "First page here"),
        (2, "Second page there"),
    ]
    assert found.confidence == 1.0
    assert ("ocr", 0.5, "Read page 1 of 2") in steps


def test_a_pdf_page_without_a_text_layer_is_read_by_ocr(read: Read) -> None:
    found = read(samples.scanned_pdf("SCANNED INVOICE", "Total 42.50"))
    assert "SCANNED INVOICE" in found.text
    assert "rapidocr" in found.engine
    assert found.segments[0].page == 1
    assert found.segments[0].box is not None
    assert found.metadata["pages_by_ocr"] == 1


def test_pages_with_and_without_a_text_layer_keep_their_numbers_and_order(read: Read, steps: Steps) -> None:
    whole = pypdfium2.PdfDocument.new()
    for part in (samples.pdf("Typed page"), samples.scanned_pdf("SCANNED PAGE"), samples.pdf("Last page")):
        whole.import_pages(pypdfium2.PdfDocument(part))
    out = io.BytesIO()
    whole.save(out)
    found = read(out.getvalue())
    assert [segment.page for segment in found.segments] == [1, 2, 3]
    assert found.text.splitlines() == ["Typed page", "SCANNED PAGE", "Last page"]
    assert (found.metadata["pages"], found.metadata["pages_by_ocr"]) == (3, 1)
    assert [message for _, _, message in steps if "page" in message] == [f"Read page {n} of 3" for n in (1, 2, 3)]


def test_a_pdf_that_is_one_tall_picture_is_read_in_parts(read: Read) -> None:
    lines = [f"Row {number} of the report" for number in range(1, 31)]
    tall = samples.encoded(samples.drawn(*lines, width=440), "PDF", resolution=150)
    assert read(tall, max_side=800).text.splitlines() == lines


def test_an_empty_pdf_page_is_a_finished_recognition(read: Read) -> None:
    found = read(samples.pdf(""))
    assert (found.text, found.segments) == ("", [])


def test_a_pdf_is_read_up_to_its_limits(read: Read) -> None:
    pages = samples.pdf("First page here", "Second page there", "Third")
    by_pages = read(pages, max_pages=2)
    assert by_pages.metadata["pages_read"] == 2
    assert by_pages.metadata["truncated"] is True
    by_chars = read(pages, max_chars=10)
    assert by_chars.text == "First page"
    assert by_chars.metadata["truncated"] is True
    assert len(read(pages, max_segments=1).segments) == 1


def test_a_damaged_pdf_is_unreadable(read: Read) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read(b"%PDF-1.7\nnothing else")


def test_a_locked_pdf_says_that_it_has_a_password(read: Read) -> None:
    with pytest.raises(Unreadable, match="password"):
        read(locked_pdf())


def test_a_pdf_none_of_whose_pages_load_is_unreadable(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise pypdfium2.PdfiumError("Failed to load page.")

    monkeypatch.setattr(pypdfium2.PdfDocument, "__getitem__", broken)
    with pytest.raises(Unreadable, match="No page"):
        read(samples.pdf("one"))


@pytest.mark.parametrize(
    ("content", "name", "expected"),
    [
        (samples.docx("Router rebooted", "Error 651"), "a.docx", "Error 651"),
        (xlsx(A1="host", B1="state", A2="web-1", B2="down"), "a.xlsx", "web-1"),
        (slides("Outage review"), "a.pptx", "Outage review"),
        (samples.odt("Libre words"), "a.odt", "Libre words"),
        (b"<html><head><title>T</title></head><body><h1>Outage</h1><p>since 9</p></body></html>", "a.html", "# Outage"),
        (b"{\\rtf1\\ansi Caf\\'e9 {\\b bold}\\par next}", "a.rtf", "Café bold\nnext"),
    ],
)
def test_a_document_becomes_text(read: Read, content: bytes, name: str, expected: str) -> None:
    found = read(content, name=name)
    assert found.analysis_type == "document"
    assert expected in found.text
    assert found.confidence == 1.0


def test_a_mail_becomes_its_headers_text_and_the_names_of_its_attachments(read: Read) -> None:
    found = read(
        b"From: a@b.example\r\nTo: c@d.example\r\nSubject: Printer\r\nDate: Sat, 21 Nov 2026 08:00:00 +0000\r\n"
        b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="x"\r\n\r\n'
        b"--x\r\nContent-Type: text/plain\r\n\r\nIt is on fire.\r\n"
        b"--x\r\nContent-Type: text/html\r\n\r\n<p>It is <b>on fire</b>.</p>\r\n"
        b"--x\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename=dump.bin\r\n\r\n"
        b"AAAA\r\n--x\r\nContent-Type: image/png\r\n\r\nxx\r\n--x--\r\n",
        name="a.eml",
    )
    assert "Subject: Printer" in found.text
    assert "It is on fire." in found.text
    assert "Attachments: dump.bin" in found.text
    assert found.metadata["attachments"] == 1


def test_a_mail_without_body_or_end_is_read(read: Read) -> None:
    parts = b"".join(b"--x\r\nContent-Type: text/plain\r\n\r\npart\r\n" for _ in range(600))
    head = b"From: a@b.example\r\nSubject: s\r\nDate: d\r\nMIME-Version: 1.0\r\n"
    found = read(head + b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n' + parts, name="a.eml")
    assert 400 < found.text.count("part") < 600


def test_a_document_longer_than_the_limit_is_cut(read: Read) -> None:
    found = read(samples.docx("x" * 500), max_chars=100)
    assert len(found.text) == 100
    assert found.metadata["truncated"] is True


def test_a_document_without_words_is_a_finished_recognition(read: Read) -> None:
    found = read(samples.docx())
    assert (found.text, found.segments, found.confidence) == ("", [], None)


@pytest.mark.parametrize(
    "content",
    [
        samples.docx("whole")[:-100],
        samples.zipped({"[Content_Types].xml": b"<Types/>", "word/document.xml": b"broken"}),
        samples.zipped({"mimetype": b"application/vnd.oasis.opendocument.text", "x": b""}, stored_first=True),
        samples.zipped(
            {"mimetype": b"application/vnd.oasis.opendocument.text", "content.xml": b"<open"}, stored_first=True
        ),
    ],
)
def test_a_damaged_document_is_unreadable_with_a_reason(read: Read, content: bytes) -> None:
    with pytest.raises(Unreadable, match="damaged"):
        read(content)


def test_a_document_that_expands_without_measure_is_hostile(read: Read) -> None:
    with pytest.raises(Hostile, match="decompression bomb"):
        read(samples.docx("x" * 5_000_000), max_expanded_bytes=1_000_000)


def test_xml_that_declares_entities_is_hostile(read: Read) -> None:
    with pytest.raises(Hostile, match="document type"):
        read(samples.odt("&a;", prolog='<!DOCTYPE x [<!ENTITY a "lol">]>'))


def test_an_outlook_message_is_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=r"save it as \.eml"):
        recognise_document(tmp_path, "outlook", settings=RecognitionSettings(), progress=Steps())


@pytest.mark.parametrize(
    ("content", "name", "words", "analysis"),
    [
        (b"host,state\nweb-1,down\n", "a.csv", "web-1,down", "text"),
        (b"# Outage\n\n- since *nine*\n", "a.md", "# Outage", "text"),
        (
            b"<html><script>var x = 1</script><table><tr><td>web-1</td></tr></table></html>",
            "a.html",
            "web-1",
            "document",
        ),
        (samples.zipped({"logs/a.log": b"x"}), "a.zip", "logs/a.log (1 bytes)", "archive"),
    ],
)
def test_plain_formats_are_read(read: Read, content: bytes, name: str, words: str, analysis: str) -> None:
    found = read(content, name=name)
    assert (found.analysis_type, found.confidence) == (analysis, 1.0)
    assert words in found.text
    assert "var x" not in found.text


def test_a_mails_encoded_headers_and_forwarded_message_are_read(read: Read) -> None:
    found = read(
        b"From: =?utf-8?q?J=C3=BCrgen?= <j@b.example>\r\nTo: c@d.example\r\n"
        b"Subject: =?utf-8?b?RHJ1Y2tlciBmw6RsbHQgYXVz?=\r\n"
        b"Date: Sat, 21 Nov 2026 08:00:00 +0000\r\nMIME-Version: 1.0\r\n"
        b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n--x\r\n'
        b"Content-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\nGr=F6=DFer"
        b"\r\n--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: e@f.example\r\nSubject: inner\r\n\r\nForwarded words\r\n"
        b"--x--\r\n",
        name="a.eml",
    )
    assert "Jürgen" in found.text
    assert found.metadata["subject"] == "Drucker fällt aus"
    assert "Größer" in found.text
    assert "Forwarded words" in found.text


def test_a_legacy_office_file_is_refused_with_advice(read: Read) -> None:
    with pytest.raises(Unreadable, match="send it as PDF"):
        read(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600))


def test_a_notebook_is_read_as_text_or_cells(read: Read) -> None:
    cells = '{"cells":[{"cell_type":"markdown","metadata":{},"source":["# Analysis of the outage"]}],'
    found = read((cells + '"metadata":{},"nbformat":4,"nbformat_minor":5}').encode(), name="a.ipynb")
    assert "Analysis of the outage" in found.text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"{\\rtf1\\ansi\\ansicpg1251 \\'cf\\'f0}", "Пр"),
        (b"{\\rtf1\\ansicpg99999 \\'e9}", "é"),
        (b"{\\rtf1 \\u8364?\\u-10179?\\uc0\\u65 B}", "€\ufffdAB"),
        (b"{\\rtf1{\\fonttbl Arial;}{\\*\\generator Word;}seen}", "seen"),
        (b"{\\rtf1 a\\~b\\-c\\{d\\}\\emdash e}}}", "a\u00a0bc{d}—e"),
    ],
)
def test_rtf_escapes_become_characters(content: bytes, expected: str) -> None:
    assert rtf_text(content, 1000) == expected


def test_rtf_is_cut_at_the_limit() -> None:
    assert rtf_text(b"{\\rtf1 " + b"a\\par " * 1000 + b"}", 10) == "a\n" * 5


@pytest.mark.parametrize(
    ("content", "text", "charset"),
    [
        ("größe".encode(), "größe", "utf-8"),
        ("größe".encode("utf-8-sig"), "größe", "utf-8-sig"),
        ("größe".encode("utf-16"), "größe", "utf-16"),
        ("größe".encode("utf-32"), "größe", "utf-32"),
        ("größe".encode()[:-1] + "ß".encode()[:1], "größ", "utf-8"),
        (b"a\0b\x1bc\r\nd", "a\ufffdb\ufffdc\nd", "utf-8"),
    ],
)
def test_text_is_decoded_by_its_marks_and_cleaned(content: bytes, text: str, charset: str) -> None:
    assert decode(content) == (text, charset)


def test_text_in_a_single_byte_charset_is_guessed_with_less_confidence(read: Read) -> None:
    words = "Der Drucker im Büro druckt größer als sonst, täglich öfter.\n" * 20
    found = read(words.encode("cp1252"), name="a.txt")
    assert "größer" in found.text
    assert found.confidence == 0.9


def test_bytes_of_no_charset_are_replaced_not_refused() -> None:
    assert decode(b"\xff\xfe\xfd\x81\x8d")[0]
    assert decode(bytes(range(128, 256)))[0]


def test_text_longer_than_the_limit_is_cut(read: Read) -> None:
    found = read(b"line of a log\n" * 1000, name="a.log", max_chars=100)
    assert len(found.text) == 100
    assert found.metadata["truncated"] is True
    assert found.analysis_type == "text"


def test_blank_text_has_no_segments(read: Read) -> None:
    assert read(b"  \n \n", name="a.txt").segments == []


def test_content_of_no_known_kind_fails_with_a_reason(read: Read) -> None:
    with pytest.raises(Unreadable, match="No text can be taken"):
        read(b"SQLite format 3\0" + bytes(100))


def test_a_zip_directory_is_checked_before_a_document_is_opened() -> None:
    assert zipfile.is_zipfile(io.BytesIO(samples.docx("x")))
