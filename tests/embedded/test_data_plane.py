from pathlib import Path

import pytest

from app.embedded.data_plane import DataPlane
from app.embedded.process import StartFailed


def test_only_what_has_no_address_is_started(tmp_path: Path) -> None:
    with DataPlane(tmp_path, database_url="postgresql://elsewhere/desk", durable=False) as plane:
        assert plane.postgres is None
        assert plane.database_url == "postgresql://elsewhere/desk"
        assert plane.redis is not None
        assert plane.redis_url == plane.redis.url
        assert plane.redis.is_ready()
    assert not plane.redis.is_ready()


def test_nothing_is_started_when_both_are_given(tmp_path: Path) -> None:
    with DataPlane(tmp_path, database_url="postgresql://a/b", redis_url="redis://c/0") as plane:
        assert plane.redis_url == "redis://c/0"
    assert list(tmp_path.iterdir()) == []


def test_one_that_fails_stops_the_other(tmp_path: Path) -> None:
    plane = DataPlane(tmp_path, durable=False)
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "18.new").write_text("in the way")
    with pytest.raises(StartFailed):
        plane.start()
    assert plane.redis is not None
    assert plane.redis.process is None
    assert not plane.redis.is_ready()
