"""What every vendor's adapter does, against a system that answers as the vendor's would."""

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.core.settings import IntegrationSettings
from app.integrations.base import NewIssue
from app.integrations.errors import (
    AddressRefused,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorFault,
)
from app.integrations.outgoing import Outgoing
from app.integrations.vendors import VENDORS, Provider
from tests.integrations.conftest import HERE, There

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ISSUE = NewIssue("Checkout\nfails", "Since nine.\n\nERR_504 <b>", "critical", ("bug", "two words"), "evidesk-0a1b")


async def test_what_is_created_is_found_again_by_its_marker(there: There) -> None:
    adapter = there.adapter()
    assert await adapter.find(ISSUE.marker, since=LONG_AGO) is None
    made = await adapter.create(ISSUE)
    assert made.external_id
    assert made.url is not None
    assert made.url.startswith("http")
    (text,) = there.peer.texts()
    for words in ("Checkout", "ERR_504 <b>", ISSUE.marker):
        assert words in text
    assert await adapter.find(ISSUE.marker, since=LONG_AGO) == made
    assert await adapter.find("evidesk-ffff", since=LONG_AGO) is None


async def test_a_very_long_title_and_text_are_cut_to_what_the_vendor_takes(there: There) -> None:
    long = NewIssue("t" * 300, "d" * 100_000, "low", (), "evidesk-0a1b")
    made = await there.adapter().create(long)
    assert await there.adapter().find("evidesk-0a1b", since=LONG_AGO) == made


async def test_an_open_connection_says_what_it_reaches(there: There) -> None:
    assert (await there.adapter().check()).endswith(".")


def refusals() -> list[tuple[Response, type[VendorFault], str]]:
    return [
        (JSONResponse({"message": "Bad credentials"}, 401), Unauthorized, "HTTP 401: Bad credentials"),
        (JSONResponse({"errorMessages": ["No permission"]}, 403), Unauthorized, "No permission"),
        (JSONResponse({}, 403, headers={"x-ratelimit-remaining": "0"}), RateLimited, "HTTP 403"),
        (JSONResponse({}, 429, headers={"retry-after": "7"}), RateLimited, "HTTP 429"),
        (JSONResponse([{"message": "Required fields", "errorCode": "X"}], 422), Rejected, "Required fields"),
        (JSONResponse({"errors": {"project": "is required"}}, 400), Rejected, "project: is required"),
        (JSONResponse({"message": "no", "errors": [{"field": "title"}]}, 422), Rejected, "no; title"),
        (Response("<html>gone</html>", 410), Rejected, "HTTP 410"),
        (RedirectResponse("http://169.254.169.254/"), Rejected, "has moved"),
        (Response("oops", 500), Unavailable, "HTTP 500"),
        (Response("no json", 201), Unavailable, "not readable"),
        (JSONResponse(["nothing"], 201), Unavailable, "The answer"),
    ]


async def test_a_refusal_is_told_by_its_kind_and_in_the_vendors_words(there: There) -> None:
    for answer, kind, words in refusals():
        there.peer.faults = [answer]
        with pytest.raises(kind) as raised:
            await there.adapter().create(ISSUE)
        assert type(raised.value) is kind
        assert words in raised.value.reason
        if isinstance(raised.value, RateLimited):
            assert raised.value.retry_after in (7, 60)
    assert not there.peer.made


async def test_a_system_that_is_away_is_unavailable(there: There) -> None:
    away = there.config | {"base_url": "http://127.0.0.1:9"}
    adapter = There(there.peer, away).adapter()
    for call in (adapter.check(), adapter.find("evidesk-1", since=LONG_AGO), adapter.create(ISSUE)):
        with pytest.raises(Unavailable, match="gives no answer"):
            await call


async def test_credentials_go_to_the_vendor_and_into_no_error(there: There) -> None:
    secret = [*there.peer.secret.values()][-1]
    there.peer.faults = [JSONResponse({"message": f"who is {secret}?"}, 401)]
    with pytest.raises(Unauthorized) as raised:
        await there.adapter().create(ISSUE)
    assert there.peer.credentials - {""}
    assert raised.value.reason == "HTTP 401: who is [redacted]?"


async def test_connections_lead_to_this_network_only_where_that_is_allowed(there: There) -> None:
    strangers = IntegrationSettings()
    with pytest.raises(AddressRefused, match="must begin with https"):
        await there.adapter(strangers).check()
    with pytest.raises(AddressRefused, match="are not allowed here"):
        await there.adapter(HERE.model_copy(update={"hosts": ["api.github.com"]})).check()
    assert there.peer.asked == []


PRIVATE = [
    "127.0.0.1",
    "localhost",
    "10.0.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "[::1]",
    "[fe80::1]",
    "[fd00::1]",
    "[::ffff:10.0.0.1]",
    "[2002:0a00:0001::]",
    "2130706433",
    "0x7f.1",
]


@pytest.mark.parametrize("host", PRIVATE)
async def test_no_form_of_a_private_address_is_called(host: str) -> None:
    with pytest.raises(VendorFault) as raised:
        await Outgoing(f"https://{host}", IntegrationSettings(timeout_seconds=2), {}).send("GET", "/")
    assert isinstance(raised.value, AddressRefused) or "cannot be found" in raised.value.reason


@pytest.mark.parametrize(
    "address",
    ["ftp://x.example", "https://", "https://u:p@x.example", "https://x.example?q=1", "x.example", "https://["],
)
@pytest.mark.parametrize("provider", Provider)
def test_an_address_that_none_could_be_is_refused_when_it_is_entered(provider: Provider, address: str) -> None:
    complete: dict[str, Any] = {"owner": "a", "repo": "b"} if provider == "github" else {}
    complete |= {"project": "SHOP"} if provider == "jira" else {}
    VENDORS[provider].settings.model_validate(complete | {"base_url": "https://x.example/base/"})
    with pytest.raises(ValidationError, match="base_url"):
        VENDORS[provider].settings.model_validate(complete | {"base_url": address})
