"""What happened to a person's rights, as those who have let them in are told."""

from datetime import datetime
from typing import ClassVar

from app.core.schemas import Event


class AccessChanged(Event):
    """A role was changed, an account was closed or opened, or a login ended: who they are must be asked again."""

    type: ClassVar[str] = "account.access_changed"
    user_id: int
    timestamp: datetime

    @property
    def aggregate(self) -> str:
        return f"user:{self.user_id}"
