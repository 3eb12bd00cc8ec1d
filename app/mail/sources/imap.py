"""A folder at a mail provider, by IMAP in a thread: the standard library's client blocks.

How far it was read (UIDVALIDITY and UID, RFC 9051) is committed with each mail; only then is the mail marked as seen,
or moved. A folder that is met for the first time, or has new numbers, is read as far as it is unseen: nobody wants
answers to years of old mail.
"""

import asyncio
import contextlib
import imaplib
import re
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from app.core.resources import Resources
from app.core.storage import StorageError
from app.mail import oauth
from app.mail.service.intake import Along, Incoming, note_too_large, receive
from app.mail.service.keeping import note_look
from app.mail.sources.base import SourceAway, rested
from app.mail.tls import client_context, trouble
from app.models.mail import MailSource as SourceRow

T = TypeVar("T")

_NO_STARTTLS = "The IMAP server offers no STARTTLS, which EVIDESK_MAIL__IMAP_SECURITY asks for."
_SIZE = re.compile(rb"RFC822\.SIZE (\d+)")


class ImapSource:
    name = "imap"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._settings = resources.settings.mail

    async def run(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            await self.look()
            await rested(stop, self._settings.poll_seconds)

    async def look(self) -> int:
        """How many were taken. Raises SourceAway."""
        client = await self._do(self._connected)
        try:
            validity = await self._do(lambda: self._validity(client))
            taken = await self._take_all(client, validity)
        finally:
            await asyncio.to_thread(_leave, client)
        async with self._resources.db.unit_of_work() as db:
            await note_look(db, self.name, None)
        return taken

    async def _take_all(self, client: imaplib.IMAP4, validity: int) -> int:
        async with self._resources.db.session() as db:
            row = await db.get(SourceRow, self.name)
        last = row.last_uid if row is not None and row.uid_validity == validity else 0
        if last and self._settings.imap_done_folder is not None:
            # Taken by one who was killed before it could move them.
            for uid in await self._do(lambda: _found(client, f"UID 1:{last}")):
                await self._do(lambda uid=uid: self._let_go(client, uid))  # type: ignore[misc]
        everything = await self._do(lambda: _found(client, "ALL"))
        wanted = f"UID {last + 1}:*" if last else "UNSEEN"
        # "7:*" names the last mail even if that is number 6.
        uids = [uid for uid in await self._do(lambda: _found(client, wanted)) if uid > last]
        for uid in uids:
            # Until the first look is complete, a number would take along what was seen before it.
            await self._take(client, validity, uid, along=_read_up_to(self.name, validity, uid) if last else None)
        if not last and (end := max([*everything, *uids], default=0)):
            async with self._resources.db.unit_of_work() as db:
                await _read_up_to(self.name, validity, end)(db)
        return len(uids)

    async def _take(self, client: imaplib.IMAP4, validity: int, uid: int, *, along: Along | None) -> None:
        ref = f"{validity}:{uid}"
        size = await self._do(lambda: _size(client, uid))
        if size is None:
            # Somebody else has removed it.
            return
        try:
            if size > self._settings.max_bytes:
                await note_too_large(
                    self._resources, Incoming(self.name, ref.encode(), ref=ref), size=size, along=along
                )
                return
            raw = await self._do(lambda: _bytes(client, uid))
            if raw is not None:
                await receive(self._resources, Incoming(self.name, raw, ref=ref), along=along)
        except StorageError as error:
            raise SourceAway("The store takes no mail just now.") from error
        await self._do(lambda: self._let_go(client, uid))

    async def _do(self, action: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(action)
        except oauth.TokenAway as error:
            raise SourceAway(error.reason) from None
        except (imaplib.IMAP4.error, OSError) as error:
            raise SourceAway(f"The IMAP server cannot be used: {trouble(error)}.") from error

    def _connected(self) -> imaplib.IMAP4:
        given = self._settings
        host, port, seconds = given.imap_host or "localhost", given.imap_port, given.imap_seconds
        client: imaplib.IMAP4
        if given.imap_security == "tls":
            client = imaplib.IMAP4_SSL(host, port, ssl_context=client_context(given), timeout=seconds)
        else:
            client = imaplib.IMAP4(host, port, timeout=seconds)
        try:
            if given.imap_security == "starttls":
                _upgrade(client, client_context(given))
            self._log_in(client)
        except BaseException:
            # Its socket is gone if it was TLS that failed, and that is what should be told.
            with contextlib.suppress(OSError):
                client.shutdown()
            raise
        return client

    def _log_in(self, client: imaplib.IMAP4) -> None:
        given = self._settings
        user = given.imap_user or ""
        if given.imap_password is not None:
            client.login(user, given.imap_password.get_secret_value())
            return
        # To a second challenge, which says why it was refused, the answer is empty.
        answers = iter([oauth.response(given, user).encode()])
        try:
            client.authenticate("XOAUTH2", lambda _: next(answers, b""))
        except imaplib.IMAP4.error:
            oauth.forget(given)
            raise

    def _validity(self, client: imaplib.IMAP4) -> int:
        _good(client.select(_quoted(self._settings.imap_folder)))
        _, found = client.response("UIDVALIDITY")
        if not found or not isinstance(found[0], bytes):
            raise imaplib.IMAP4.error("no UIDVALIDITY")
        return int(found[0])

    def _let_go(self, client: imaplib.IMAP4, uid: int) -> None:
        folder = self._settings.imap_done_folder
        if folder is None:
            _good(client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen)"))
        elif "MOVE" in client.capabilities:
            _good(client.uid("MOVE", str(uid), _quoted(folder)))
        else:
            _good(client.uid("COPY", str(uid), _quoted(folder)))
            # Not expunged: that would take along what others have marked.
            _good(client.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Seen \Deleted)"))


def _upgrade(client: imaplib.IMAP4, context: ssl.SSLContext) -> None:
    if "STARTTLS" not in client.capabilities:
        raise SourceAway(_NO_STARTTLS)
    client.starttls(context)


def _read_up_to(name: str, validity: int, uid: int) -> Along:
    async def write(db: AsyncSession) -> None:
        made = insert(SourceRow).values(name=name, uid_validity=validity, last_uid=uid, taken=0)
        await db.execute(
            made.on_conflict_do_update(
                index_elements=[SourceRow.name], set_={"uid_validity": validity, "last_uid": uid}
            )
        )

    return write


def _found(client: imaplib.IMAP4, criteria: str) -> list[int]:
    data = _good(client.uid("SEARCH", f"{criteria} UNDELETED"))
    return sorted(int(uid) for line in data if isinstance(line, bytes) for uid in line.split())


def _size(client: imaplib.IMAP4, uid: int) -> int | None:
    for line in _good(client.uid("FETCH", str(uid), "(RFC822.SIZE)")):
        if isinstance(line, bytes) and (found := _SIZE.search(line)):
            return int(found[1])
    return None


def _bytes(client: imaplib.IMAP4, uid: int) -> bytes | None:
    for line in _good(client.uid("FETCH", str(uid), "(BODY.PEEK[])")):
        if isinstance(line, tuple) and isinstance(line[1], bytes):
            return line[1]
    return None


def _good(answer: tuple[str, list[Any]]) -> list[Any]:
    state, data = answer
    if state != "OK":
        raise imaplib.IMAP4.error(state)
    return data


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _leave(client: imaplib.IMAP4) -> None:
    try:
        client.logout()
    except (imaplib.IMAP4.error, OSError):
        with contextlib.suppress(OSError):
            client.shutdown()
