"""The embedded Redis: what it promises to whoever starts it."""

import stat
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError

from app.embedded.process import StartFailed
from app.embedded.redis import EmbeddedRedis


def test_what_was_written_survives_a_restart_on_the_same_port(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    try:
        url = server.url
        with Redis.from_url(url) as client:
            client.set("kept", "yes")
        server.stop()
        assert not server.is_ready()
        server.start()
        assert server.url == url
        with Redis.from_url(url) as client:
            assert client.get("kept") == b"yes"
    finally:
        server.stop()


def test_it_wants_its_password(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path, durable=False)
    server.start()
    try:
        with Redis(port=server.port) as stranger, pytest.raises(AuthenticationError):
            stranger.ping()
    finally:
        server.stop()
    for name in ("redis.password", "redis/redis.conf"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_it_can_be_killed_and_started_again(tmp_path: Path) -> None:
    server = EmbeddedRedis(tmp_path)
    server.start()
    server.kill()
    assert not server.is_ready()
    server.kill()
    server.start()
    server.stop()


def test_a_busy_port_is_said_with_the_log(tmp_path: Path) -> None:
    first = EmbeddedRedis(tmp_path / "first", durable=False)
    first.start()
    try:
        second = EmbeddedRedis(tmp_path / "second", durable=False)
        second.port = first.port
        with pytest.raises(StartFailed, match="Redis did not start"):
            second.start()
        assert second.process is None
    finally:
        first.stop()
