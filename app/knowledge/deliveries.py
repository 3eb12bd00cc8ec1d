"""What the end of a document leads to."""

from app.files.tasks import removal
from app.knowledge.events import DocumentDeleted
from app.outbox.deliveries import Delivery


def after_deletion(event: DocumentDeleted) -> list[Delivery]:
    """The files that it was sent as go."""
    return [removal.remove_object.call(key) for key in event.keys]
