"""Which conversation a mail joins, who may write there, what is undone, and what machines get: nothing."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select, update

from app.conversations.service.withdrawing import WITHDRAWN
from app.grounding.outcome import Reason
from app.mail import service
from app.mail.tokens import Tokens
from app.models.conversation import Message
from app.models.file import File
from app.models.mail import MailAttachment, MailThread, SentMail
from app.models.user import User
from tests.factories.answers import refusal
from tests.factories.people import add_user
from tests.mail.conftest import MAILS, SUPPORT, MailDesk, letter, plain

PROVEN = {"authentication_results": "mx.desk.example; dmarc=pass header.from=example.com"}


async def test_references_join_where_the_address_has_no_token(desk: MailDesk) -> None:
    first = await desk.drop(letter(message_id="<a@example.org>"))
    mine = await desk.drop(letter("More.", in_reply_to="<a@example.org>"))
    chain = await desk.drop(
        letter("And more.", in_reply_to="<x@y.example>", references="<a@example.org> <x@y.example>")
    )
    ours = await desk.drop(letter("Still more.", to=SUPPORT, references=str(desk.sent()[0]["Message-ID"])))
    assert not any("=?" in str(header) for mail in desk.sent() for header in mail.values())
    assert [(one.joined_by, one.session_id) for one in (mine, chain, ours)] == [
        ("in_reply_to", first.session_id),
        ("references", first.session_id),
        ("token", first.session_id),
    ]


async def test_a_subject_alone_joins_nothing(desk: MailDesk) -> None:
    first = await desk.drop(letter())
    second = await desk.drop(letter("Again.", subject="Re: Scanner"))
    assert second.joined_by == "new"
    assert second.session_id != first.session_id


async def test_a_strangers_mail_with_anothers_token_begins_its_own(desk: MailDesk) -> None:
    first = await desk.drop(letter())
    stranger = await desk.drop(desk.reply(desk.sent()[0], "Let me in.", sender="eve@evil.example"))
    assert stranger.session_id != first.session_id
    assert (stranger.joined_by, str(first.session_id) in (stranger.note or "")) == ("new", True)
    guessed = await desk.drop(letter("Hm.", sender="eve@evil.example", in_reply_to=first.message_id or ""))
    assert guessed.session_id not in (first.session_id, stranger.session_id)


async def test_whom_the_customer_has_copied_may_write_and_is_named(desk: MailDesk) -> None:
    first = await desk.drop(letter(cc="bo@example.org"))
    taken = await desk.drop(desk.reply(desk.sent()[0], "I saw it too.", sender="bo@example.org"))
    assert (taken.session_id, taken.joined_by) == (first.session_id, "token")
    messages = await desk.call("GET", f"/{first.session_id}/messages", who=desk.agent)
    assert messages[2]["content"] == "bo@example.org writes:\n\nI saw it too."
    assert {str(mail["To"]) for mail in desk.sent()} == {"ada@example.org"}


async def test_a_forged_or_foreign_token_is_nothing(desk: MailDesk) -> None:
    first = await desk.drop(letter())
    assert first.session_id is not None
    tokens = Tokens(desk.resources.settings)
    local, _, domain = tokens.reply_address(first.session_id).rpartition("@")
    assert tokens.in_addresses([f"{local}@{domain}".upper().lower()]) == first.session_id
    for address in (f"{local[:-1]}{'a' if local[-1] != 'a' else 'b'}@{domain}", f"{local}@evil.example", local):
        assert tokens.in_addresses([address]) is None
    assert tokens.in_ids([f"{tokens.of(uuid4())}.x@{domain}"]) != first.session_id


async def test_a_reply_to_what_is_resolved_begins_anew(desk: MailDesk) -> None:
    first = await desk.drop(letter())
    await desk.call("POST", f"/{first.session_id}/resolve", who=desk.agent, json={})
    await desk.work()
    again = await desk.drop(desk.reply(desk.sent()[0], "It broke again."))
    assert again.session_id != first.session_id
    assert "resolved" in (again.note or "")


async def test_staff_answers_by_mail_if_a_trusted_server_vouches_for_them(desk: MailDesk) -> None:
    desk.with_mail(trusted_authserv="mx.desk.example")
    desk.answers.rule = lambda _: refusal(Reason.NO_EVIDENCE)
    first = await desk.drop(letter())
    sender = f"{desk.agent.username}@example.com"
    notice = desk.sent()[0]
    forged = await desk.drop(desk.reply(notice, "I am staff.", sender=sender))
    assert forged.session_id != first.session_id
    taken = await desk.drop(desk.reply(notice, "It costs 80 euros.", sender=sender, **PROVEN))
    assert (taken.session_id, taken.authenticated) == (first.session_id, True)
    messages = await desk.call("GET", f"/{first.session_id}/messages", who=desk.agent)
    assert (messages[-1]["role"], messages[-1]["content"]) == ("agent", "It costs 80 euros.")
    assert plain(desk.sent()[-1]) == "It costs 80 euros.\n"


async def test_an_address_is_no_account_of_those_who_registered_it(desk: MailDesk) -> None:
    async with desk.resources.db.unit_of_work() as db:
        user = await add_user(db, username="ada")
        user.email = "ada@example.org"
    first = await desk.drop(letter())
    assert first.sender_id != user.id
    assert (await desk.drop(letter("Another."))).sender_id == first.sender_id


async def test_mail_of_a_closed_account_is_kept(desk: MailDesk) -> None:
    first = await desk.drop(letter())
    async with desk.resources.db.unit_of_work() as db:
        await db.execute(update(User).where(User.id == first.sender_id).values(active=False))
    second = await desk.drop(letter("Hello again."))
    assert (second.state, second.session_id) == ("kept", None)


async def test_a_flood_of_one_sender_is_kept_and_not_answered(desk: MailDesk) -> None:
    desk.with_mail(hourly_per_sender=2)
    states = [(await desk.drop(letter(f"Number {n}."))).state for n in range(3)]
    assert states == ["joined", "joined", "kept"]
    assert (await desk.drop(letter(sender="bo@example.org"))).state == "joined"


async def test_a_mail_split_off_leaves_no_word_behind(desk: MailDesk) -> None:
    desk.answers.rule = lambda _: refusal(Reason.NO_EVIDENCE)
    first = await desk.drop(letter(cc="bo@example.org"))
    wrong = desk.reply(desk.sent()[0], "My secret matter.", sender="bo@example.org")
    wrong.add_attachment(b"secret notes", maintype="text", subtype="plain", filename="notes.txt")
    taken = await desk.drop(wrong)
    assert taken.session_id == first.session_id
    split = await desk.call("POST", f"{MAILS}/{taken.id}/split", who=desk.agent, json={"note": "Another matter."})
    assert (split["joined_by"], split["note"]) == ("split", "Another matter.")
    assert split["session_id"] != str(first.session_id)
    old = await desk.call("GET", f"/{first.session_id}/messages", who=desk.agent)
    assert old[2]["content"] == WITHDRAWN
    session = await desk.call("GET", f"/{first.session_id}", who=desk.agent)
    assert "secret" not in session["summary"]
    comments = await desk.call("GET", f"/api/v1/tickets/{session['ticket_id']}/comments", who=desk.agent)
    assert [one["body"] for one in comments] == [WITHDRAWN]
    new = await desk.call("GET", f"/{split['session_id']}/messages", who=desk.agent)
    assert "My secret matter." in new[0]["content"]
    async with desk.resources.db.session() as db:
        file = (await db.execute(select(File))).scalar_one()
        mail = (await desk.mails())[-1]
    assert (file.uploader_id, file.ticket_id) == (mail.sender_id, None)
    detail = await desk.call("GET", f"{MAILS}/{taken.id}", who=desk.agent)
    assert [(one["reason"], one["actor_id"]) for one in detail["joins"]] == [("token", None), ("split", desk.agent.id)]
    await desk.work()
    assert {str(one["To"]) for one in desk.sent()} == {"ada@example.org", "bo@example.org"}
    for mail_id in (taken.id, first.id):
        refused = await desk.call("POST", f"{MAILS}/{mail_id}/split", who=desk.agent, status=409, json={})
        assert refused["code"] == "nothing_else"
    await desk.call("POST", f"{MAILS}/{taken.id}/split", who=desk.customer, status=403, json={})


async def test_the_mail_that_began_a_conversation_can_be_split_off_if_more_was_said_there(desk: MailDesk) -> None:
    first = await desk.drop(letter("The scanner is broken.", message_id="<a@example.org>"))
    other = await desk.drop(desk.reply(desk.sent()[0], "And my bill is wrong.", subject="My bill"))
    assert other.session_id == first.session_id
    split = await desk.call("POST", f"{MAILS}/{first.id}/split", who=desk.agent, json={"note": "Two matters."})
    assert (split["joined_by"], split["session_id"] == str(first.session_id)) == ("split", False)
    old = await desk.messages(str(first.session_id), who=desk.agent)
    assert [one["content"] for one in old if one["role"] == "customer"] == [WITHDRAWN, "And my bill is wrong."]
    new = await desk.messages(split["session_id"], who=desk.agent)
    assert new[0]["content"] == "Scanner\n\nThe scanner is broken."
    await desk.work()
    # Each goes on under its own subject, and replies find the one they are about.
    async with desk.resources.db.session() as db:
        threads = select(MailThread.session_id, MailThread.subject)
        subjects = {str(row.session_id): row.subject for row in await db.execute(threads)}
    assert subjects == {str(first.session_id): "My bill", split["session_id"]: "Scanner"}
    reply = await desk.drop(letter("Still broken.", in_reply_to="<a@example.org>"))
    assert (str(reply.session_id), reply.joined_by) == (split["session_id"], "in_reply_to")
    last = await desk.call("POST", f"{MAILS}/{other.id}/split", who=desk.agent, status=409, json={})
    assert last["code"] == "nothing_else"
    detail = await desk.call("GET", f"{MAILS}/{first.id}", who=desk.agent)
    assert [one["reason"] for one in detail["joins"]] == ["new", "split"]


async def test_attachments_become_files_on_the_ticket_and_what_is_refused_is_told(desk: MailDesk) -> None:
    desk.answers.rule = lambda _: refusal(Reason.NO_EVIDENCE)
    mail = letter("See the log.")
    mail.add_attachment(b"ERROR E-77", maintype="text", subtype="plain", filename="../../desk.log")
    mail.add_attachment(b"MZ\x90\x00", maintype="application", subtype="octet-stream", filename="setup.exe")
    taken = await desk.drop(mail)
    session = await desk.call("GET", f"/{taken.session_id}", who=desk.agent)
    async with desk.resources.db.session() as db:
        log, program = (await db.execute(select(MailAttachment).order_by(MailAttachment.position))).scalars().all()
        file = (await db.execute(select(File))).scalar_one()
    assert (log.file_id, log.filename, file.ticket_id, file.uploader_id) == (
        file.id, "desk.log", session["ticket_id"], taken.sender_id
    )  # fmt: skip
    assert (program.file_id, ".exe" in (program.refused or "")) == (None, True)


@pytest.mark.parametrize("header", ["auto_submitted", "precedence", "list_id", "x_auto_response_suppress"])
async def test_a_machines_mail_lies_beside_its_conversation_unanswered(desk: MailDesk, header: str) -> None:
    first = await desk.drop(letter())
    value = {"auto_submitted": "auto-replied", "precedence": "bulk"}.get(header, "<x>")
    away = await desk.drop(desk.reply(desk.sent()[0], "I am away.", **{header: value}))
    assert (away.state, away.session_id, away.said_id) == ("joined", first.session_id, None)
    alone = await desk.drop(letter("News!", **{header: value}))
    assert (alone.state, alone.session_id) == ("kept", None)
    assert len(desk.sent()) == 1


async def test_two_desks_do_not_answer_each_other(desk: MailDesk) -> None:
    """What this one has sent, sent back to it as it is, and as another such desk would answer it."""
    await desk.drop(letter())
    sent = desk.sent()[0]
    assert (await desk.drop(bytes(sent))).kind == "own"
    answer = desk.reply(sent, "We have your message.", auto_submitted="auto-replied")
    assert (await desk.drop(answer)).kind == "automatic"
    assert len(desk.sent()) == 1


BOUNCE = """\
From: MAILER-DAEMON@mx.example
To: {to}
Subject: Undelivered
Content-Type: multipart/report; report-type=delivery-status; boundary="b"

--b
Content-Type: text/plain

It did not arrive.
--b
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@example.org
Action: {action}
Status: 5.1.1
Diagnostic-Code: smtp; 550 no such user

--b
Content-Type: text/rfc822-headers

Message-ID: {about}
--b--
"""


@pytest.mark.parametrize(("action", "state"), [("delayed", "sent"), ("failed", "bounced")])
async def test_a_report_marks_the_mail_that_did_not_arrive(desk: MailDesk, action: str, state: str) -> None:
    first = await desk.drop(letter())
    sent = desk.sent()[0]
    report = BOUNCE.format(to=SUPPORT, action=action, about=sent["Message-ID"])
    taken = await desk.drop(report.replace("\n", "\r\n").encode())
    assert (taken.kind, taken.session_id) == ("bounce", first.session_id)
    (row,) = await desk.call("GET", f"{MAILS}/sent", who=desk.agent)
    assert (row["state"], "550 no such user" in (row["error"] or "")) == (state, state == "bounced")
    async with desk.resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Message))).scalar_one() == 2
    if state == "bounced":
        again = await desk.call("POST", f"{MAILS}/sent/{row['id']}/retry", who=desk.agent)
        assert again["state"] == "queued"


async def test_a_reply_that_is_read_before_what_it_answers_waits_for_it(desk: MailDesk) -> None:
    """Two workers, or an older mail that is being tried again."""
    for mail in (letter(message_id="<1@example.org>"), letter("More.", in_reply_to="<1@example.org>")):
        await service.receive(desk.resources, service.Incoming("maildir", bytes(mail)))
    _, later = await desk.mails()
    assert later.job_id is not None
    await service.take_in(desk.resources, later.job_id)
    assert [one.state for one in await desk.mails()] == ["received", "received"]
    await desk.work()
    one, two = await desk.mails()
    assert (two.joined_by, two.session_id) == ("in_reply_to", one.session_id)


@pytest.mark.parametrize("subject", ["a\r\n Bcc: eve@evil.example", "=?utf-8?q?a=0D=0ABcc:_eve@evil.example?="])
async def test_no_header_can_be_smuggled_into_an_answer(desk: MailDesk, subject: str) -> None:
    raw = bytes(letter()).replace(b"Subject: Scanner", b"Subject: " + subject.encode())
    await desk.drop(raw)
    (sent,) = desk.sent()
    assert sent["Bcc"] is None
    assert "Bcc: eve@evil.example" in str(sent["Subject"])
    async with desk.resources.db.session() as db:
        assert (await db.execute(select(SentMail.to_address))).scalars().all() == ["ada@example.org"]
