"""The process that takes mail in is killed in the middle of it."""

import pytest

from tests.faults.site import Site

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
