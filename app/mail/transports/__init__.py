"""The roads out, behind one port."""

from app.core.settings import Settings
from app.mail.transports.base import Transport
from app.mail.transports.maildir import MaildirTransport
from app.mail.transports.smtp import SmtpTransport

__all__ = ["open_transport"]


def open_transport(settings: Settings) -> Transport:
    if settings.mail.transport == "smtp":
        return SmtpTransport(settings.mail)
    return MaildirTransport(settings.mail.maildir_out or settings.data_dir / "mail" / "out")
