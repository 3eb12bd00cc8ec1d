"""A server that others hand mail to. It says 250 when the mail is durable, and takes mail for its own addresses."""

import asyncio
import ssl
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

from app.core.resources import Resources
from app.core.telemetry import get_logger
from app.mail.service.intake import Incoming, receive
from app.mail.service.keeping import note_look
from app.mail.sources.base import SourceAway, plain_address

log = get_logger(__name__)

CONNECTIONS_MOST = 20
RECIPIENTS_MOST = 100
IDLE_SECONDS = 60


class SmtpSource:
    name = "smtp"

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._settings = resources.settings.mail
        self._open = 0
        self.port: int | None = None
        """Once it listens."""
        self.listening = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        given = self._settings
        try:
            tls = self._tls()
            server = await asyncio.get_running_loop().create_server(
                lambda: _Door(self, tls), given.smtp_in_host, given.smtp_in_port
            )
        except (OSError, ssl.SSLError) as error:
            raise SourceAway(f"Port {given.smtp_in_port} cannot be served ({type(error).__name__}).") from error
        async with server:
            self.port = server.sockets[0].getsockname()[1]
            async with self._resources.db.unit_of_work() as db:
                await note_look(db, self.name, None)
            self.listening.set()
            await stop.wait()

    async def handle_RCPT(  # noqa: N802 - the library calls it so
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if plain_address(address.lower()) not in self._settings.own_addresses:
            return "550 5.1.1 There is no such address here"
        if len(envelope.rcpt_tos) >= RECIPIENTS_MOST:
            return "452 4.5.3 Too many recipients"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - as above
        content = envelope.original_content or b""
        # The library keeps the empty address with its brackets.
        sender = (envelope.mail_from or "").strip("<>")
        mail = Incoming(self.name, content, sender=sender, recipients=tuple(envelope.rcpt_tos))
        try:
            taken = await receive(self._resources, mail)
        except Exception as error:  # noqa: BLE001 - an edge: the library would say 500, and the sender give up
            log.warning("mail_not_stored", error=type(error).__name__)
            return "451 4.3.0 The mail could not be stored; try again later"
        return f"250 2.0.0 {'Taken' if taken.new else 'Known'} as {taken.mail_id}"

    def entered(self) -> bool:
        """Whether there is room for one more."""
        self._open += 1
        return self._open <= CONNECTIONS_MOST

    def left(self) -> None:
        self._open -= 1

    @property
    def requires_tls(self) -> bool:
        return self._settings.smtp_in_require_tls

    @property
    def options(self) -> dict[str, Any]:
        return {"data_size_limit": self._settings.max_bytes, "hostname": self._settings.domain, "timeout": IDLE_SECONDS}

    def _tls(self) -> ssl.SSLContext | None:
        given = self._settings
        if given.smtp_in_certificate is None or given.smtp_in_key is None:
            return None
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given.smtp_in_certificate, given.smtp_in_key)
        return context


class _Door(SMTP):
    """One connection."""

    def __init__(self, source: SmtpSource, tls: ssl.SSLContext | None) -> None:
        super().__init__(
            source, ident="Evidesk", tls_context=tls, require_starttls=source.requires_tls, **source.options
        )
        self._source = source
        self._in = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # STARTTLS makes the connection anew.
        if not self._in:
            self._in = True
            if not self._source.entered() and isinstance(transport, asyncio.Transport):
                transport.write(b"421 4.3.2 Too many connections, try again later\r\n")
                transport.close()
                return
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._in:
            self._in = False
            self._source.left()
        super().connection_lost(error)
