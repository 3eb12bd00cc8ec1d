"""What the end of a run leads to, and what this room makes of other rooms' events."""

from app.agents import tasks
from app.agents.events import RunCompleted, RunFailed
from app.agents.service import channel
from app.files.events import FileDeleted, FileProcessingFailed, OcrCompleted, TranscriptionCompleted
from app.outbox.deliveries import Delivery, Push


def after_run(event: RunCompleted | RunFailed) -> list[Delivery]:
    """Whoever waits for the run is told."""
    kind = "run_completed" if isinstance(event, RunCompleted) else "run_failed"
    return [Push(channel(event.run_id), "agent", kind, event.model_dump(mode="json"))]


def after_recognition(
    event: OcrCompleted | TranscriptionCompleted | FileProcessingFailed | FileDeleted,
) -> list[Delivery]:
    """Runs that wait for the file go on, whatever became of it."""
    return [tasks.resume.call(event.file_id)]
