"""A desk that is written to by mail, with maildirs of the test's own and workers that work when a test says so."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx2
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import select

from app.core.auth import Role
from app.core.resources import Resources
from app.core.settings import Settings
from app.core.settings.mail import MailSettings
from app.core.tasks import TaskCall
from app.mail import service, tasks
from app.mail.sources.maildir import MaildirSource
from app.models.mail import Mail
from tests.conversations.conftest import Desk
from tests.factories.people import register

MAILS = "/api/v1/mails"
SUPPORT = "support@desk.example"
SECRET = "a shared secret of two machines"
_CARRIED_OUT = (
    tasks.take_in,
    tasks.give_up_taking,
    tasks.put_on_way,
    tasks.send,
    tasks.give_up_sending,
    tasks.send_confirmation,
    tasks.hang,
)
_numbers = count(1)


def letter(
    text: str = "How do I restart the scanner?",
    *,
    sender: str = "Ada <ada@example.org>",
    to: str = SUPPORT,
    subject: str = "Scanner",
    **headers: str,
) -> EmailMessage:
    """A mail as a person's program writes it; `in_reply_to` and the like are further headers."""
    # Within 78 characters Python writes long Message-IDs as encoded words, as no program of people's does.
    mail = EmailMessage(policy=default.clone(max_line_length=998))
    mail["From"], mail["To"], mail["Subject"] = sender, to, subject
    mail["Date"] = "Wed, 25 Nov 2026 10:00:00 +0000"
    mail["Message-ID"] = headers.pop("message_id", f"<{next(_numbers)}@example.org>")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail


@dataclass
class MailDesk(Desk):
    admin: Any = None
    folder: Path = field(default_factory=Path)

    @property
    def mail(self) -> MailSettings:
        return self.resources.settings.mail

    def with_mail(self, **changed: Any) -> Resources:
        """The same resources under other rules of mail."""
        mail = self.mail.model_copy(update=changed)
        self.resources = replace(self.resources, settings=self.resources.settings.model_copy(update={"mail": mail}))
        return self.resources

    async def drop(self, mail: EmailMessage | bytes) -> Mail:
        """Into the maildir, and looked for, and worked on."""
        raw = mail if isinstance(mail, bytes) else bytes(mail)
        new = self.folder / "in" / "new"
        new.mkdir(parents=True, exist_ok=True)
        (new / f"{next(_numbers):06d}.test").write_bytes(raw)
        await MaildirSource(self.resources).look()
        await self.work()
        return await self.last()

    async def mails(self) -> Sequence[Mail]:
        async with self.resources.db.session() as db:
            return (await db.execute(select(Mail).order_by(Mail.id))).scalars().all()

    async def last(self) -> Mail:
        return (await self.mails())[-1]

    def sent(self) -> list[EmailMessage]:
        """What went out, oldest first."""
        files = sorted((self.folder / "out" / "new").glob("*"), key=lambda path: (path.stat().st_mtime_ns, path.name))
        parsed = [message_from_bytes(path.read_bytes(), policy=default) for path in files]
        return list(parsed)

    def reply(self, to: EmailMessage, text: str, **headers: str) -> EmailMessage:
        """As a mail program answers, with everything quoted."""
        quoted = "\n".join(f"> {line}" for line in plain(to).splitlines())
        return letter(
            f"{text}\n\nOn Wed, 25 Nov 2026 at 10:01, Support <{SUPPORT}> wrote:\n{quoted}\n",
            to=headers.pop("to", str(to["Reply-To"])),
            subject=headers.pop("subject", str(to["Subject"])),
            **{"in_reply_to": str(to["Message-ID"]), "references": str(to["Message-ID"]), **headers},
        )

    async def run(self, call: TaskCall) -> None:
        await super().run(call)
        for task in _CARRIED_OUT:
            if task.name == call.name:
                await task.handler(self.resources, UUID(str(call.args[0])))


def plain(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


@pytest.fixture
def with_mail(settings: Settings, tmp_path: Path) -> Settings:
    mail = MailSettings(
        address=SUPPORT,
        maildir=tmp_path / "in",
        maildir_out=tmp_path / "out",
        webhook_secret=SecretStr(SECRET),
        poll_seconds=0.05,
        max_bytes=200_000,
    )
    return settings.model_copy(update={"mail": mail})


@pytest.fixture
async def desk(
    app: FastAPI, api: httpx2.AsyncClient, resources: Resources, with_mail: Settings, tmp_path: Path
) -> MailDesk:
    # The application is shared with other tests, and this state is not.
    app.state.resources = replace(app.state.resources, settings=with_mail)
    return MailDesk(
        api,
        replace(resources, settings=with_mail),
        await register(resources),
        await register(resources, Role.AGENT),
        admin=await register(resources, Role.ADMIN),
        folder=tmp_path,
    )


__all__ = ["MAILS", "SECRET", "SUPPORT", "MailDesk", "letter", "plain", "service"]
