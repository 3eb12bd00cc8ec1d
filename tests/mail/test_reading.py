"""Odd and hostile mail: read as far as it goes, in bounded time, and never an exception that nobody named."""

import random
from email.message import EmailMessage

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.mail.parsing.authentication import authenticated
from app.mail.parsing.folding import fold
from app.mail.parsing.kinds import kind_of
from app.mail.parsing.mail import ParsedMail, parse
from app.mail.parsing.structure import Unreadable
from app.mail.parsing.texts import decoded, text_of_html
from app.models.mail import MailKind
from tests.mail.conftest import SUPPORT, letter

OWN = frozenset([SUPPORT])


def raw(*lines: str | bytes) -> bytes:
    return b"\r\n".join(line if isinstance(line, bytes) else line.encode() for line in lines)


def with_parts() -> bytes:
    mail = letter("The plain words.")
    mail.add_alternative("<p>The <b>rich</b> words.</p>", subtype="html")
    mail.add_attachment(b"%PDF-1.4", maintype="application", subtype="pdf", filename="bill.pdf")
    inner = EmailMessage()
    inner["Subject"] = "Inner"
    inner.set_content("Forwarded words.")
    mail.add_attachment(inner)
    return bytes(mail)


def test_a_mail_with_everything_is_read() -> None:
    read = parse(with_parts())
    assert read.text == "The plain words."
    assert [(one.filename, one.media_type) for one in read.attachments] == [
        ("bill.pdf", "application/pdf"),
        ("Inner.eml", "message/rfc822"),
    ]
    assert b"Forwarded words." in read.attachments[1].content
    assert (read.from_address, read.from_name, read.recipients) == ("ada@example.org", "Ada", (SUPPORT,))


def test_html_alone_becomes_text_and_nothing_is_loaded() -> None:
    read = parse(
        raw(
            "From: a@b.example",
            "Content-Type: text/html; charset=utf-8",
            "",
            "<style>p{}</style><p>Hä?<p>See <img src='http://127.0.0.1:9/x'> this<script>alert(1)</script>"
            "<div>On 1 May Bo wrote:<blockquote>old</blockquote></div>",
        )
    )
    assert read.text == "Hä?\n\nSee this\n\nOn 1 May Bo wrote:\n> old"
    assert read.folded.visible == "Hä?\n\nSee this"


@pytest.mark.parametrize(
    ("charset", "content", "text"),
    [
        ("utf-8", b"Gr\xfc\xdfe", "Grüße"),
        ("no-such-thing", "Grüße".encode(), "Grüße"),
        ("gb2312", "你好".encode("gb18030"), "你好"),
        ("us-ascii", "Grüße".encode(), "Grüße"),
        ("punycode", b"a-b", "a-b"),
        ("unicode_escape", b"\\x41", "\\x41"),
        ("utf-16", b"\x00", ""),
        (None, b"a\x00b\x1bc\x81", "abc�"),
    ],
)
def test_text_is_read_whatever_charset_it_claims(charset: str | None, content: bytes, text: str) -> None:
    assert decoded(content, charset) == text


@pytest.mark.parametrize(
    "content",
    [
        raw("From: a@b.example", "Content-Transfer-Encoding: base64", "", "aGVsbG8", "###"),
        raw("From: a@b.example", "Content-Transfer-Encoding: quoted-printable", "", "hello=ZZ=", "=3"),
        raw("From: a@b.example", "Content-Transfer-Encoding: uuencode", "", "begin 666 x", "garbage"),
        raw("From: a@b.example", "Content-Transfer-Encoding: whatever", "", "hello"),
        raw("From: a@b.example", "Content-Type: multipart/mixed; boundary=b", "", "hello"),
        raw("From: a@b.example", "Content-Type: multipart/mixed; boundary=b", "", "--b", "", "hello"),
        raw("From: a@b.example", "Content-Type: ; ;=;", "", "hello"),
        raw("From: a@b.example", "Content-Disposition: =", "", "hello"),
    ],
)
def test_broken_encodings_and_structures_lose_no_words(content: bytes) -> None:
    read = parse(content)
    assert read.from_address == "a@b.example"
    assert "hello" in read.text or "garbage" in read.text


def test_a_mail_without_a_message_id_gets_one_from_its_bytes() -> None:
    content = raw("From: a@b.example", "", "hello")
    assert not parse(content).has_id
    assert parse(content).message_id == parse(content).message_id != parse(content + b"!").message_id


@pytest.mark.parametrize(
    "content",
    [
        b"From: a@b.example\r\nX: " + b"y" * 10_000_000 + b"\r\nSubject: s\r\n\r\nhi",
        b"From: a@b.example\r\nX: a\r\n" + b" y\r\n" * 300_000 + b"Subject: s\r\n\r\nhi",
        b"From: a@b.example\r\nContent-Type: text/plain; " + b";a=b" * 1_000_000 + b"\r\nSubject: s\r\n\r\nhi",
        b"X: y\r\n" * 100_000 + b"From: a@b.example\r\nSubject: s\r\n\r\nhi",
    ],
    ids=["one long", "folded", "parameters", "many"],
)
def test_headers_of_megabytes_are_cut_and_the_rest_is_read(content: bytes) -> None:
    read = parse(content)
    assert (read.from_address, read.subject, read.text) == ("a@b.example", "s", "hi")


def test_parts_within_parts_and_thousands_of_parts_end() -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(3000))
    assert parse(b"From: a@b.example\r\n" + nested + b"\r\nhi").from_address == "a@b.example"
    mails = b"Content-Type: message/rfc822\r\n\r\n" * 3000
    assert parse(b"From: a@b.example\r\n" + mails + b"\r\nhi").from_address == "a@b.example"
    parts = b"--b\r\n\r\nhello\r\n" * 5000
    many = parse(b"From: a@b.example\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" + parts + b"--b--")
    assert "TooManyParts" in many.defects
    assert text_of_html("<div>" * 20_000 + "deep") == "deep"


def test_a_winmail_is_an_attachment() -> None:
    mail = letter("See there.")
    mail.add_attachment(b"\x78\x9f\x3e\x22", maintype="application", subtype="ms-tnef", filename="winmail.dat")
    assert [one.filename for one in parse(bytes(mail)).attachments] == ["winmail.dat"]


def test_two_authors_are_none() -> None:
    assert parse(raw("From: a@b.example, c@d.example", "", "x")).from_address is None
    assert parse(raw("From: a@b.example", "From: c@d.example", "", "x")).from_address is None
    assert parse(raw("From: a@b@c", "", "x")).from_address is None


SEEDS = (with_parts(), bytes(letter()), raw("From: a@b.example", "Content-Type: text/html", "", "<p>hi"))


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(SEEDS)))
    rng = random.Random(draw(st.integers(0, 2**32)))
    for _ in range(draw(st.integers(0, 30))):
        at = rng.randrange(len(content) + 1)
        piece = draw(
            st.sampled_from(
                [b"\r\n", b"\n", b"\x00", b"\xff", b"=?utf-8?b?", b"?=", b";", b'"', b":", b"<", b">", b"--", b"=",
                 b"Content-Type: multipart/mixed; boundary=", b"charset*0*=utf-7''", b"filename*=", b"\xed\xa0\x80"]
            )
        )  # fmt: skip
        if rng.random() < 0.5:
            content[at:at] = piece
        else:
            del content[at : at + rng.randrange(1, 40)]
    return bytes(content)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(mutated() | st.binary(max_size=400))
def test_no_mutation_of_a_mail_raises_anything_unnamed(content: bytes) -> None:
    try:
        read = parse(content)
    except Unreadable:
        return
    everything = [read.text, read.subject, read.from_name, read.message_id, *read.references, read.folded.visible]
    assert not any("\x00" in text for text in everything)
    assert all(text.encode() is not None for text in everything)
    kind_of(read, envelope_from=None, own_addresses=OWN)
    authenticated(read, "mx.example")


QUOTES = [
    "On Wed, 25 Nov 2026 at 10:01, Support <s@desk.example> wrote:\n> old\n> words",
    "On Wed, 25 Nov 2026 at 10:01,\nSupport <s@desk.example>\nwrote:\n\n> old",
    "Am 25.11.2026 um 10:01 schrieb Support <s@desk.example>:\n> old",
    "El mié, 25 nov 2026 a las 10:01, Support (<s@desk.example>) escribió:\n> old",
    "Le mer. 25 nov. 2026 à 10:01, Support <s@desk.example> a écrit :\n> old",
    "Em qua., 25 de nov. de 2026 às 10:01, Support <s@desk.example> escreveu:\n> old",
    "-----Original Message-----\nFrom: Support\nold",
    "-----Ursprüngliche Nachricht-----\nVon: Support\nalt",
    "________________________________\nFrom: Support <s@desk.example>\nSent: Wednesday\nTo: Ada\nSubject: Re: x\n\nold",
    "Von: Support <s@desk.example>\nGesendet: Mittwoch\nAn: Ada\nBetreff: AW: x\n\nalt",
    "De : Support\nEnvoyé : mercredi\nÀ : Ada\nObjet : x\n\nvieux",
    "De: Support\nEnviado: miércoles\nPara: Ada\nAsunto: x\n\nviejo",
    "> old\n> older",
    "-- \nAda Lovelace\nAnalyst",
    "Sent from my iPhone",
]


@pytest.mark.parametrize("quote", QUOTES)
def test_what_is_repeated_is_folded(quote: str) -> None:
    assert fold(f"Thank you.\n\nIt works.\n\n{quote}\n").visible == "Thank you.\n\nIt works."


@pytest.mark.parametrize(
    "text",
    [
        "On Monday I wrote: it fails.\nPlease help.",
        "From: Berlin to Rome takes how long?\nThank you.",
        "> everything\n> is quoted",
        "FYI\n\n---------- Forwarded message ---------\nFrom: Bo <bo@example.org>\nDate: today\nTo: me\n\nThe bill.",
        "Steps:\n- one\n-- two\n- three",
    ],
)
def test_what_is_in_doubt_is_not_folded(text: str) -> None:
    shown = fold(text).visible
    assert shown == text or "Forwarded" in text


def test_an_answer_below_or_between_quotes_is_shown() -> None:
    text = "On 1 May 2026 Support wrote:\n> Which one?\n\nThe red one.\n\n> And where?\n\nUpstairs."
    assert fold(text).visible == "[…]\nThe red one.\n\n\n[…]\nUpstairs."


def judged(**headers: str) -> ParsedMail:
    return parse(bytes(letter(**headers)))


@pytest.mark.parametrize(
    ("mail", "envelope", "kind"),
    [
        (judged(), None, MailKind.MESSAGE),
        (judged(), "ada@example.org", MailKind.MESSAGE),
        (judged(), "", MailKind.AUTOMATIC),
        (judged(Return_Path="<>"), None, MailKind.AUTOMATIC),
        (judged(Auto_Submitted="auto-replied"), None, MailKind.AUTOMATIC),
        (judged(Auto_Submitted="no"), None, MailKind.MESSAGE),
        (judged(Precedence="bulk"), None, MailKind.AUTOMATIC),
        (judged(X_Auto_Response_Suppress="All"), None, MailKind.AUTOMATIC),
        (judged(List_Id="<news.example.org>"), None, MailKind.LIST),
        (judged(sender="MAILER-DAEMON@example.org"), None, MailKind.BOUNCE),
        (judged(sender="postmaster@example.org"), "", MailKind.BOUNCE),
        (judged(sender=SUPPORT), None, MailKind.OWN),
        (judged(X_Evidesk_Session="x"), None, MailKind.OWN),
    ],
)
def test_machines_are_told_from_people(mail: ParsedMail, envelope: str | None, kind: MailKind) -> None:
    assert kind_of(mail, envelope_from=envelope, own_addresses=OWN) is kind


@pytest.mark.parametrize(
    ("results", "proven"),
    [
        ("mx.desk.example; dmarc=pass (p=none) header.from=example.org", True),
        ("mx.desk.example; spf=pass smtp.mailfrom=x; dkim=pass header.d=example.org header.s=k", True),
        ("mx.desk.example; dkim=pass header.d=evil.example", False),
        ("mx.desk.example; spf=pass smtp.mailfrom=ada@example.org", False),
        ("mx.desk.example; dmarc=fail header.from=example.org", False),
        ("evil.example; dmarc=pass header.from=example.org", False),
        ("evil.example; x=y mx.desk.example; dmarc=pass header.from=example.org", False),
        ("", False),
    ],
)
def test_only_the_trusted_server_proves_a_sender(results: str, proven: bool) -> None:
    mail = judged(Authentication_Results=results) if results else judged()
    assert authenticated(mail, "mx.desk.example") is proven
    assert not authenticated(mail, None)


def test_only_the_topmost_word_of_the_trusted_server_counts() -> None:
    forged = raw(
        "Authentication-Results: mx.desk.example; dmarc=fail header.from=example.org",
        "Authentication-Results: mx.desk.example; dmarc=pass header.from=example.org",
        "From: ada@example.org",
        "",
        "x",
    )
    assert not authenticated(parse(forged), "mx.desk.example")
