"""PostgreSQL and Redis together, each only where no address of a running one is given."""

from pathlib import Path
from types import TracebackType
from typing import Self

from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis


class DataPlane:
    """`with DataPlane(directory) as plane:` gives `plane.database_url` and `plane.redis_url`.

    Start it from a thread that lives as long as it should: the servers die with that thread.
    """

    def __init__(
        self, data_dir: Path, *, database_url: str | None = None, redis_url: str | None = None, durable: bool = True
    ) -> None:
        self.postgres = EmbeddedPostgres(data_dir, durable=durable) if database_url is None else None
        self.redis = EmbeddedRedis(data_dir, durable=durable) if redis_url is None else None
        self._database_url = database_url
        self._redis_url = redis_url

    @property
    def database_url(self) -> str:
        return self.postgres.url if self.postgres is not None else self._database_url or ""

    @property
    def redis_url(self) -> str:
        return self.redis.url if self.redis is not None else self._redis_url or ""

    def start(self) -> None:
        try:
            if self.redis is not None:
                self.redis.start()
            if self.postgres is not None:
                self.postgres.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        if self.postgres is not None:
            self.postgres.stop()
        if self.redis is not None:
            self.redis.stop()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
