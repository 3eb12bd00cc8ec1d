"""An address is proven by a code that was mailed to it and handed back by who is logged in; its mail is theirs then."""

import re
from datetime import timedelta
from uuid import uuid4

import httpx2
import pytest
from sqlalchemy import func, select, update

from app.accounts.service import confirming
from app.core.clock import now
from app.core.resources import Resources
from app.mail import service
from app.models.job import Job
from app.models.user import EmailConfirmation
from tests.factories.people import Person, register
from tests.mail.conftest import MailDesk, letter, plain
from tests.mail.test_sources import Receiver, receiving

ME = "/api/v1/users/me"


def address(person: Person) -> str:
    return f"{person.username}@example.com"


async def asked(desk: MailDesk, who: Person | None = None) -> str:
    """The code that arrives."""
    before = len(desk.sent())
    await desk.call("POST", f"{ME}/email/confirmation", who=who, status=202)
    await desk.work()
    (mail,) = desk.sent()[before:]
    assert mail["To"] == address(who or desk.customer)
    found = re.search(r"^[a-z2-7]{52}$", plain(mail), re.MULTILINE)
    assert found is not None
    return found[0]


async def confirm(desk: MailDesk, token: str, *, who: Person | None = None, status: int = 200) -> str | None:
    answer = await desk.call("POST", f"{ME}/email/confirm", who=who, status=status, json={"token": token})
    return str(answer["email_confirmed_at"] if status == 200 else answer["code"])


async def test_mail_of_an_address_is_its_accounts_once_the_code_that_was_mailed_there_came_back(desk: MailDesk) -> None:
    sender = f"Ada <{address(desk.customer)}>"
    before = await desk.drop(letter(sender=sender))
    assert before.sender_id != desk.customer.id
    code = await asked(desk)
    assert (await desk.call("GET", ME))["email_confirmed_at"] is None
    # Only a mail was sent, so far.
    assert (await desk.drop(letter("Hello?", sender=sender))).sender_id == before.sender_id
    confirmed_at = await confirm(desk, code.upper())
    assert (await desk.call("GET", ME))["email_confirmed_at"] == confirmed_at
    after = await desk.drop(letter("Hello!", sender=sender))
    assert after.sender_id == desk.customer.id
    assert (await desk.session(str(after.session_id)))["status"] == "open"
    # What the address had begun goes on where it was.
    reply = await desk.drop(letter("More.", sender=sender, in_reply_to=f"<{before.message_id}>"))
    assert (reply.session_id, reply.sender_id) == (before.session_id, before.sender_id)
    assert (await desk.drop(letter(sender="ada@example.org"))).sender_id != desk.customer.id
    desk.with_mail(confirmed_accounts=False)
    assert (await desk.drop(letter("Off.", sender=sender))).sender_id == before.sender_id


async def test_a_code_is_good_once_for_one_account_and_a_while(desk: MailDesk, resources: Resources) -> None:
    code = await asked(desk)
    stranger = await register(resources)
    forged = code[:-1] + ("a" if code[-1] != "a" else "b")
    for wrong in (forged, code[:-1], "x", confirming.token_of(resources.settings, uuid4())):
        assert await confirm(desk, wrong, status=404) == "confirmation_invalid"
    # Somebody who has registered a stranger's address gets nowhere by the stranger's click.
    assert await confirm(desk, code, who=stranger, status=404) == "confirmation_invalid"
    later = await asked(desk)
    async with resources.db.unit_of_work() as db:
        first = select(func.min(EmailConfirmation.created_at)).scalar_subquery()
        old = update(EmailConfirmation).where(EmailConfirmation.created_at == first)
        await db.execute(old.values(expires_at=now() - timedelta(seconds=1)))
    assert await confirm(desk, code, status=404) == "confirmation_invalid"
    await confirm(desk, later)
    assert await confirm(desk, later, status=404) == "confirmation_invalid"
    again = await desk.call("POST", f"{ME}/email/confirmation", status=202)
    assert (again["expires_at"], again["email_confirmed_at"] is not None) == (None, True)
    async with resources.db.unit_of_work() as db:
        await confirming.forget_old(db)
    async with resources.db.session() as db:
        assert (await db.execute(select(func.count()).select_from(EmailConfirmation))).scalar_one() == 1


async def test_only_so_many_are_asked_for_and_tried(desk: MailDesk, resources: Resources) -> None:
    for _ in range(3):
        await desk.call("POST", f"{ME}/email/confirmation", status=202)
    refused = await desk.call("POST", f"{ME}/email/confirmation", status=429)
    assert refused["code"] == "too_many_confirmations"
    await desk.call("POST", f"{ME}/email/confirmation", who=await register(resources), status=202)
    for _ in range(30):
        await confirm(desk, "x", status=404)
    assert await confirm(desk, "x", status=429) == "too_many_confirmations"


async def test_a_desk_without_mail_says_so(api: httpx2.AsyncClient, resources: Resources) -> None:
    ann = await register(resources)
    answer = await api.post(f"{ME}/email/confirmation", headers=ann.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "confirmation_off")
    assert "EVIDESK_MAIL__ADDRESS" in answer.json()["detail"]


async def test_a_code_waits_for_a_server_that_is_busy_and_is_the_same_again(desk: MailDesk) -> None:
    receiver = Receiver("451 busy")
    async with receiving(desk, receiver):
        await desk.call("POST", f"{ME}/email/confirmation", status=202)
        await desk.work()
        (envelope,) = receiver.taken
        async with desk.resources.db.session() as db:
            job = (await db.execute(select(Job).where(Job.kind == confirming.CONFIRM))).scalar_one()
        assert (job.state, job.attempts) == ("succeeded", 2)
        # Delivered twice by the broker, it is done once.
        await service.send_confirmation(desk.resources, job.id)
    assert len(receiver.taken) == 1
    assert b"Auto-Submitted: auto-generated" in (envelope.content or b"")


@pytest.mark.parametrize("answer", ["550 no such user"])
async def test_a_code_that_no_server_takes_is_not_sent_again(desk: MailDesk, answer: str) -> None:
    receiver = Receiver(answer)
    async with receiving(desk, receiver):
        await desk.call("POST", f"{ME}/email/confirmation", status=202)
        await desk.work()
        async with desk.resources.db.session() as db:
            job = (await db.execute(select(Job).where(Job.kind == confirming.CONFIRM))).scalar_one()
    assert (job.state, job.error, receiver.taken) == ("failed", f"SMTP {answer[:3]}: {answer[4:]}", [])


async def test_the_mail_names_the_desks_own_page(desk: MailDesk) -> None:
    desk.with_mail(confirm_url="https://desk.example/confirm#{token}")
    code = await asked(desk)
    assert f"https://desk.example/confirm#{code}" in plain(desk.sent()[-1])
