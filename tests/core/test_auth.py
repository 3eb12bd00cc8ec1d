"""Tokens, and the secret that signs them."""

import stat
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from jose import jwt
from pydantic import SecretStr

from app.core import auth
from app.core.auth import SECRET_FILE, Principal, Role, TokenSigner, signing_secret
from app.core.errors import Unauthenticated
from app.core.settings import AuthSettings, Settings

HOUR = timedelta(hours=1)
SIGNER = TokenSigner("secret")


def test_a_token_brings_back_what_was_signed() -> None:
    token = SIGNER.mint(7, audience="mcp", lifetime=HOUR, family="f", scopes=frozenset({"b", "a"}), run_id="r")
    claims = SIGNER.read(token, audience="mcp")
    assert (claims.user_id, claims.family, claims.scopes, claims.run_id) == (7, "f", frozenset({"a", "b"}), "r")
    plain = SIGNER.read(SIGNER.mint(7, audience="api", lifetime=HOUR), audience="api")
    assert (plain.family, plain.scopes, plain.run_id) == (None, None, None)


def test_two_tokens_of_one_moment_differ() -> None:
    assert SIGNER.mint(7, audience="api", lifetime=HOUR) != SIGNER.mint(7, audience="api", lifetime=HOUR)


def signed(**changes: object) -> str:
    claims = {"iss": "evidesk", "sub": "7", "aud": "api", "exp": 4_000_000_000, **changes}
    return jwt.encode({name: value for name, value in claims.items() if value is not None}, "secret")


@pytest.mark.parametrize(
    "token",
    [
        signed(iss="other"),
        signed(iss=None),
        signed(aud="mcp"),
        signed(aud=None),
        signed(exp=1),
        signed(exp=None),
        signed(exp="soon"),
        signed(sub=None),
        signed(sub="seven"),
        signed(scp=7),
        jwt.encode({"iss": "evidesk", "sub": "7", "aud": "api", "exp": 4_000_000_000}, "secret", algorithm="HS512"),
        "",
        "a.b.c",
        "é.é.é",
        "\ud800",
        "." * 100_000,
    ],
    ids=lambda token: repr(token[-12:]),
)
def test_any_other_token_is_refused_in_one_sentence(token: str) -> None:
    assert SIGNER.read(signed(), audience="api").user_id == 7
    with pytest.raises(Unauthenticated, match="not valid or has expired"):
        SIGNER.read(token, audience="api")


def test_a_token_that_was_good_is_refused_once_it_has_expired() -> None:
    token = SIGNER.mint(7, audience="api", lifetime=timedelta(seconds=2))
    claims = SIGNER.read(token, audience="api")
    assert SIGNER.read(token, audience="api") is claims
    with pytest.raises(Unauthenticated):
        SIGNER.read(token, audience="mcp")
    while time.time() <= claims.expires_at + 1:
        time.sleep(0.1)
    with pytest.raises(Unauthenticated):
        SIGNER.read(token, audience="api")


def test_only_so_many_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_REMEMBERED", 1)
    signer = TokenSigner("secret")
    first, second = (signer.mint(n, audience="api", lifetime=HOUR) for n in (1, 2))
    claims = signer.read(first, audience="api")
    assert signer.read(second, audience="api").user_id == 2
    assert signer.read(first, audience="api") == claims
    assert signer.read(first, audience="api") is not claims


def test_a_configured_secret_is_used_and_none_is_written(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path, auth=AuthSettings(secret=SecretStr("given")))
    assert signing_secret(settings) == "given"
    assert list(tmp_path.iterdir()) == []


def test_processes_that_start_at_once_agree_on_one_secret(tmp_path: Path) -> None:
    settings = Settings(_env_file=None, data_dir=tmp_path / "new")
    with ThreadPoolExecutor(16) as pool:
        seen = set(pool.map(lambda _: signing_secret(settings), range(64)))
    assert len(seen) == 1
    (kept,) = (tmp_path / "new").iterdir()
    assert kept.name == SECRET_FILE
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert len(kept.read_text()) >= 43
    assert signing_secret(settings) in seen


def test_staff_is_everybody_but_customers() -> None:
    assert [Principal(1, "x", role).is_staff for role in Role] == [False, True, True, True]


def test_scopes_limit_and_their_absence_does_not() -> None:
    assert Principal(1, "x", Role.AGENT).allows("anything")
    assert not Principal(1, "x", Role.AGENT, frozenset()).allows("anything")
