"""Every event and what it leads to, in one place. A room adds its lines to `build`; nothing registers itself."""

from app.outbox.registry import Subscriptions


def build() -> Subscriptions:
    return Subscriptions()
