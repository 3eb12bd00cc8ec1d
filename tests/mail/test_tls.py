"""TLS to and from other servers, whose certificates are of the test's own authority: no word in the clear."""

import asyncio
import base64
import contextlib
import json
import smtplib
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult
from pydantic import SecretStr
from sqlalchemy import select

from app.core.settings.mail import MailSettings
from app.mail import oauth
from app.mail.sources.base import SourceAway
from app.mail.sources.imap import ImapSource
from app.mail.tls import client_context
from app.models.mail import SentMail
from tests.mail.conftest import MAILS, SUPPORT, MailDesk, letter
from tests.mail.peers import ImapPeer
from tests.mail.test_sources import Receiver, listening

TLS = pytest.mark.parametrize("security", ["tls", "starttls"])


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def authorities(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "authorities.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


def imap(desk: MailDesk, peer: ImapPeer, **changed: Any) -> ImapSource:
    given = {
        "imap_host": "127.0.0.1",
        "imap_port": peer.port,
        "imap_user": "desk",
        "imap_password": SecretStr("secret"),
    }
    return ImapSource(desk.with_mail(**given | changed))


@TLS
async def test_a_folder_is_read_by_tls_once_its_authority_is_known(
    desk: MailDesk, authority: trustme.CA, authorities: Path, security: str
) -> None:
    peer = ImapPeer(tls=server_tls(authority), upgrades=security == "starttls")
    async with peer.served():
        peer.put(bytes(letter()))
        with pytest.raises(SourceAway, match=r"certificate is not accepted: .*EVIDESK_MAIL__TLS_AUTHORITIES"):
            await imap(desk, peer, imap_security=security).look()
        assert (await desk.mails(), peer.inbox[1].flags) == ([], set())
        assert await imap(desk, peer, imap_security=security, tls_authorities=authorities).look() == 1
    assert len(await desk.mails()) == 1
    assert not any("LOGIN" in line for line in peer.overheard)
    assert [line for line in peer.commands if line.startswith("LOGIN")] == ['LOGIN desk "secret"']


@TLS
async def test_a_folders_certificate_must_be_for_that_server(
    desk: MailDesk, authority: trustme.CA, authorities: Path, security: str
) -> None:
    peer = ImapPeer(tls=server_tls(authority, "elsewhere.example"), upgrades=security == "starttls")
    async with peer.served():
        with pytest.raises(SourceAway, match=r"127\.0\.0\.1"):
            await imap(desk, peer, imap_security=security, tls_authorities=authorities).look()
    assert not any("LOGIN" in line for line in peer.commands)


@TLS
async def test_a_folder_without_tls_is_not_opened_in_the_clear(
    desk: MailDesk, authorities: Path, security: str
) -> None:
    async with ImapPeer().served() as peer:
        with pytest.raises(SourceAway, match="STARTTLS" if security == "starttls" else "TLS fails"):
            await imap(desk, peer, imap_security=security, tls_authorities=authorities).look()
    assert not any("LOGIN" in line for line in peer.commands)
    with pytest.raises(SourceAway, match="there is no file"):
        await imap(desk, peer, imap_security="tls", tls_authorities=Path("/none.pem")).look()


@contextlib.asynccontextmanager
async def receiving(desk: MailDesk, receiver: Receiver, security: str, tls: ssl.SSLContext, **options: Any) -> Any:
    upgraded: dict[str, Any] = {"tls_context": tls, "require_starttls": True} if security == "starttls" else {}
    server = await asyncio.get_running_loop().create_server(
        lambda: SMTP(receiver, **upgraded, **options), "127.0.0.1", 0, ssl=tls if security == "tls" else None
    )
    async with server:
        port = server.sockets[0].getsockname()[1]
        desk.with_mail(transport="smtp", smtp_host="127.0.0.1", smtp_port=port, smtp_security=security)
        yield


async def sent_row(desk: MailDesk) -> SentMail:
    async with desk.resources.db.session() as db:
        return (await db.execute(select(SentMail))).scalar_one()


@TLS
async def test_an_answer_waits_for_a_server_that_proves_who_it_is(
    desk: MailDesk, authority: trustme.CA, authorities: Path, security: str
) -> None:
    receiver = Receiver()
    async with receiving(desk, receiver, security, server_tls(authority)):
        await desk.drop(letter())
        row = await sent_row(desk)
        assert (row.state, "certificate is not accepted" in (row.error or ""), receiver.taken) == ("failed", True, [])
        desk.with_mail(tls_authorities=authorities)
        await desk.call("POST", f"{MAILS}/sent/{row.id}/retry", who=desk.agent)
        await desk.work()
    assert ((await sent_row(desk)).state, len(receiver.taken)) == ("sent", 1)


@TLS
async def test_an_answer_is_not_sent_in_the_clear_to_a_server_without_tls(
    desk: MailDesk, authority: trustme.CA, security: str
) -> None:
    receiver = Receiver()
    async with receiving(desk, receiver, "none", server_tls(authority)):
        desk.with_mail(smtp_security=security)
        await desk.drop(letter())
    row = await sent_row(desk)
    assert (row.state, receiver.taken) == ("failed", [])
    assert ("offers no STARTTLS" if security == "starttls" else "TLS fails") in (row.error or "")


class Tokens:
    """An OAuth server; each token is another."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.answer: dict[str, Any] | None = None
        self.url = ""

    @contextlib.asynccontextmanager
    async def served(self, tls: ssl.SSLContext) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=tls)
        async with server:
            self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/token"
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        length = next(int(line.split(":")[1]) for line in head.split("\r\n") if line.startswith("content-length"))
        self.asked.append((await reader.readexactly(length)).decode())
        given = self.answer or {"access_token": f"token-{len(self.asked)}", "expires_in": 3600}
        body = json.dumps(given).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        await writer.drain()
        writer.close()


class Gate(Receiver):
    """Takes mail of those who show this token."""

    bearer = "token-1"

    async def auth_XOAUTH2(self, server: SMTP, args: list[str]) -> AuthResult:  # noqa: N802 - the library calls it so
        del server

        given = base64.b64decode(args[1]).decode()
        return AuthResult(success=given == f"user=desk\x01auth=Bearer {self.bearer}\x01\x01", handled=False)


async def test_servers_that_take_tokens_get_one_until_they_refuse_it(
    desk: MailDesk, authority: trustme.CA, authorities: Path
) -> None:
    tls, tokens = server_tls(authority), Tokens()
    peer, gate = ImapPeer(tls=tls, bearer="token-1"), Gate()
    async with tokens.served(tls), peer.served(), receiving(desk, gate, "starttls", tls, auth_required=True):
        desk.with_mail(
            oauth_token_url=tokens.url,
            oauth_client_id="desk",
            oauth_refresh_token=SecretStr("lasting"),
            smtp_user="desk",
            tls_authorities=authorities,
        )
        peer.put(bytes(letter()))
        assert await imap(desk, peer, imap_password=None).look() == 1
        await desk.work()
        assert ((await sent_row(desk)).state, len(gate.taken)) == ("sent", 1)
        assert tokens.asked == ["grant_type=refresh_token&refresh_token=lasting&client_id=desk"]
        peer.bearer = "token-2"
        with pytest.raises(SourceAway):
            await imap(desk, peer, imap_password=None).look()
        assert await imap(desk, peer, imap_password=None).look() == 0
        assert len(tokens.asked) == 2
        tokens.answer = {"access_token": "a\r\nb"}
        oauth.forget(desk.mail)
        with pytest.raises(SourceAway, match="holds no token"):
            await imap(desk, peer, imap_password=None).look()


async def test_mail_is_handed_in_by_starttls_and_not_before_where_that_is_asked_for(
    desk: MailDesk, authority: trustme.CA, authorities: Path, tmp_path: Path
) -> None:
    cert = authority.issue_cert("127.0.0.1")
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    chain.write_bytes(b"".join(one.bytes() for one in cert.cert_chain_pems))
    cert.private_key_pem.write_to_path(str(key))
    mail = bytes(letter())

    def hand_in(port: int, context: ssl.SSLContext | None) -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=30) as client:
            if context is not None:
                client.starttls(context=context)
            client.sendmail("ada@example.org", [SUPPORT], mail)

    given = {"smtp_in_certificate": chain, "smtp_in_key": key, "smtp_in_require_tls": True}
    async with listening(desk, **given) as source:
        port = source.port or 0
        with pytest.raises(smtplib.SMTPResponseException) as refused:
            await asyncio.to_thread(hand_in, port, None)
        assert refused.value.smtp_code == 530
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.to_thread(hand_in, port, client_context(desk.mail))
        assert await desk.mails() == []
        trusting = client_context(desk.mail.model_copy(update={"tls_authorities": authorities}))
        await asyncio.to_thread(hand_in, port, trusting)
        assert len(await desk.mails()) == 1
        assert b"MAIL" not in await asyncio.to_thread(_smuggled, port, trusting)


def _smuggled(port: int, context: ssl.SSLContext) -> bytes:
    """What a server answers within TLS, after commands that came in the clear together with STARTTLS."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as plain:
        plain.recv(1000)
        plain.sendall(b"EHLO me\r\n")
        plain.recv(1000)
        plain.sendall(b"STARTTLS\r\nMAIL FROM:<eve@evil.example>\r\n")
        said = plain.recv(1000)
        if said.count(b"\r\n") > 1 or not said.startswith(b"220"):
            return b""
        with contextlib.suppress(OSError), context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(b"RCPT TO:<support@desk.example>\r\n")
            answer = secure.recv(1000)
            return b"" if answer.startswith(b"5") else b"MAIL was heard: " + answer
    return b""


def test_settings_of_tls_that_cannot_work_are_refused() -> None:
    tokens = {"address": SUPPORT, "oauth_token_url": "https://login.example/token", "oauth_client_id": "desk"}
    lasting = {**tokens, "oauth_refresh_token": "x"}
    for wrong in (
        {"address": SUPPORT, "oauth_token_url": "http://login.example/token"},
        tokens,
        {**lasting, "sources": ["imap"], "imap_host": "h", "imap_user": "u", "imap_security": "none"},
        {**lasting, "transport": "smtp", "smtp_host": "h", "smtp_user": "u", "smtp_security": "none"},
        {"address": SUPPORT, "smtp_in_require_tls": True},
    ):
        with pytest.raises(ValueError, match=r"https|needs|need TLS"):
            MailSettings.model_validate(wrong)
    right = MailSettings.model_validate({**lasting, "sources": ["imap"], "imap_host": "h", "imap_user": "u"})
    assert right.imap_security == "tls"
