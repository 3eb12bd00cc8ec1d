"""What the end of a run leads to: whoever waits for it is told."""

from app.agents.events import RunCompleted, RunFailed
from app.agents.service import channel
from app.outbox.deliveries import Delivery, Push


def after_run(event: RunCompleted | RunFailed) -> list[Delivery]:
    kind = "run_completed" if isinstance(event, RunCompleted) else "run_failed"
    return [Push(channel(event.run_id), "agent", kind, event.model_dump(mode="json"))]
