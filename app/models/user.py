"""People, and the credentials they log in with. No secret is stored: passwords as Argon2 hashes, tokens as SHA-256."""

import uuid
from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, LargeBinary, String, Text, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.core.auth import Principal, Role
from app.models.base import Base, Identified, Numbered, Stamped, one_of


class User(Numbered, Stamped, Base):
    __tablename__ = "users"
    __table_args__ = (
        one_of("role", Role),
        CheckConstraint("username = lower(username)", name="username_lower"),
        CheckConstraint("email = lower(email)", name="email_lower"),
    )

    username: Mapped[str] = mapped_column(String(50), unique=True)
    email: Mapped[str] = mapped_column(String(320), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[str] = mapped_column(String(20), default=Role.CUSTOMER)
    active: Mapped[bool] = mapped_column(default=True)
    # When its owner has shown that they read its mail; registering shows nothing.
    email_confirmed_at: Mapped[datetime | None]
    teams: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list, server_default=text("'{}'"))
    version: Mapped[int] = mapped_column(default=1)

    def as_principal(self, scopes: frozenset[str] | None = None) -> Principal:
        return Principal(self.id, self.username, Role(self.role), scopes, frozenset(self.teams))


class EmailConfirmation(Identified, Stamped, Base):
    """A mail to an account's address, asking to hand its code back. The code follows from the row: it is not stored."""

    __tablename__ = "email_confirmations"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    email: Mapped[str] = mapped_column(String(320))
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class LoginFamily(Identified, Stamped, Base):
    """One login and all refresh tokens that came from it; revoking it ends them all."""

    __tablename__ = "login_families"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]


class RefreshToken(Numbered, Stamped, Base):
    """A one-time token. Seen a second time, it was stolen on one of the two sides: its family is revoked."""

    __tablename__ = "refresh_tokens"

    family_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("login_families.id", ondelete="CASCADE"), index=True)
    token_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    used_at: Mapped[datetime | None]


class ApiKey(Numbered, Stamped, Base):
    __tablename__ = "api_keys"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    prefix: Mapped[str] = mapped_column(String(16))
    key_hash: Mapped[bytes] = mapped_column(LargeBinary(32), unique=True)
    scopes: Mapped[list[str]] = mapped_column(ARRAY(Text))
    expires_at: Mapped[datetime | None]
    last_used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
