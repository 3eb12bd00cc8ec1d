"""What all tables share: a naming convention (so that migrations can name what they drop) and explicit loading."""

import secrets
import time
import uuid
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, MetaData, func
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar = {datetime: DateTime(timezone=True)}


class Numbered:
    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)


class Identified:
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=lambda: uuid7())


class Stamped:
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


def uuid7() -> uuid.UUID:
    """A time-ordered UUID (RFC 9562 §5.7): millisecond time first, so that its index grows at one end."""
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return uuid.UUID(int=value)


def one_of(column: str, values: type[StrEnum]) -> CheckConstraint:
    """CHECK that a text column holds one of the enum's values."""
    listed = ", ".join(f"'{value}'" for value in values)
    return CheckConstraint(f"{column} IN ({listed})", name=f"{column}_known")
