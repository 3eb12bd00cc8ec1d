"""Handing tasks to Celery's broker, in a thread of its own: kombu blocks."""

import asyncio
import contextlib
from concurrent.futures import ThreadPoolExecutor

from kombu import Connection, Producer
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from app.core.redis import REDIS_AWAY
from app.core.tasks import CARRIER_HEADER, celery
from app.relay.plan import Plan, PlannedCall

AWAY = (OperationalError, RedisError, *REDIS_AWAY)
"""The broker's fault, not a row's."""

# Fail fast: the relay itself tries again, and rows are safe where they are.
_TRANSPORT = {"max_retries": 0, "socket_connect_timeout": 2.0, "socket_timeout": 5.0, "retry_on_timeout": False}


class Broker:
    """One connection and one producer, used from one thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="broker")
        self._connection: Connection | None = None
        self._producer: Producer | None = None

    async def publish(self, plan: Plan) -> Exception | None:
        """In order. A call that cannot be encoded or routed fails its row; when the broker is away the rest is left,
        and what is wrong is returned."""
        if not plan.calls:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._publish, plan)

    async def aclose(self) -> None:
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _publish(self, plan: Plan) -> Exception | None:
        for position, planned in enumerate(plan.calls):
            if not plan.stands(planned.row):
                continue
            try:
                self._send(planned)
            except AWAY as error:
                self._close()
                for left in plan.calls[position:]:
                    plan.leave(left.row)
                return error
            except Exception as error:  # noqa: BLE001 - an edge: what the encoder or router raises is its row's failure
                plan.fail(planned.row, error)
        return None

    def _send(self, planned: PlannedCall) -> None:
        if self._producer is None:
            self._connection = celery.connection_for_write(transport_options=_TRANSPORT)
            self._producer = celery.amqp.Producer(self._connection, auto_declare=False)
        celery.send_task(
            planned.call.name,
            args=planned.call.args,
            queue=planned.call.queue,
            expires=planned.call.expires,
            headers={CARRIER_HEADER: planned.carrier},
            producer=self._producer,
            ignore_result=True,
            retry=False,
        )

    def _close(self) -> None:
        connection, self._connection, self._producer = self._connection, None, None
        if connection is not None:
            # It is gone anyway.
            with contextlib.suppress(*AWAY):
                connection.release()
