"""A search whose best passages are looked at once more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import httpx2
import pytest

from app.core.auth import Principal, Role
from app.core.resources import Resources
from app.inference.errors import ModelBudgetSpent, ModelBusy, ModelFailed
from app.knowledge import service
from tests.factories.people import register
from tests.knowledge.test_documents import add

QUERY = "How do I restart the scanner?"


@dataclass
class Preferring:
    """A reranker that likes one word."""

    word: str
    share: float = 1.0
    passages: int = 20
    name: str = "preferring"
    failing: type[Exception] | None = None
    seen: list[list[str]] = field(default_factory=list)

    async def scores(self, query: str, texts: Sequence[str]) -> list[float]:
        assert query == QUERY
        self.seen.append(list(texts))
        if self.failing is not None:
            raise self.failing
        return [0.9 if self.word in text else 0.1 for text in texts]


@pytest.fixture
async def reader(api: httpx2.AsyncClient, resources: Resources) -> Principal:
    agent = await register(resources, Role.AGENT)
    await add(api, resources, agent, title="Scanner", text="Restart the scanner with the blue button on its side.")
    await add(api, resources, agent, title="Printer", text="Restart the printer by pulling its plug for a minute.")
    await add(api, resources, agent, title="Secret", text="Restart the scanner secretly.", acl={"roles": ["admin"]})
    return agent.who


async def titles(resources: Resources, reader: Principal, reranker: Preferring | None) -> list[str]:
    async with resources.db.reading() as db:
        found = await service.search(db, reader, query=QUERY, reranker=reranker)
    assert all(0 <= one.score <= 1 for one in found)
    return [one.title for one in found]


async def test_its_word_counts_as_much_as_is_configured(resources: Resources, reader: Principal) -> None:
    assert await titles(resources, reader, None) == ["Scanner", "Printer"]
    likes = Preferring("plug")
    assert await titles(resources, reader, likes) == ["Printer", "Scanner"]
    # It sees the words of passages that the reader may see, and of no other.
    (seen,) = likes.seen
    assert sorted(text.split()[2] for text in seen) == ["printer", "scanner"]
    assert not any("secretly" in text for text in seen)
    assert await titles(resources, reader, Preferring("plug", share=0.0)) == ["Scanner", "Printer"]


async def test_it_looks_at_the_best_ones_alone(resources: Resources, reader: Principal) -> None:
    likes = Preferring("plug", passages=1)
    assert await titles(resources, reader, likes) == ["Scanner", "Printer"]
    assert len(likes.seen[0]) == 1


@pytest.mark.parametrize("failure", [ModelFailed, ModelBusy, ModelBudgetSpent])
async def test_a_search_goes_on_without_one_that_fails(
    resources: Resources, reader: Principal, failure: type[Exception]
) -> None:
    likes = Preferring("plug", failing=failure)
    assert await titles(resources, reader, likes) == ["Scanner", "Printer"]
    assert likes.seen
