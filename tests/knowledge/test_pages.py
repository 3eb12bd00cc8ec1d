"""Documents that are web pages: fetched by a worker from public hosts alone, again only when they have changed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import select, update
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from app.core.auth import Role
from app.core.clock import now
from app.core.resources import Resources
from app.core.settings import KnowledgeSettings
from app.knowledge.fetching import PageRefused, fetch
from app.knowledge.service import FETCHING, look_at_pages
from app.knowledge.tasks import fetch_page, give_up_page
from app.models.job import Job, JobState
from app.models.knowledge import DocumentSource, WebPage
from tests.conversations.conftest import Json
from tests.factories.people import Person, register
from tests.factories.runs import serving
from tests.knowledge.conftest import read_all
from tests.knowledge.test_uploads import found, stored

DOCUMENTS, PAGES = "/api/v1/knowledge/documents", "/api/v1/knowledge/pages"
SAID = "Hold the red button for five seconds to restart the scanner."
GREEN = SAID.replace("red", "green")
Answer = Callable[[Request], Response]


def page(text: str = SAID, title: str = "Scanner guide", **headers: str) -> Response:
    body = f"<html><head><title>{title}</title><script>alert('x')</script></head><body><p>{text}</p></body></html>"
    return Response(body, media_type="text/html", headers=headers)


@dataclass
class Web:
    """A server whose every answer the test decides."""

    address: str = ""
    answer: Answer = lambda _: page()
    asked: list[Request] = field(default_factory=list)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            request = Request(scope, receive)
            self.asked.append(request)
            await self.answer(request)(scope, receive, send)

    @property
    def url(self) -> str:
        return f"{self.address}/guide?lang=en"


@pytest.fixture
async def web() -> AsyncIterator[Web]:
    made = Web()
    async with serving(made) as address:
        made.address = address
        yield made


@pytest.fixture
async def agent(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> Person:
    monkeypatch.setattr(resources.settings.knowledge, "page_private_hosts", ["127.0.0.1"])
    return await register(resources, Role.AGENT)


@pytest.fixture
def here() -> KnowledgeSettings:
    return KnowledgeSettings(page_private_hosts=["127.0.0.1", "intern.test"], page_bytes=1_000, page_seconds=5)


async def call(api: httpx2.AsyncClient, who: Person, method: str, path: str, status: int = 200, **content: Any) -> Any:
    answer = await api.request(method, path, headers=who.headers, **content)
    assert answer.status_code == status, answer.text
    return answer.json()


async def fetch_all(resources: Resources, monkeypatch: pytest.MonkeyPatch) -> None:
    async with resources.db.session() as db:
        query = select(Job.id).where(Job.kind == FETCHING, Job.state == JobState.QUEUED).order_by(Job.created_at)
        due = (await db.execute(query)).scalars().all()
    for job_id in due:
        await fetch_page.handler(resources, job_id)
    await read_all(resources, monkeypatch)


async def add(api: httpx2.AsyncClient, who: Person, web: Web, **body: Any) -> Json:
    made: Json = await call(api, who, "POST", PAGES, 201, json={"url": web.url, **body})
    return made


async def again(api: httpx2.AsyncClient, who: Person, made: Json, status: int = 202) -> Json:
    answered: Json = await call(api, who, "POST", f"{DOCUMENTS}/{made['doc_id']}/fetch", status)
    return answered


async def test_a_page_is_fetched_read_found_and_cited_by_its_address(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answer = lambda asked: page() if asked.url.path == "/new" else RedirectResponse("/new", 301)
    made = await add(api, agent, web, acl={"roles": ["agent"]})
    assert (made["status"], made["version"], made["uri"]) == ("pending", 1, web.url)
    assert made["page"] == {"url": web.url, "fetched_at": None, "checked_at": None, "error": None}
    await fetch_all(resources, monkeypatch)
    after = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}")
    shown = [after[name] for name in ("status", "version", "title", "language")]
    assert shown == ["indexed", 1, "Scanner guide", "en"]
    assert after["source"]["url"] == f"{web.address}/new", "where it was found in the end"
    assert after["page"]["fetched_at"] is not None
    (best, *_) = await found(api, agent, "How is the scanner restarted?")
    assert (best["doc_id"], best["uri"]) == (made["doc_id"], web.url)
    assert "red button" in best["text"]
    assert "alert" not in best["text"]
    assert await found(api, await register(resources), "How is the scanner restarted?") == []


async def test_what_has_not_changed_costs_one_request_and_what_has_is_the_next_version(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    def known(asked: Request) -> Response:
        return Response(status_code=304) if asked.headers.get("if-none-match") == '"1"' else page(ETag='"1"')

    web.answer = known
    made = await add(api, agent, web)
    await fetch_all(resources, monkeypatch)
    await again(api, agent, made)
    await again(api, agent, made)
    await fetch_all(resources, monkeypatch)
    assert len(web.asked) == 2, "somebody was about to look already"
    kept = await stored(resources)
    # A server that knows no versions is known by the bytes; nothing of them is kept a second time.
    web.answer = lambda _: page()
    await again(api, agent, made)
    await fetch_all(resources, monkeypatch)
    before = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}")
    assert (before["version"], len(web.asked), await stored(resources)) == (1, 3, kept)
    assert before["page"]["checked_at"] > before["page"]["fetched_at"]
    web.answer = lambda _: page(GREEN)
    await again(api, agent, made)
    await fetch_all(resources, monkeypatch)
    after = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}")
    assert (after["version"], after["status"]) == (2, "indexed")
    assert "green" in (await found(api, agent, "How is the scanner restarted?"))[0]["text"]
    old = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}/versions/1")
    assert ("red" in old["text"], old["uri"]) == (True, web.url)


async def test_what_goes_wrong_is_said_and_what_was_fetched_before_stays(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.answer = lambda _: PlainTextResponse("no", 404)
    made = await add(api, agent, web)
    await fetch_all(resources, monkeypatch)
    failed = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}")
    assert (failed["status"], failed["error"]) == ("failed", "127.0.0.1 answered HTTP 404.")
    web.answer = lambda _: page()
    assert (await again(api, agent, made))["status"] == "pending"
    await fetch_all(resources, monkeypatch)
    # A server that is away is asked again, and given up one day.
    web.answer = lambda _: PlainTextResponse("no", 503)
    await again(api, agent, made)
    await fetch_all(resources, monkeypatch)
    async with resources.db.session() as db:
        query = select(Job).where(Job.kind == FETCHING).order_by(Job.created_at.desc(), Job.id.desc()).limit(1)
        job = (await db.execute(query)).scalar_one()
    assert (job.state, job.attempts) == (JobState.QUEUED, 1)
    await give_up_page.handler(resources, job.id)
    after = await call(api, agent, "GET", f"{DOCUMENTS}/{made['doc_id']}")
    assert (after["status"], after["version"], after["page"]["error"]) == ("indexed", 1, "127.0.0.1 answered HTTP 503.")
    # A picture that says it is a page is none.
    web.answer = lambda _: Response(b"\x89PNG\r\n\x1a\n" + bytes(100), media_type="text/html")
    other = await add(api, agent, web)
    kept = await stored(resources)
    await fetch_all(resources, monkeypatch)
    refused = await call(api, agent, "GET", f"{DOCUMENTS}/{other['doc_id']}")
    assert (refused["status"], "PDF" in refused["error"]) == ("failed", True)
    assert await stored(resources) == kept


async def test_two_workers_at_once_make_one_version_and_a_deleted_document_none(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await add(api, agent, web)
    async with resources.db.session() as db:
        (job_id,) = (await db.execute(select(Job.id).where(Job.kind == FETCHING))).scalars()
    await asyncio.gather(*(fetch_page.handler(resources, job_id) for _ in range(3)))
    async with resources.db.session() as db:
        assert len((await db.execute(select(DocumentSource.version))).all()) == 1
    await again(api, agent, made)
    web.answer = lambda _: page(GREEN)
    answer = await api.delete(f"{DOCUMENTS}/{made['doc_id']}", headers=agent.headers)
    assert answer.status_code == 204
    kept = await stored(resources)
    await fetch_all(resources, monkeypatch)
    assert await stored(resources) == kept


async def test_a_page_that_is_sent_instead_is_fetched_no_more(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await add(api, agent, web)
    await fetch_all(resources, monkeypatch)
    body = {"title": "Scanner", "text": SAID, "uri": web.url}
    assert (await call(api, agent, "PUT", f"{DOCUMENTS}/{made['doc_id']}", json=body))["page"] is None
    assert (await again(api, agent, made, status=409))["code"] == "document_not_a_page"


async def test_pages_are_looked_at_again_after_a_while_where_that_is_wanted(
    api: httpx2.AsyncClient, resources: Resources, agent: Person, web: Web, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add(api, agent, web)
    await fetch_all(resources, monkeypatch)
    for hours, due in ((None, 0), (24, 0), (1, 1), (1, 0)):
        async with resources.db.unit_of_work() as db:
            if due:
                await db.execute(update(WebPage).values(checked_at=now() - timedelta(hours=2)))
            assert await look_at_pages(db, hours=hours) == due, hours
    await fetch_all(resources, monkeypatch)
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    "url", ["ftp://example.com/x", "https://", "http://u:p@example.com/", "file:///etc/passwd", "example.com", "//x"]
)
async def test_an_address_of_no_page_is_refused_when_it_is_entered(
    api: httpx2.AsyncClient, agent: Person, url: str
) -> None:
    refusal = await call(api, agent, "POST", PAGES, 422, json={"url": url})
    assert refusal["code"] == "page_address_refused"


async def test_customers_add_no_pages(api: httpx2.AsyncClient, resources: Resources, web: Web) -> None:
    await call(api, await register(resources), "POST", PAGES, 403, json={"url": web.url})


PRIVATE = ["127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254", "0.0.0.0", "[::1]", "[fd00::1]",
           "[::ffff:10.0.0.1]", "[2002:0a00:0001::]", "[64:ff9b::a00:1]", "0x7f.1"]  # fmt: skip


async def test_no_form_of_a_private_address_is_called_not_even_by_way_of_a_public_one(
    web: Web, here: KnowledgeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    for host in PRIVATE:
        with pytest.raises(PageRefused) as raised:
            await fetch(f"http://{host}:{web.address.rpartition(':')[2]}/", KnowledgeSettings(page_seconds=5))
        assert "public internet" in raised.value.reason or "cannot be found" in raised.value.reason, host
    assert web.asked == []
    web.answer = lambda _: RedirectResponse("http://10.0.0.1/secret", 302)
    with pytest.raises(PageRefused, match=r"10\.0\.0\.1 is not on the public internet"):
        await fetch(web.url, here)
    web.answer = lambda _: RedirectResponse("file:///etc/passwd", 302)
    with pytest.raises(PageRefused, match="begins with https"):
        await fetch(web.url, here)
    # One private address among the public ones is enough.
    answers = [[("93.184.216.34", 80), ("127.0.0.1", 80)]]

    async def looked_up(*_: Any, **__: Any) -> list[Any]:
        return [(2, 1, 6, "", address) for address in answers.pop(0)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    with pytest.raises(PageRefused, match="public internet"):
        await fetch("http://rebound.test/", here)


async def test_a_name_is_looked_up_once_and_the_connection_goes_where_that_led(
    web: Web, here: KnowledgeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = int(web.address.rpartition(":")[2])
    answers = ["127.0.0.1", "10.0.0.1", "10.0.0.1"]

    async def looked_up(_host: str, asked: int, **_: Any) -> list[Any]:
        return [(2, 1, 6, "", (answers.pop(0), asked))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", looked_up)
    got = await fetch(f"http://intern.test:{port}/guide", here)
    assert got is not None
    assert (len(answers), web.asked[0].headers["host"]) == (2, f"intern.test:{port}")


HOSTILE: dict[str, tuple[Answer, str]] = {
    "too long": (lambda _: Response(b"x" * 2_000, media_type="text/html"), "more than 1,000 bytes"),
    "empty": (lambda _: Response(b"", media_type="text/html"), "is empty"),
    "a picture": (lambda _: Response(b"x", media_type="image/png"), "image/png"),
    "packed": (lambda _: Response(b"x", media_type="text/html", headers={"content-encoding": "gzip"}), "packed"),
    "round and round": (lambda asked: RedirectResponse(str(asked.url)), "leads on more than"),
    "not found": (lambda _: PlainTextResponse("no", 410), "HTTP 410"),
    "not modified, unasked": (lambda _: Response(status_code=304), "HTTP 304"),
}


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_server_gets_a_clear_refusal(web: Web, here: KnowledgeSettings, name: str) -> None:
    web.answer, reason = HOSTILE[name]
    with pytest.raises(PageRefused, match=reason) as raised:
        await fetch(web.url, here)
    assert not raised.value.passing


async def test_only_hosts_that_are_named_are_asked_where_any_are(web: Web, here: KnowledgeSettings) -> None:
    with pytest.raises(PageRefused, match="PAGE_HOSTS"):
        await fetch(web.url, here.model_copy(update={"page_hosts": ["docs.example.com"]}))
    assert web.asked == []


@pytest.mark.parametrize(
    ("charset", "body", "read"),
    [
        ("iso-8859-2", "ąę".encode("iso-8859-2"), "ąę"),
        ("utf-8", "ąę".encode(), "ąę"),
        ("shift_jis", "日本".encode("shift_jis"), "日本"),
        ("punycode", b"abc", "abc"),
        ("no-such", b"abc", "abc"),
        ("hex", b"abc", "abc"),
    ],
)
async def test_the_charset_of_the_server_counts(
    web: Web, here: KnowledgeSettings, charset: str, body: bytes, read: str
) -> None:
    web.answer = lambda _: Response(body, headers={"content-type": f"text/html; charset={charset}"})
    got = await fetch(web.url, here)
    assert got is not None
    assert got.body.decode("utf-8-sig") == read
