"""The process that takes mail in is killed in the middle of it."""

import asyncio
import smtplib

import pytest
from sqlalchemy import text

from app.embedded.process import free_port
from tests.faults.site import PATIENCE_SECONDS, Site

pytestmark = pytest.mark.timeout(400)
MAILS = 20


async def test_mail_in_a_maildir_is_there_once_though_its_reader_is_killed(site: Site) -> None:
    inbox = site.directory / "mail" / "in"
    (inbox / "new").mkdir(parents=True)
    for number in range(MAILS):
        content = f"From: ada@example.org\r\nSubject: {number}\r\n\r\nHello\r\n"
        (inbox / "new" / f"{number:03d}").write_text(content)
    given = {"EVIDESK_MAIL__ADDRESS": "support@desk.example", "EVIDESK_MAIL__POLL_SECONDS": "0.1"}
    first = site.start("first", "app.commands.mail", **given)
    await site.until_row("SELECT count(*) > 0 FROM mails")
    site.kill(first)
    site.start("second", "app.commands.mail", **given)
    await site.until_row("SELECT count(*) = :all FROM mails", all=MAILS)

    async def emptied() -> bool:
        return not [*(inbox / "new").iterdir()]

    await site.until(emptied, "all mail is let go of")
    assert await site.value("SELECT count(DISTINCT digest) FROM mails WHERE storage_key IS NOT NULL") == MAILS
    jobs = "SELECT count(*) FROM jobs j JOIN mails m ON m.job_id = j.id WHERE j.kind = 'mail.take_in'"
    assert await site.value(jobs) == MAILS


def hand_over(port: int, number: int) -> smtplib.SMTP:
    """As a mail server does, as far as the last dot."""
    client = smtplib.SMTP("127.0.0.1", port, timeout=PATIENCE_SECONDS)
    client.ehlo()
    client.mail("ada@example.org")
    client.rcpt("support@desk.example")
    client.docmd("DATA")
    client.send(f"From: ada@example.org\r\nMessage-ID: <{number}@example.org>\r\n\r\nNumber {number}\r\n.\r\n")
    return client


def answer_to(client: smtplib.SMTP) -> str:
    """What it is told; empty if nothing."""
    try:
        code, words = client.getreply()
    except (smtplib.SMTPException, OSError):
        return ""
    finally:
        client.close()
    assert code == 250
    return words.decode().partition(" as ")[0]


async def hand_in(port: int, number: int) -> str:
    return await asyncio.to_thread(lambda: answer_to(hand_over(port, number)))


async def listens(site: Site, port: int) -> None:
    async def is_so() -> bool:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            return False
        writer.close()
        return True

    await site.until(is_so, "mail can be handed in")


async def test_mail_handed_in_by_smtp_is_lost_and_doubled_nowhere_between_the_last_dot_and_the_answer(
    site: Site,
) -> None:
    port = free_port()
    given = {
        "EVIDESK_MAIL__ADDRESS": "support@desk.example",
        "EVIDESK_MAIL__SOURCES": '["smtp"]',
        "EVIDESK_MAIL__SMTP_IN_PORT": str(port),
    }
    first = site.start("first", "app.commands.mail", **given)
    await listens(site, port)
    assert await hand_in(port, 0) == "2.0.0 Taken"
    # Committed, but its sender does not hear of it.
    unheard = await asyncio.to_thread(hand_over, port, 1)
    await site.until_row("SELECT count(*) = 2 FROM mails")
    unheard.close()
    async with site.resources.db.session() as holding:
        # Received whole, its bytes in the store, and its row not written.
        await holding.execute(text("LOCK TABLE mails IN EXCLUSIVE MODE"))
        cut_off = await asyncio.to_thread(hand_over, port, 2)
        await site.until_row("SELECT count(*) = 1 FROM pg_locks WHERE relation = 'mails'::regclass AND NOT granted")
        site.kill(first)
        assert await asyncio.to_thread(answer_to, cut_off) == ""
        await holding.rollback()
    site.start("second", "app.commands.mail", **given)
    await listens(site, port)
    assert [await hand_in(port, number) for number in (1, 2)] == ["2.0.0 Known", "2.0.0 Taken"]
    keys = "SELECT array_agg(m.storage_key ORDER BY m.id) FROM mails m JOIN jobs j ON j.id = m.job_id"
    found = await site.value(keys)
    assert isinstance(found, list)
    contents = [b"".join([chunk async for chunk in site.resources.storage.read(key)]) for key in found]
    assert [content.strip().rpartition(b"\n")[2] for content in contents] == [b"Number 0", b"Number 1", b"Number 2"]
    assert await site.value("SELECT count(*) FROM mails") == 3
