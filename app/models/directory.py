"""What the desk knows of its customers beyond their login, and of the services that they report about."""

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ForeignKey, String, Text, func
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Mapped, mapped_column

from app.models.base import Base, Numbered, Stamped, one_of


class ServiceState(StrEnum):
    OPERATIONAL = "operational"
    DEGRADED = "degraded"
    OUTAGE = "outage"
    MAINTENANCE = "maintenance"


class CustomerProfile(Numbered, Stamped, Base):
    __tablename__ = "customer_profiles"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), unique=True)
    vip: Mapped[bool] = mapped_column(default=False)
    tier: Mapped[str | None] = mapped_column(String(50))
    organisation: Mapped[str | None] = mapped_column(String(300))


class ServiceStatus(Numbered, Stamped, Base):
    """`aliases` are the other words by which reports name the service."""

    __tablename__ = "service_statuses"
    __table_args__ = (one_of("state", ServiceState),)

    name: Mapped[str] = mapped_column(String(50), unique=True)
    state: Mapped[str] = mapped_column(String(20), default=ServiceState.OPERATIONAL)
    aliases: Mapped[list[str]] = mapped_column(ARRAY(Text), default=list)
    message: Mapped[str | None] = mapped_column(Text)
    since: Mapped[datetime] = mapped_column(server_default=func.now())
