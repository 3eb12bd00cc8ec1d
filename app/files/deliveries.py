"""What the end of a file leads to."""

from app.files.events import FileDeleted, FileObjectLeft
from app.files.tasks import removal
from app.outbox.deliveries import Delivery


def after_deletion(event: FileDeleted) -> list[Delivery]:
    """Each of its objects goes, unless another file has it too."""
    return [removal.remove_object.call(key) for key in event.keys]


def after_sharing(event: FileObjectLeft) -> list[Delivery]:
    return [removal.remove_object.call(event.key)]
