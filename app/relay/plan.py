"""What a batch of rows leads to, worked out before anything is sent. A row that cannot be worked out fails alone."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from opentelemetry.trace import SpanKind

from app.core.tasks import TaskCall
from app.core.telemetry import continued, inject, span
from app.outbox.deliveries import Push
from app.relay.batch import ClaimedRow, Failure
from app.relay.registry import Subscriptions


class RepeatedChannel(Exception):
    """An event pushes twice to one channel; its second message would be taken for a repetition of the first."""


@dataclass(frozen=True, slots=True)
class PlannedPush:
    row: ClaimedRow
    push: Push
    data: str
    """`push.data` as JSON."""


@dataclass(frozen=True, slots=True)
class PlannedCall:
    row: ClaimedRow
    call: TaskCall
    carrier: dict[str, str]


@dataclass(slots=True)
class Plan:
    """All lists are in the order of their rows."""

    rows: list[ClaimedRow] = field(default_factory=list)
    pushes: list[PlannedPush] = field(default_factory=list)
    calls: list[PlannedCall] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    _stopped: dict[str, int] = field(default_factory=dict)
    """By aggregate: the first row that is not delivered now."""

    def fail(self, row: ClaimedRow, error: BaseException) -> None:
        self.failures.append(Failure.of(row, error))
        self.leave(row)

    def leave(self, row: ClaimedRow) -> None:
        """Not now: neither this row nor those behind it in its aggregate."""
        self._stopped[row.aggregate] = min(row.id, self._stopped.get(row.aggregate, row.id))

    def stands(self, row: ClaimedRow) -> bool:
        return row.aggregate not in self._stopped or row.id < self._stopped[row.aggregate]

    def delivered(self) -> list[ClaimedRow]:
        """What stands when everything has been sent."""
        return [row for row in self.rows if self.stands(row)]


def make(rows: Sequence[ClaimedRow], subscriptions: Subscriptions) -> Plan:
    plan = Plan()
    for row in rows:
        if not plan.stands(row):
            continue
        try:
            pushes, calls = _work_out(row, subscriptions)
        except Exception as error:  # noqa: BLE001 - an edge: whatever a handler raises is its row's failure
            plan.fail(row, error)
            continue
        plan.rows.append(row)
        plan.pushes += pushes
        plan.calls += calls
    return plan


def _work_out(row: ClaimedRow, subscriptions: Subscriptions) -> tuple[list[PlannedPush], list[PlannedCall]]:
    pushes: list[PlannedPush] = []
    calls: list[PlannedCall] = []
    with continued(row.carrier), span(f"outbox {row.type}", kind=SpanKind.PRODUCER, outbox_id=row.id):
        carrier = inject()
        for delivery in subscriptions.deliveries(row.type, row.payload):
            if isinstance(delivery, Push):
                pushes.append(PlannedPush(row, delivery, json.dumps(delivery.data, allow_nan=False)))
            else:
                calls.append(PlannedCall(row, delivery, carrier))
    if len({planned.push.channel for planned in pushes}) < len(pushes):
        raise RepeatedChannel(row.type)
    return pushes, calls
