"""A mail in a worker: read, told from machines' mail, put into its conversation. What came of it is one transaction."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.conversations import service as conversations
from app.conversations.errors import SessionNotEscalated
from app.core.auth import Principal
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import Settings
from app.jobs import claims
from app.jobs import service as jobs
from app.jobs.service import Claim
from app.mail import repository
from app.mail.parsing.authentication import authenticated
from app.mail.parsing.kinds import kind_of
from app.mail.parsing.mail import ParsedMail, parse
from app.mail.parsing.structure import Unreadable
from app.mail.service import attaching, joining, senders
from app.mail.service.attaching import Held
from app.mail.service.joining import Place
from app.mail.sources.base import plain_address
from app.models.conversation import ChannelName
from app.models.mail import JoinReason, Mail, MailJoin, MailKind, MailState, MailThread, SentState
from app.tickets.errors import TicketClosed, TicketMissing
from app.tickets.service import DESK

PATIENCE = timedelta(seconds=60)
"""So long a mail that refers to an unknown one waits for those that came before it to be read."""
_REST = timedelta(seconds=1)
_LOCK = 1702257004
"""First half of the advisory locks; the second is of a Message-ID."""
CONTENT_CHARS = 90_000
OTHERS_MOST = 20
CUT = "\n\n[… The mail goes on; the staff has all of it.]"
NO_SENDER = "No usable sender: nobody could be answered."
BY_MACHINE = "Nothing that a machine has sent is answered ({kind})."
TOO_MANY = "More than {most} mails of this sender within an hour."
CLOSED_ACCOUNT = "The sender's account is closed."
STAFF_TOO_EARLY = "Staff answers by mail in conversations that are with a person; this one is not."
GIVEN_UP = "It could not be taken in: {error}"
_NO_TEXT = "(A mail without text.)"


async def take_in(resources: Resources, job_id: UUID) -> None:
    """Nothing happens when another worker has it, or it is done. Raises ClaimLost."""
    async with claims.hold(resources, job_id) as claim:
        if claim is None:
            return
        mail_id = UUID(claim.subject)
        async with resources.db.session() as db:
            row = await db.get(Mail, mail_id)
        if row is None or row.state != MailState.RECEIVED or row.storage_key is None:
            async with resources.db.unit_of_work() as db:
                await jobs.succeed(db, claim)
            return
        raw = b"".join([chunk async for chunk in resources.storage.read(row.storage_key)])
        try:
            parsed = await asyncio.to_thread(parse, raw)
        except Unreadable as error:
            async with resources.db.unit_of_work() as db:
                await jobs.succeed(db, claim)
                await _unreadable(db, mail_id, error.reason)
            return
        await _take(resources, claim, mail_id, parsed)


async def give_up(db: AsyncSession, mail_id: UUID, *, reason: str) -> None:
    """Tried as often as may be: for administrators to look at, and to try again."""
    await _unreadable(db, mail_id, GIVEN_UP.format(error=reason))


async def _unreadable(db: AsyncSession, mail_id: UUID, reason: str) -> None:
    mail = await repository.locked(db, mail_id)
    if mail is not None and mail.state == MailState.RECEIVED:
        mail.state, mail.note = MailState.UNREADABLE, reason


async def _take(resources: Resources, claim: Claim, mail_id: UUID, parsed: ParsedMail) -> None:
    settings = resources.settings
    async with resources.db.session() as db:
        row = await db.get_one(Mail, mail_id)
    kind = kind_of(parsed, envelope_from=row.envelope_from, own_addresses=settings.mail.own_addresses)
    wanted = parsed.attachments if kind is MailKind.MESSAGE and parsed.from_address is not None else ()
    held = await attaching.hold(resources, wanted)
    async with resources.db.unit_of_work() as db:
        # Of two copies that came by two roads, the second waits, and then knows the first.
        await db.execute(select(func.pg_advisory_xact_lock(_LOCK, func.hashtext(parsed.message_id))))
        mail = await repository.locked(db, mail_id)
        if mail is not None and mail.state == MailState.RECEIVED:
            place = await _place(db, settings, mail, parsed, kind)
            if await _must_wait(db, mail, parsed, place):
                await jobs.postpone(db, claim, until=now() + _REST)
            else:
                _describe(mail, parsed, kind, authentic=_authentic(parsed, settings))
                await _settle(db, settings, mail, parsed, place, held)
        if not claim.settled:
            await jobs.succeed(db, claim)
    await attaching.let_go(resources, held)


def _authentic(mail: ParsedMail, settings: Settings) -> bool:
    return authenticated(mail, settings.mail.trusted_authserv)


async def _place(db: AsyncSession, settings: Settings, mail: Mail, parsed: ParsedMail, kind: MailKind) -> Place:
    recipients = tuple(mail.envelope_to)
    if kind is MailKind.MESSAGE and parsed.from_address is not None:
        proven = _authentic(parsed, settings)
        staff = await senders.staff_of(db, parsed.from_address, authenticated=proven)
        return await joining.place_of(db, settings, parsed, recipients, staff=staff)
    found = await joining.pointed_at(db, settings, parsed, recipients)
    return Place(None, JoinReason.NEW) if found is None else Place(*found)


async def _must_wait(db: AsyncSession, mail: Mail, parsed: ParsedMail, place: Place) -> bool:
    """What it refers to may be among those that came before it and were not read yet."""
    refers = parsed.references or parsed.in_reply_to
    lost = place.session_id is None and place.note is None
    if not (refers and lost) or mail.created_at < now() - PATIENCE:
        return False
    return await repository.earlier_waits(db, mail)


def _describe(mail: Mail, parsed: ParsedMail, kind: MailKind, *, authentic: bool) -> None:
    mail.kind, mail.message_id, mail.fingerprint = kind, parsed.message_id, parsed.fingerprint
    mail.references = [*dict.fromkeys((*parsed.references, *parsed.in_reply_to))]
    mail.from_address, mail.from_name = parsed.from_address, parsed.from_name or None
    mail.authenticated = authentic
    mail.subject, mail.dated_at = parsed.subject, parsed.dated_at
    mail.body, mail.visible, mail.defects = parsed.text, parsed.folded.visible, list(parsed.defects)


async def _settle(
    db: AsyncSession, settings: Settings, mail: Mail, parsed: ParsedMail, place: Place, held: Sequence[Held]
) -> None:
    twin = await repository.twin_of(db, mail)
    if twin is not None:
        mail.state, mail.note = MailState.DUPLICATE, f"The same as {twin}."
    elif mail.kind == MailKind.MESSAGE:
        await _message(db, settings, mail, parsed, place, held)
    else:
        await _from_machine(db, mail, parsed, place)


async def _from_machine(db: AsyncSession, mail: Mail, parsed: ParsedMail, place: Place) -> None:
    """Beside its conversation, for the staff to see; nobody is told, and nothing follows."""
    if parsed.report is not None and mail.kind == MailKind.BOUNCE:
        about = (*parsed.report.about, *parsed.in_reply_to, *parsed.references)
        sent = await repository.sent_by_ids(db, about) if about else None
        if sent is not None and parsed.report.failed and sent.state == SentState.SENT:
            sent.state, sent.error = SentState.BOUNCED, parsed.report.reason or "It came back."
    mail.note = BY_MACHINE.format(kind=mail.kind)
    if place.session_id is None or mail.kind == MailKind.OWN:
        mail.state = MailState.KEPT
    else:
        await _joined(db, mail, place.session_id, place.reason, mail.note)


async def _message(
    db: AsyncSession, settings: Settings, mail: Mail, parsed: ParsedMail, place: Place, held: Sequence[Held]
) -> None:
    address, most = parsed.from_address, settings.mail.hourly_per_sender
    if address is None:
        mail.state, mail.note = MailState.KEPT, NO_SENDER
    elif await repository.taken_lately(db, address) >= most:
        mail.state, mail.note = MailState.KEPT, TOO_MANY.format(most=most)
    elif place.session_id is None:
        await _open(db, settings, mail, parsed, place, held, address=address)
    else:
        await _go_on(db, settings, mail, parsed, place.session_id, place.reason, held, address=address)


async def _open(
    db: AsyncSession,
    settings: Settings,
    mail: Mail,
    parsed: ParsedMail,
    place: Place,
    held: Sequence[Held],
    *,
    address: str,
) -> None:
    who = await senders.staff_of(db, address, authenticated=mail.authenticated)
    who = who or await senders.requester_of(db, settings.mail, address)
    if who is None:
        mail.state, mail.note = MailState.KEPT, CLOSED_ACCOUNT
        return
    session_id = await begin(db, who, address=address, subject=mail.subject, copied=_others(parsed, settings))
    await _say(db, settings, mail, who, session_id, opening_words(mail), held, unproven=not mail.authenticated)
    mail.sender_id = who.user_id
    await _joined(db, mail, session_id, place.reason, place.note)


async def _go_on(
    db: AsyncSession,
    settings: Settings,
    mail: Mail,
    parsed: ParsedMail,
    session_id: UUID,
    reason: JoinReason,
    held: Sequence[Held],
    *,
    address: str,
) -> None:
    thread = await repository.thread(db, session_id, lock=True)
    customer, _ = await conversations.customer_of(db, DESK, session_id)
    words = words_of(mail)
    if thread is not None and address == thread.address:
        copied = [*dict.fromkeys((*thread.others, *_others(parsed, settings)))]
        thread.others = [one for one in copied if one != address][:OTHERS_MOST]
        await _say(db, settings, mail, customer, session_id, words, held, unproven=not mail.authenticated)
        mail.sender_id = customer.user_id
    elif thread is not None and address in thread.others:
        # In the customer's name, whose conversation it is, and saying so.
        await _say(db, settings, mail, customer, session_id, f"{address} writes:\n\n{words}", held, unproven=True)
    else:
        staff = await senders.staff_of(db, address, authenticated=mail.authenticated)
        try:
            await _say(db, settings, mail, staff or customer, session_id, words, held, unproven=True)
        except (SessionNotEscalated, TicketClosed, TicketMissing):
            mail.state, mail.note = MailState.KEPT, STAFF_TOO_EARLY
            return
        mail.sender_id = None if staff is None else staff.user_id
    await _joined(db, mail, session_id, reason, None)


async def begin(db: AsyncSession, who: Principal, *, address: str, subject: str, copied: Sequence[str] = ()) -> UUID:
    """A conversation whose answers go to this address."""
    session = await conversations.start(db, who, channel=ChannelName.EMAIL)
    others = [one for one in copied if one != address][:OTHERS_MOST]
    db.add(MailThread(session_id=session.session_id, address=address, subject=subject, others=others))
    await db.flush()
    return session.session_id


def words_of(mail: Mail) -> str:
    words = mail.visible.strip() or _NO_TEXT
    return words if len(words) <= CONTENT_CHARS else words[:CONTENT_CHARS] + CUT


def opening_words(mail: Mail) -> str:
    """The subject says what it is about, and often all of it."""
    subject = mail.subject.strip()
    return words_of(mail) if not subject or mail.visible.startswith(subject) else f"{subject}\n\n{words_of(mail)}"


async def _say(
    db: AsyncSession,
    settings: Settings,
    mail: Mail,
    who: Principal,
    session_id: UUID,
    words: str,
    held: Sequence[Held],
    *,
    unproven: bool,
) -> None:
    said = await conversations.say(db, who, session_id, content=words, source_id=f"mail:{mail.id}", unproven=unproven)
    mail.said_id, mail.session_id = said.message_id, session_id
    await attaching.add(db, settings.files, who, mail.id, held)
    await attaching.hang(db, session_id)


async def _joined(db: AsyncSession, mail: Mail, session_id: UUID, reason: JoinReason, note: str | None) -> None:
    mail.state, mail.session_id, mail.joined_by, mail.note = MailState.JOINED, session_id, reason, note
    db.add(MailJoin(mail_id=mail.id, session_id=session_id, reason=reason, note=note))
    await db.flush()


def _others(parsed: ParsedMail, settings: Settings) -> list[str]:
    """Whom the sender has let in, but for the desk itself under any of its names."""
    own = settings.mail.own_addresses
    return [one for one in parsed.copied if one not in own and plain_address(one) not in own]
