"""Mail to a server by SMTP, in a thread: the standard library's client blocks."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage

from app.core.settings import MailSettings
from app.mail.transports.base import Away, Refused

_FIRST_LASTING = 500


class SmtpTransport:
    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, message: EmailMessage, *, sender: str, recipient: str, name: str) -> None:
        del name  # servers know a mail by its Message-ID
        try:
            await asyncio.to_thread(self._send, message.as_bytes(), sender, recipient)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _fault(code, words) from error
        except smtplib.SMTPResponseException as error:
            raise _fault(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Away(f"The server gives no answer ({type(error).__name__}).") from error

    def _send(self, content: bytes, sender: str, recipient: str) -> None:
        given = self._settings
        host = given.smtp_host or "localhost"
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if given.smtp_security == "tls":
            server = smtplib.SMTP_SSL(
                host, given.smtp_port, local_hostname=given.domain, timeout=given.smtp_seconds, context=context
            )
        else:
            server = smtplib.SMTP(host, given.smtp_port, local_hostname=given.domain, timeout=given.smtp_seconds)
        # Not its context manager, which raises when the last word is lost, after the mail was taken.
        try:
            if given.smtp_security == "starttls":
                server.starttls(context=context)
            if given.smtp_user and given.smtp_password:
                server.login(given.smtp_user, given.smtp_password.get_secret_value())
            server.sendmail(sender, [recipient], content)
        finally:
            server.close()


def _fault(code: int, words: bytes | str) -> Away | Refused:
    said = " ".join((words.decode("utf-8", "replace") if isinstance(words, bytes) else words).split())[:300]
    reason = f"SMTP {code}: {said}"
    # A wrong password is for an administrator to mend, and the mail should go out then.
    lasting = code >= _FIRST_LASTING and code not in (530, 534, 535, 538)
    return Refused(reason) if lasting else Away(reason)
