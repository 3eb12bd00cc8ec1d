"""The roads in and out, against servers that speak their protocols."""

import asyncio
import contextlib
import smtplib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from pydantic import SecretStr
from sqlalchemy import select

from app.core.settings.mail import MailSettings
from app.core.storage import StorageError
from app.mail import service
from app.mail.sources.base import SourceAway
from app.mail.sources.imap import ImapSource
from app.mail.sources.running import serve, sources_of
from app.mail.sources.smtp import SmtpSource
from app.models.mail import MailSource, SentMail
from tests.mail.conftest import MAILS, SUPPORT, MailDesk, letter
from tests.mail.peers import ImapPeer


def imap(desk: MailDesk, peer: ImapPeer, **changed: Any) -> ImapSource:
    given = {"imap_host": "127.0.0.1", "imap_port": peer.port, "imap_security": "none", "imap_user": "desk"}
    return ImapSource(desk.with_mail(**given, imap_password=SecretStr("secret"), **changed))


async def test_a_folder_is_read_once_and_marked_after_each_mail_is_kept(desk: MailDesk) -> None:
    async with ImapPeer().served() as peer:
        source = imap(desk, peer)
        peer.put(bytes(letter("Of long ago.")), "\\Seen")
        peer.put(bytes(letter()))
        peer.put(bytes(letter("Of last week.")), "\\Seen")
        assert await source.look() == 1
        assert await source.look() == 0
        peer.put(bytes(letter("Another?")))
        assert await source.look() == 1
    assert [one.source_ref for one in await desk.mails()] == ["7:2", "7:4"]
    assert all("\\Seen" in kept.flags for kept in peer.inbox.values())
    await desk.work()
    assert len(desk.sent()) == 2


@pytest.mark.parametrize("cut", ["UID STORE", "UID FETCH", "UID SEARCH"])
async def test_a_connection_that_breaks_anywhere_loses_and_doubles_nothing(desk: MailDesk, cut: str) -> None:
    async with ImapPeer(cut_after=cut).served() as peer:
        source = imap(desk, peer)
        for number in range(3):
            peer.put(bytes(letter(f"Number {number}?")))
        with pytest.raises(SourceAway):
            await source.look()
        await source.look()
    assert len(await desk.mails()) == 3


async def test_a_folder_with_new_numbers_is_read_again_and_nothing_is_taken_twice(desk: MailDesk) -> None:
    async with ImapPeer().served() as peer:
        source = imap(desk, peer)
        peer.put(bytes(letter()))
        await source.look()
        peer.validity = 8
        peer.inbox[1].flags.clear()
        peer.put(bytes(letter("New?")))
        await source.look()
    assert len(await desk.mails()) == 2
    async with desk.resources.db.session() as db:
        row = (await db.execute(select(MailSource))).scalar_one()
    assert (row.uid_validity, row.last_uid, row.taken) == (8, 2, 2)


@pytest.mark.parametrize("can_move", [True, False])
async def test_mail_that_was_taken_is_moved_also_after_a_crash_before_that(desk: MailDesk, *, can_move: bool) -> None:
    verb = "UID MOVE" if can_move else "UID COPY"
    async with ImapPeer(can_move=can_move).served() as peer:
        source = imap(desk, peer, imap_done_folder="Done")
        peer.put(bytes(letter()))
        peer.put(bytes(letter("Second?")))
        await source.look()
        assert len(peer.folders["Done"]) == 2
        assert [one for one in peer.inbox.values() if "\\Deleted" not in one.flags] == []
        uid = peer.put(bytes(letter("Third?")))
        await source.look()
        # As if it had been killed before the move.
        peer.inbox[uid] = peer.folders["Done"].pop(uid)
        peer.inbox[uid].flags.clear()
        await source.look()
        assert sorted(peer.folders["Done"]) == [1, 2, 3]
        assert any(command.startswith(verb) for command in peer.commands)
    assert len(await desk.mails()) == 3


async def test_a_folder_that_cannot_be_opened_says_so_to_administrators(desk: MailDesk) -> None:
    async with ImapPeer(password="another").served() as peer:
        source = imap(desk, peer, sources=["imap"])
        stop = asyncio.Event()
        running = asyncio.create_task(serve(desk.resources, [source], stop))
        while not (await _state(desk)).get("imap"):  # noqa: ASYNC110 - another task's commit sets no event
            await asyncio.sleep(0.01)
        stop.set()
        await running
    async with desk.resources.db.session() as db:
        shown = await service.sources(db, desk.mail)
    assert [(one.name, one.ok) for one in shown.sources] == [("imap", False), ("webhook", True)]
    assert "secret" not in (shown.sources[0].error or "")


async def _state(desk: MailDesk) -> dict[str, str | None]:
    async with desk.resources.db.session() as db:
        return {row.name: row.error for row in (await db.execute(select(MailSource))).scalars()}


async def test_a_large_mail_stays_in_its_folder(desk: MailDesk) -> None:
    async with ImapPeer().served() as peer:
        source = imap(desk, peer)
        peer.put(b"From: a@b.example\r\n\r\n" + b"x" * desk.mail.max_bytes)
        await source.look()
        await source.look()
        assert "\\Seen" not in peer.inbox[1].flags
    (mail,) = await desk.mails()
    assert (mail.state, mail.source_ref) == ("unreadable", "7:1")


@contextlib.asynccontextmanager
async def listening(desk: MailDesk, **changed: Any) -> AsyncIterator[SmtpSource]:
    source = SmtpSource(desk.with_mail(smtp_in_port=0, **changed))
    stop = asyncio.Event()
    running = asyncio.create_task(source.run(stop))
    await source.listening.wait()
    try:
        yield source
    finally:
        stop.set()
        await running


async def hand_in(source: SmtpSource, content: bytes, *, to: str = SUPPORT, sender: str = "ada@example.org") -> None:
    def talk() -> None:
        with smtplib.SMTP("127.0.0.1", source.port or 0, timeout=30) as client:
            client.sendmail(sender, [to], content)

    await asyncio.to_thread(talk)


async def test_a_server_hands_mail_in_and_is_told_when_it_is_durable(desk: MailDesk) -> None:
    async with listening(desk) as source:
        await hand_in(source, bytes(letter()))
        (mail,) = await desk.mails()
        assert (mail.source, mail.envelope_from, mail.envelope_to) == ("smtp", "ada@example.org", [SUPPORT])
        await hand_in(source, bytes(letter()).replace(b"\n", b"\r\n"), sender="")
        await desk.work()
        to = str(desk.sent()[0]["Reply-To"].addresses[0].addr_spec)
        await hand_in(source, bytes(letter("And the printer?", to="undisclosed")), to=to)
        await desk.work()
    first, nobodys, reply = await desk.mails()
    assert (nobodys.kind, reply.joined_by, reply.session_id) == ("automatic", "token", first.session_id)


async def test_a_server_is_told_to_come_back_when_the_store_is_away(
    desk: MailDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with listening(desk) as source:

        async def broken(*_: Any) -> int:
            raise StorageError("full")

        with monkeypatch.context() as patched:
            patched.setattr(type(desk.resources.storage), "put", broken)
            with pytest.raises(smtplib.SMTPDataError) as refused:
                await hand_in(source, bytes(letter()))
        assert refused.value.smtp_code == 451
        assert await desk.mails() == []
        await hand_in(source, bytes(letter()))
    assert len(await desk.mails()) == 1


async def test_mail_for_others_and_mail_that_is_too_large_is_refused_at_the_door(desk: MailDesk) -> None:
    async with listening(desk) as source:
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            await hand_in(source, bytes(letter()), to="someone@elsewhere.example")
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            await hand_in(source, b"x\r\n" * desk.mail.max_bytes)
        assert refused.value.smtp_code == 552
    assert await desk.mails() == []


class Receiver:
    """The customer's mail server; `answers` are given in turn instead of a plain yes."""

    def __init__(self, *answers: str) -> None:
        self.answers = [*answers]
        self.taken: list[Envelope] = []

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802
        answer = self.answers.pop(0) if self.answers else "250 OK"
        if answer.startswith("250"):
            self.taken.append(envelope)
        return answer


@contextlib.asynccontextmanager
async def receiving(desk: MailDesk, receiver: Receiver) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(lambda: SMTP(receiver), "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        desk.with_mail(transport="smtp", smtp_host="127.0.0.1", smtp_port=port, smtp_security="none")
        yield


async def sent_row(desk: MailDesk) -> SentMail:
    async with desk.resources.db.session() as db:
        return (await db.execute(select(SentMail))).scalar_one()


async def test_an_answer_goes_out_through_a_server(desk: MailDesk) -> None:
    receiver = Receiver()
    async with receiving(desk, receiver):
        await desk.drop(letter())
    (envelope,) = receiver.taken
    assert (envelope.mail_from, envelope.rcpt_tos) == (SUPPORT, ["ada@example.org"])
    assert (await sent_row(desk)).state == "sent"
    assert b"Hold the red button." in (envelope.content or b"")


async def test_a_server_that_is_busy_is_asked_again_and_gets_the_same_mail(desk: MailDesk) -> None:
    receiver = Receiver("451 busy", "421 later")
    async with receiving(desk, receiver):
        # The desk of this test does not wait for the rests between attempts.
        await desk.drop(letter())
        row = await sent_row(desk)
    assert (row.state, row.tries, len(receiver.taken)) == ("sent", 3, 1)
    assert row.message_id.encode() in (receiver.taken[0].content or b"")


async def test_what_a_server_refuses_for_good_is_shown_and_can_be_sent_again(desk: MailDesk) -> None:
    receiver = Receiver("550 no such user")
    async with receiving(desk, receiver):
        await desk.drop(letter())
        (row,) = await desk.call("GET", f"{MAILS}/sent?state=failed", who=desk.agent)
        assert row["error"] == "SMTP 550: no such user"
        await desk.call("POST", f"{MAILS}/sent/{row['id']}/retry", who=desk.agent)
        await desk.work()
        assert (await sent_row(desk)).state == "sent"
        again = await desk.call("POST", f"{MAILS}/sent/{row['id']}/retry", who=desk.agent, status=409)
        assert again["code"] == "mail_in_work"


async def test_a_server_that_stays_away_ends_in_a_mail_that_failed(desk: MailDesk) -> None:
    receiver = Receiver(*["451 busy"] * 99)
    async with receiving(desk, receiver):
        await desk.drop(letter())
    row = await sent_row(desk)
    assert (row.state, row.tries) == ("failed", desk.resources.settings.jobs.max_attempts)


def test_each_source_that_is_named_runs(desk: MailDesk) -> None:
    named = desk.with_mail(sources=["smtp", "maildir", "smtp"])
    assert [type(source).__name__ for source in sources_of(named)] == ["SmtpSource", "MaildirSource"]


def test_settings_that_cannot_work_are_refused() -> None:
    for wrong in (
        {"address": "no address"},
        {"address": "a+b@example.org"},
        {"address": "x" * 21 + "@example.org"},
        {"address": SUPPORT, "sources": ["imap"]},
        {"address": SUPPORT, "transport": "smtp"},
        {"address": SUPPORT, "smtp_in_key": "/key"},
    ):
        with pytest.raises(ValueError, match=r"address|needs|together"):
            MailSettings.model_validate(wrong)
