"""Mails as they came are kept for as long as the settings say; what was read of them stays."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from app.core.clock import now
from app.core.resources import Resources
from app.core.storage import StorageError
from app.files.service import keeping
from app.mail import service
from app.mail.service import keeping as mail_keeping
from app.models.mail import Mail
from tests.mail.conftest import MAILS, MailDesk, letter


async def grown_old(resources: Resources, days: int) -> None:
    async with resources.db.unit_of_work() as db:
        await db.execute(update(Mail).values(created_at=now() - timedelta(days=days)))


async def keys(desk: MailDesk) -> set[str]:
    return {mail.storage_key for mail in await desk.mails() if mail.storage_key is not None}


async def stored(desk: MailDesk) -> set[str]:
    return {key async for key in desk.resources.storage.listed(before=now() + timedelta(hours=1))}


async def test_a_mail_as_it_came_goes_after_its_time_and_its_thread_goes_on(desk: MailDesk) -> None:
    first = await desk.drop(raw := bytes(letter(message_id="<a@example.org>")))
    (key,) = await keys(desk)
    await grown_old(desk.resources, 89)
    assert await service.retire_raw(desk.resources) == 0
    await grown_old(desk.resources, 91)
    assert await service.retire_raw(desk.with_mail(keep_raw_days=0)) == 0
    assert await service.retire_raw(desk.with_mail(keep_raw_days=90)) == 1
    assert (await service.retire_raw(desk.resources), key in await stored(desk)) == (0, False)
    gone = await desk.call("GET", f"{MAILS}/{first.id}/raw", who=desk.admin, status=404)
    assert (gone["code"], "deleted after a while" in gone["detail"]) == ("mail_raw_not_found", True)
    shown = await desk.call("GET", f"{MAILS}/{first.id}", who=desk.agent)
    assert (shown["message_id"], shown["visible"]) == ("a@example.org", "How do I restart the scanner?")
    assert shown["raw_removed_at"] is not None
    again = await desk.drop(raw)
    assert (again.id, len(await desk.mails())) == (first.id, 1)
    reply = await desk.drop(letter("More.", in_reply_to="<a@example.org>"))
    assert (reply.session_id, reply.joined_by) == (first.session_id, "in_reply_to")


async def test_what_could_not_be_read_keeps_its_bytes(desk: MailDesk) -> None:
    mail = await desk.drop(letter())
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(Mail).values(state="unreadable", created_at=now() - timedelta(days=400)))
    assert await service.retire_raw(desk.resources) == 0
    raw = await desk.api.get(f"{MAILS}/{mail.id}/raw", headers=desk.admin.headers)
    assert "restart the scanner" in raw.text


async def test_bytes_that_a_store_does_not_let_go_of_are_collected_later(
    desk: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mail_keeping, "ROWS", 2)
    for number in range(3):
        await desk.drop(letter(f"Number {number}?"))
    await grown_old(desk.resources, 91)
    left = await keys(desk)

    async def broken(*_: Any) -> None:
        raise StorageError("away")

    with monkeypatch.context() as patched:
        patched.setattr(type(desk.resources.storage), "delete", broken)
        assert await service.retire_raw(desk.resources) == 3
    assert (len(left), left <= await stored(desk), await keys(desk)) == (3, True, set())
    files = desk.resources.settings.files.model_copy(update={"orphan_hours": 0})
    await keeping.collect_orphans(desk.resources.db, desk.resources.storage, files)
    assert not left & await stored(desk)
