"""Mail, in and out. Without an address there is none."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, SecretStr, model_validator

from app.core.settings.files import MEBIBYTE

Security = Literal["tls", "starttls", "none"]


def _address(value: str) -> str:
    local, at, domain = value.strip().lower().rpartition("@")
    # A reply address has 44 characters more, and a local part at most 64.
    if not at or not domain or not 1 <= len(local) <= 20 or not value.isascii() or not value.isprintable():
        raise ValueError("must be an address with at most 20 characters before its @")
    if set(value) & set(' ,;:<>()[]\\"+'):
        raise ValueError("must be a plain address, without a name, spaces or a +")
    return f"{local}@{domain}"


Address = Annotated[str, AfterValidator(_address)]


class MailSettings(BaseModel):
    address: Address | None = Field(
        default=None, description="The desk's own address, as support@example.com. Unset: no mail comes in or goes out."
    )
    aliases: list[Address] = Field(default_factory=list, description="Other addresses whose mail comes here.")
    name: str = Field(default="Support", max_length=100, description="The sender's name.")
    sources: list[Literal["maildir", "imap", "smtp"]] = Field(
        default=["maildir"], description='Where `evidesk mail` looks, as ["imap"]. The webhook is the API\'s.'
    )
    transport: Literal["maildir", "smtp"] = Field(default="maildir", description="How mail goes out.")
    maildir: Path | None = Field(default=None, description="Mail comes in here; unset: mail/in in the data directory.")
    maildir_out: Path | None = Field(default=None, description="Mail goes out here; unset: mail/out.")
    poll_seconds: float = Field(default=5.0, gt=0, description="Rest between two looks into a maildir or IMAP folder.")
    max_bytes: int = Field(default=50 * MEBIBYTE, ge=1024, description="A larger mail is refused, or stays there.")
    plus_addressing: bool = Field(
        default=True, description="Replies go to address+token@…; else the token is in Message-ID alone."
    )
    trusted_authserv: str | None = Field(
        default=None, description="Whose Authentication-Results header is believed (its authserv-id, RFC 8601)."
    )
    confirmed_accounts: bool = Field(
        default=True, description="Mail from an address that a customer has confirmed is that customer's account's."
    )
    confirm_url: Annotated[str, Field(pattern=r"^https?://\S*\{token\}\S*$")] | None = Field(
        default=None,
        description="A page of yours that hands the code to POST /users/me/email/confirm, as "
        "https://desk.example/confirm#{token}; the mail names it beside the code.",
    )
    hourly_per_sender: int = Field(default=30, ge=1, description="Mails of one sender that are answered in an hour.")
    webhook_secret: SecretStr | None = Field(default=None, description="Opens POST /mails/inbound/webhook.")
    webhook_seconds: int = Field(default=300, ge=1, description="How old a signed delivery may be.")

    tls_authorities: Path | None = Field(
        default=None, description="PEM; authorities of your own for IMAP and SMTP servers, beside the system's."
    )
    oauth_token_url: Annotated[str, Field(pattern=r"^https://")] | None = Field(
        default=None, description="Where access tokens are fetched; then users without a password log in by XOAUTH2."
    )
    oauth_client_id: str | None = None
    oauth_client_secret: SecretStr | None = None
    oauth_refresh_token: SecretStr | None = Field(default=None, description="Unset: by client_credentials.")
    oauth_scope: str | None = None

    keep_raw_days: int = Field(
        default=90, ge=0, description="Mails as they came are deleted after so long, once they were read; 0: never."
    )

    imap_host: str | None = None
    imap_port: int = Field(default=993, ge=1, le=65535)
    imap_security: Security = "tls"
    imap_user: str | None = None
    imap_password: SecretStr | None = None
    imap_folder: str = "INBOX"
    imap_done_folder: str | None = Field(default=None, description="Mail that was taken is moved here; unset: \\Seen.")
    imap_seconds: float = Field(default=30.0, gt=0, description="Time limit of one exchange.")

    smtp_in_host: str = "127.0.0.1"
    smtp_in_port: int = Field(default=2525, ge=0, le=65535)
    smtp_in_certificate: Path | None = Field(default=None, description="PEM; with the key, STARTTLS is offered.")
    smtp_in_key: Path | None = None
    smtp_in_require_tls: bool = Field(default=False, description="Mail is taken after STARTTLS only.")

    smtp_host: str | None = Field(default=None, description="The server that takes mail from the desk.")
    smtp_port: int = Field(default=587, ge=1, le=65535)
    smtp_security: Security = "starttls"
    smtp_user: str | None = None
    smtp_password: SecretStr | None = None
    smtp_seconds: float = Field(default=30.0, gt=0, description="Time limit of one exchange.")

    @property
    def own_addresses(self) -> frozenset[str]:
        return frozenset([*([self.address] if self.address else []), *self.aliases])

    @property
    def domain(self) -> str:
        return (self.address or "@localhost").rpartition("@")[2]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.address is None:
            return self
        if "imap" in self.sources and not (
            self.imap_host and self.imap_user and (self.imap_password or self.oauth_token_url)
        ):
            raise ValueError(
                "The mail source imap needs EVIDESK_MAIL__IMAP_HOST, _IMAP_USER and _IMAP_PASSWORD (or _OAUTH_…)."
            )
        if self.transport == "smtp" and not self.smtp_host:
            raise ValueError("The mail transport smtp needs EVIDESK_MAIL__SMTP_HOST.")
        if (self.smtp_in_certificate is None) != (self.smtp_in_key is None):
            raise ValueError("EVIDESK_MAIL__SMTP_IN_CERTIFICATE and _SMTP_IN_KEY go together.")
        if self.smtp_in_require_tls and self.smtp_in_certificate is None:
            raise ValueError("EVIDESK_MAIL__SMTP_IN_REQUIRE_TLS needs _SMTP_IN_CERTIFICATE and _SMTP_IN_KEY.")
        self._tokens_are_safe()
        return self

    def _tokens_are_safe(self) -> None:
        if self.oauth_token_url is None:
            return
        if not self.oauth_client_id or not (self.oauth_refresh_token or self.oauth_client_secret):
            raise ValueError(
                "EVIDESK_MAIL__OAUTH_TOKEN_URL needs _OAUTH_CLIENT_ID and _OAUTH_REFRESH_TOKEN or _OAUTH_CLIENT_SECRET."
            )
        imap = "imap" in self.sources and self.imap_password is None and self.imap_security == "none"
        smtp = self.smtp_user and self.smtp_password is None and self.smtp_security == "none"
        if imap or (self.transport == "smtp" and smtp):
            raise ValueError("Access tokens need TLS: set EVIDESK_MAIL__IMAP_SECURITY and _SMTP_SECURITY to it.")
