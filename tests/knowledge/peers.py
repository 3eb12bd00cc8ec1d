"""Servers that Evidesk meets as an index of vectors or an embedder, small and exact."""

import hashlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.factories.runs import serving


@dataclass
class Search:
    """OpenSearch, as far as it is asked: compares all vectors, and does what the mapping and the query say."""

    indices: dict[str, dict[str, Any]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    asked: list[Any] = field(default_factory=list)
    down: bool = False

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/_bulk", self._or_down(self.bulk), methods=["POST"]),
                Route("/_aliases", self._or_down(self.update_aliases), methods=["POST"]),
                Route("/{index}/_alias", self._or_down(self.alias), methods=["GET"]),
                Route("/{index}/_alias/{name}", self._or_down(self.put_alias), methods=["PUT"]),
                Route("/{index}", self._or_down(self.index), methods=["HEAD", "PUT", "DELETE"]),
                Route("/{index}/_refresh", self._or_down(self.refresh), methods=["POST"]),
                Route("/{index}/_count", self._or_down(self.count), methods=["POST", "GET"]),
                Route("/{index}/_search", self._or_down(self.search), methods=["POST"]),
                Route("/{index}/_delete_by_query", self._or_down(self.delete_by_query), methods=["POST"]),
            ]
        )

    def _or_down(self, handler: Any) -> Any:
        async def answer(request: Request) -> Response:
            if self.down:
                return JSONResponse({"error": "unavailable"}, 503)
            if missing := [name for name in self.named(request) if name not in self.indices]:
                lenient = request.query_params.get("ignore_unavailable") == "true" or request.method == "PUT"
                if not lenient:
                    return JSONResponse({"error": {"type": f"no {missing}"}, "status": 404}, 404)
            found: Response = await handler(request)
            return found

        return answer

    def named(self, request: Request) -> list[str]:
        names = request.path_params.get("index", "").split(",") if "index" in request.path_params else []
        return [self.aliases.get(name, name) for name in names]

    async def index(self, request: Request) -> Response:
        if request.method == "DELETE":
            for name in self.named(request):
                self.remove(name)
            return JSONResponse({"acknowledged": True})
        name = request.path_params["index"]
        if name in self.indices:
            return JSONResponse({"error": {"type": "resource_already_exists_exception"}, "status": 400}, 400)
        body = await request.json()
        assert body["settings"] == {"index": {"knn": True}}
        self.indices[name] = {"mapping": body["mappings"]["properties"], "docs": {}}
        return JSONResponse({"acknowledged": True})

    def remove(self, name: str) -> None:
        del self.indices[name]
        self.aliases = {alias: index for alias, index in self.aliases.items() if index != name}

    async def alias(self, request: Request) -> Response:
        of: dict[str, dict[str, Any]] = {
            name: {"aliases": {alias: {} for alias, index in self.aliases.items() if index == name}}
            for name in self.named(request)
            if name in self.indices
        }
        return JSONResponse(of)

    async def put_alias(self, request: Request) -> Response:
        self.aliases[request.path_params["name"]] = request.path_params["index"]
        return JSONResponse({"acknowledged": True})

    async def update_aliases(self, request: Request) -> Response:
        """All of them or none."""
        adding, removing = (await request.json())["actions"]
        self.remove(removing["remove_index"]["index"])
        assert adding["add"]["alias"] not in self.indices
        self.aliases[adding["add"]["alias"]] = adding["add"]["index"]
        return JSONResponse({"acknowledged": True})

    async def bulk(self, request: Request) -> Response:
        lines = [json.loads(line) for line in (await request.body()).splitlines() if line]
        for action, document in zip(lines[::2], lines[1::2], strict=True):
            index = self.indices[action["index"]["_index"]]
            assert document.keys() == index["mapping"].keys()
            assert len(document["vector"]) == index["mapping"]["vector"]["dimension"]
            index["docs"][action["index"]["_id"]] = document
        return JSONResponse({"errors": False, "items": []})

    async def refresh(self, _: Request) -> Response:
        return JSONResponse({})

    async def count(self, request: Request) -> Response:
        (name,) = self.named(request)
        return JSONResponse({"count": len(self.indices[name]["docs"])})

    async def delete_by_query(self, request: Request) -> Response:
        asked = (await request.json())["query"]["bool"]
        document_id = asked["filter"][0]["term"]["document_id"]
        kept = set(asked["must_not"][0]["ids"]["values"])
        deleted = 0
        for index in self.named(request):
            docs = self.indices[index]["docs"]
            gone = [name for name, one in docs.items() if one["document_id"] == document_id and name not in kept]
            for name in gone:
                del docs[name]
            deleted += len(gone)
        return JSONResponse({"deleted": deleted})

    async def search(self, request: Request) -> Response:
        (name,) = self.named(request)
        index = self.indices[name]
        body = await request.json()
        self.asked.append(body)
        query = body["query"]
        if "knn" in query:
            assert index["mapping"]["vector"]["method"]["space_type"] == "cosinesimil"
            given, allowed = query["knn"]["vector"]["vector"], query["knn"]["vector"]["filter"]
            assert query["knn"]["vector"]["k"] == body["size"]
            scale, shift = 0.5, 0.5
        else:
            script = query["script_score"]["script"]
            assert (script["source"], script["lang"]) == ("knn_score", "knn")
            given, allowed = script["params"]["query_value"], query["script_score"]["query"]
            scale, shift = 1.0, 1.0
        readers = allowed.get("terms", {}).get("readers")
        hits = [
            {"_id": name, "_score": scale * cosine(given, one["vector"]) + shift}
            for name, one in index["docs"].items()
            if readers is None or set(readers) & set(one["readers"])
        ]
        hits.sort(key=lambda hit: -hit["_score"])
        return JSONResponse({"hits": {"hits": hits[: body["size"]]}})


def cosine(one: list[float], other: list[float]) -> float:
    a, b = np.asarray(one), np.asarray(other)
    return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))


@dataclass
class Embedders:
    """OpenAI's embeddings endpoint: a vector of eight numbers that says which words of a few a text has."""

    words: tuple[str, ...] = ("printer", "train", "password", "invoice", "scanner", "wire", "button")
    failing: list[Response] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    before: Callable[[int], Awaitable[None]] | None = None
    """Is told the number of the request that is about to be answered, from 1 on."""

    def vector(self, text: str) -> list[float]:
        said = text.lower()
        rest = int.from_bytes(hashlib.sha256(said.encode()).digest()[:2]) / 65_536
        return [*(float(word in said) for word in self.words), 0.1 + 0.1 * rest]

    async def embed(self, request: Request) -> Response:
        body = await request.json()
        self.asked.append(body)
        if self.before is not None:
            await self.before(len(self.asked))
        if self.failing:
            return self.failing.pop(0)
        # Out of order, as the protocol allows.
        data = [{"index": n, "embedding": self.vector(text)} for n, text in enumerate(body["input"])]
        return JSONResponse({"data": data[::-1], "usage": {"prompt_tokens": 3 * len(data)}})


@asynccontextmanager
async def embedding_server() -> AsyncIterator[tuple[Embedders, str]]:
    peer = Embedders()
    async with serving(Starlette(routes=[Route("/v1/embeddings", peer.embed, methods=["POST"])])) as address:
        yield peer, f"{address}/v1"
