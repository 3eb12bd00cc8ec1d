"""Mail to a server by SMTP, in a thread: the standard library's client blocks."""

import asyncio
import smtplib
import ssl
from email.message import EmailMessage

from app.core.settings import MailSettings
from app.mail import oauth
from app.mail.tls import client_context, trouble
from app.mail.transports.base import Away, Refused

_FIRST_LASTING = 500
_PASSWORD = (530, 534, 535, 538)
_NO_STARTTLS = "The server offers no STARTTLS, which EVIDESK_MAIL__SMTP_SECURITY asks for; nothing was sent."


class SmtpTransport:
    def __init__(self, settings: MailSettings) -> None:
        self._settings = settings

    async def send(self, message: EmailMessage, *, sender: str, recipient: str, name: str) -> None:
        del name  # servers know a mail by its Message-ID
        await asyncio.to_thread(self._send, message.as_bytes(), sender, recipient)

    def _send(self, content: bytes, sender: str, recipient: str) -> None:
        try:
            server = self._connected()
        except oauth.TokenAway as error:
            raise Away(error.reason) from None
        except smtplib.SMTPResponseException as error:
            # Whatever it says before it knows the mail is not about the mail.
            raise Away(_said(error.smtp_code, error.smtp_error)) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Away(f"The server cannot be used: {trouble(error)}.") from error
        # Not its context manager, which raises when the last word is lost, after the mail was taken.
        try:
            server.sendmail(sender, [recipient], content)
        except smtplib.SMTPRecipientsRefused as error:
            code, words = next(iter(error.recipients.values()))
            raise _fault(code, words) from error
        except smtplib.SMTPResponseException as error:
            raise _fault(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError, ValueError) as error:
            raise Away(f"The server gives no answer ({type(error).__name__}).") from error
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        given = self._settings
        host, port, seconds = given.smtp_host or "localhost", given.smtp_port, given.smtp_seconds
        server: smtplib.SMTP
        if given.smtp_security == "tls":
            context = client_context(given)
            server = smtplib.SMTP_SSL(host, port, local_hostname=given.domain, timeout=seconds, context=context)
        else:
            server = smtplib.SMTP(host, port, local_hostname=given.domain, timeout=seconds)
        try:
            server.ehlo_or_helo_if_needed()
            if given.smtp_security == "starttls":
                _upgrade(server, client_context(given))
            self._log_in(server)
        except BaseException:
            server.close()
            raise
        return server

    def _log_in(self, server: smtplib.SMTP) -> None:
        given = self._settings
        if given.smtp_user and given.smtp_password:
            server.login(given.smtp_user, given.smtp_password.get_secret_value())
        elif given.smtp_user and given.oauth_token_url:
            answer = oauth.response(given, given.smtp_user)
            server.ehlo_or_helo_if_needed()
            try:
                # To a challenge, which says why it was refused, the answer is empty.
                server.auth("XOAUTH2", lambda challenge=None: answer if challenge is None else "")
            except smtplib.SMTPAuthenticationError:
                oauth.forget(given)
                raise


def _upgrade(server: smtplib.SMTP, context: ssl.SSLContext) -> None:
    if not server.has_extn("starttls"):
        raise Away(_NO_STARTTLS)
    server.starttls(context=context)


def _fault(code: int, words: bytes | str) -> Away | Refused:
    # A wrong password is for an administrator to mend, and the mail should go out then.
    lasting = code >= _FIRST_LASTING and code not in _PASSWORD
    return Refused(_said(code, words)) if lasting else Away(_said(code, words))


def _said(code: int, words: bytes | str) -> str:
    said = " ".join((words.decode("utf-8", "replace") if isinstance(words, bytes) else words).split())[:300]
    return f"SMTP {code}: {said}"
