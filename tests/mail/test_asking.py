"""A question by mail: taken in, answered in its thread, once."""

import hashlib
import hmac
import time
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import func, select

from app.grounding.outcome import Reason
from app.mail import service
from app.models.conversation import Conversation, Message
from app.models.job import Job, JobState
from app.models.mail import Mail, SentMail
from tests.factories.answers import answer, citation, refusal
from tests.mail.conftest import MAILS, SECRET, SUPPORT, MailDesk, letter, plain


async def test_a_mail_in_a_maildir_is_answered_by_mail_with_its_sources(desk: MailDesk) -> None:
    desk.answers.rule = lambda _: answer("Hold the red button.", cited=citation())
    taken = await desk.drop(letter(message_id="<first@example.org>"))
    assert (taken.state, taken.joined_by, taken.kind) == ("joined", "new", "message")
    assert desk.answers.asked == ["Scanner\n\nHow do I restart the scanner?"]
    (sent,) = desk.sent()
    assert (sent["From"], sent["To"]) == (f"Support <{SUPPORT}>", "ada@example.org")
    assert (sent["Subject"], sent["In-Reply-To"], sent["References"]) == (
        "Re: Scanner",
        "<first@example.org>",
        "<first@example.org>",
    )
    assert sent["Auto-Submitted"] == "auto-replied"
    assert sent["Reply-To"].addresses[0].username.startswith("support+")
    assert plain(sent) == "Hold the red button.\n\nSources:\n[1] Manual <https://example.com/manual>\n"
    html = sent.get_body(("html",))
    assert html is not None
    assert '<a href="https://example.com/manual">Manual</a>' in html.get_content()
    assert [path.name for path in (desk.folder / "in" / "new").iterdir()] == []
    assert len([*(desk.folder / "in" / "cur").iterdir()]) == 1


async def test_a_reply_goes_on_in_its_conversation_without_what_it_quotes(desk: MailDesk) -> None:
    await desk.drop(letter())
    taken = await desk.drop(desk.reply(desk.sent()[0], "And the printer?"))
    assert (taken.joined_by, taken.visible) == ("token", "And the printer?")
    assert "> Hold the red button." in taken.body
    messages = await desk.call("GET", f"/{taken.session_id}/messages", who=desk.agent)
    assert [one["role"] for one in messages] == ["customer", "assistant", "customer", "assistant"]
    assert messages[2]["content"] == "And the printer?"
    second = desk.sent()[1]
    assert str(second["References"]).split()[-1] == second["In-Reply-To"]


async def test_what_is_handed_over_goes_on_by_mail_both_ways(desk: MailDesk) -> None:
    desk.answers.rule = lambda _: refusal(Reason.NO_EVIDENCE)
    taken = await desk.drop(letter("What does a battery cost?"))
    (notice,) = desk.sent()
    assert "handed this over to a person" in plain(notice)
    session = await desk.call("GET", f"/{taken.session_id}", who=desk.agent)
    comment = {"body": "It costs 80 euros.", "visibility": "public"}
    await desk.call(
        "POST", f"/api/v1/tickets/{session['ticket_id']}/comments", who=desk.agent, status=201, json=comment
    )
    internal = {"body": "A difficult one.", "visibility": "internal"}
    await desk.call(
        "POST", f"/api/v1/tickets/{session['ticket_id']}/comments", who=desk.agent, status=201, json=internal
    )
    await desk.work()
    _, said = desk.sent()
    assert plain(said) == "It costs 80 euros.\n"
    assert said["Auto-Submitted"] is None
    await desk.drop(desk.reply(said, "Thank you, I take two."))
    comments = await desk.call("GET", f"/api/v1/tickets/{session['ticket_id']}/comments", who=desk.agent)
    assert [one["body"] for one in comments] == ["It costs 80 euros.", "A difficult one.", "Thank you, I take two."]
    assert len(desk.sent()) == 2


async def test_the_same_mail_again_is_the_same_mail(desk: MailDesk) -> None:
    mail = letter()
    await desk.drop(mail)
    await desk.drop(mail)
    assert len(await desk.mails()) == 1
    # By another road it has other bytes: a server's line at the top.
    await deliver(desk, b"Received: from there\r\n" + bytes(mail))
    await desk.work()
    first, second = await desk.mails()
    assert (second.state, second.note) == ("duplicate", f"The same as {first.id}.")
    assert len(desk.sent()) == 1
    # The same Message-ID with other words is another mail.
    other = letter("Something else?", message_id=str(mail["Message-ID"]))
    assert (await desk.drop(other)).state == "joined"


async def test_a_task_that_comes_twice_takes_in_and_sends_once(desk: MailDesk) -> None:
    await desk.drop(letter())
    async with desk.resources.db.session() as db:
        rows = (await db.execute(select(Job.id, Job.kind).where(Job.kind.like("mail.%")))).all()
    for job_id, kind in rows:
        await (service.take_in if kind == service.TAKE_IN else service.send)(desk.resources, job_id)
    async with desk.resources.db.unit_of_work() as db:
        for said_id in (await db.execute(select(SentMail.said_id))).scalars():
            assert not await service.put_on_way(db, desk.resources.settings, said_id)
    assert len(desk.sent()) == 1
    async with desk.resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(Message))).scalar_one() == 2


async def test_a_worker_killed_after_sending_sends_the_same_mail_again(desk: MailDesk) -> None:
    """The maildir knows it by its name; a server's reader by its Message-ID."""
    await desk.drop(letter())
    async with desk.resources.db.unit_of_work() as db:
        row = (await db.execute(select(SentMail))).scalar_one()
        job = await db.get_one(Job, row.job_id)
        row.state, row.sent_at = "queued", None
        job.state, job.finished_at = JobState.QUEUED, None
    await service.send(desk.resources, row.job_id)
    assert len(desk.sent()) == 1
    async with desk.resources.db.session() as db:
        again = (await db.execute(select(SentMail))).scalar_one()
    assert (again.state, again.tries, again.message_id) == ("sent", 2, row.message_id)


async def test_a_message_whose_event_was_lost_is_found_and_sent(desk: MailDesk) -> None:
    await desk.drop(letter())
    async with desk.resources.db.unit_of_work() as db:
        row = (await db.execute(select(SentMail))).scalar_one()
        await db.delete(row)
    async with desk.resources.db.unit_of_work() as db:
        assert await service.look(db, desk.resources.settings, seconds=3600) == 0
        assert await service.look(db, desk.resources.settings, seconds=0) == 1
        assert await service.look(db, desk.resources.settings, seconds=0) == 0
    await desk.work()
    assert len({str(mail["Message-ID"]) for mail in desk.sent()}) == 1


async def test_conversations_elsewhere_send_no_mail(desk: MailDesk) -> None:
    await desk.ask()
    assert desk.sent() == []


async def deliver(desk: MailDesk, raw: bytes, *, status: int = 202, **changed: str) -> Any:
    stamp = changed.pop("stamp", str(int(time.time())))
    signed = hmac.digest(changed.pop("secret", SECRET).encode(), stamp.encode() + b"." + raw, hashlib.sha256).hex()
    headers = {"X-Mail-Timestamp": stamp, "X-Mail-Signature": f"sha256={signed}"}
    headers |= {name.replace("_", "-"): value for name, value in changed.items()}
    answered = await desk.api.post(f"{MAILS}/inbound/webhook", content=raw, headers=headers)
    assert answered.status_code == status, answered.text
    return answered.json()


async def test_a_webhook_hands_mail_in_once(desk: MailDesk) -> None:
    raw = bytes(letter())
    first = await deliver(desk, raw, X_Mail_From="ada@example.org", X_Mail_To=f"{SUPPORT}, x@y.example")
    assert first["new"]
    assert await deliver(desk, raw) == {**first, "new": False}
    taken = await desk.last()
    assert (taken.source, taken.envelope_from, taken.envelope_to) == (
        "webhook",
        "ada@example.org",
        [SUPPORT, "x@y.example"],
    )
    await desk.work()
    assert len(desk.sent()) == 1


@pytest.mark.parametrize(
    "wrong", [{"secret": "another"}, {"stamp": "1"}, {"stamp": str(int(time.time()) + 9999)}, {"stamp": "now"}]
)
async def test_a_delivery_with_a_bad_or_old_signature_is_refused(desk: MailDesk, wrong: dict[str, str]) -> None:
    refused = await deliver(desk, bytes(letter()), status=401, **wrong)
    assert refused["code"] == "mail_signature_wrong"
    assert await desk.mails() == []


async def test_a_delivery_that_is_too_large_is_refused(desk: MailDesk) -> None:
    refused = await deliver(desk, b"x" * (desk.mail.max_bytes + 1), status=413)
    assert refused["code"] == "mail_too_large"


async def test_a_desk_without_an_address_takes_no_mail(api: httpx2.AsyncClient) -> None:
    stamp = {"X-Mail-Timestamp": "1", "X-Mail-Signature": "x"}
    refused = await api.post(f"{MAILS}/inbound/webhook", content=b"x", headers=stamp)
    assert (refused.status_code, refused.json()["code"]) == (404, "mail_off")


async def test_a_large_mail_in_a_maildir_stays_there_and_is_shown(desk: MailDesk) -> None:
    taken = await desk.drop(b"From: a@b.example\r\n\r\n" + b"x" * desk.mail.max_bytes)
    assert (taken.state, taken.storage_key) == ("unreadable", None)
    refused = await desk.call("GET", f"{MAILS}/{taken.id}/raw", who=desk.admin, status=404)
    assert refused["code"] == "mail_raw_not_found"


async def test_staff_sees_mails_and_why_they_are_where_they_are(desk: MailDesk) -> None:
    taken = await desk.drop(letter())
    (shown,) = await desk.call("GET", f"{MAILS}?state=joined&from_address=ADA@example.org", who=desk.agent)
    assert (shown["id"], shown["joined_by"], shown["subject"]) == (str(taken.id), "new", "Scanner")
    detail = await desk.call("GET", f"{MAILS}/{taken.id}", who=desk.agent)
    assert [join["reason"] for join in detail["joins"]] == ["new"]
    (sent,) = await desk.call("GET", f"{MAILS}/sent?session_id={taken.session_id}", who=desk.agent)
    assert (sent["state"], sent["to_address"], sent["tries"]) == ("sent", "ada@example.org", 1)
    raw = await desk.api.get(f"{MAILS}/{taken.id}/raw", headers=desk.admin.headers)
    assert raw.content.startswith(b"From: Ada")
    health = await desk.call("GET", f"{MAILS}/sources", who=desk.admin)
    assert [(one["name"], one["ok"], one["taken"]) for one in health["sources"]] == [
        ("maildir", True, 1),
        ("webhook", True, 0),
    ]
    for path, who in (("", desk.customer), (f"/{taken.id}/raw", desk.agent), ("/sources", desk.agent)):
        await desk.call("GET", f"{MAILS}{path}", who=who, status=403)
    await desk.call("GET", f"{MAILS}/{uuid4()}", who=desk.agent, status=404)


async def test_what_nobody_may_read_by_mail_is_not_asked_for(desk: MailDesk) -> None:
    """The address is a claim: the answer comes from what is public."""
    await desk.drop(letter())
    async with desk.resources.db.session() as db:
        said = (await db.execute(select(Message).where(Message.role == "customer"))).scalar_one()
        session = (await db.execute(select(Conversation))).scalar_one()
        mail = (await db.execute(select(Mail))).scalar_one()
    assert said.unproven
    assert session.customer_id == mail.sender_id
