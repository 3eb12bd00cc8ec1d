"""Embedders beside the delivered one, each against a server that speaks its protocol."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.core.settings import AwsSettings, ModelSettings, Settings
from app.core.settings.models import CompatibleEndpoint
from app.inference.embedders import Embeddings, PassageEmbedder, check_embedder, resolve_embedder
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable, UnknownModel
from tests.factories.runs import serving

TITAN, COHERE = "amazon.titan-embed-text-v2:0", "cohere.embed-multilingual-v3"
NAMES = ("openai:text-embedding-3-small", "compatible:peer/bge", f"bedrock:{TITAN}", f"bedrock:{COHERE}")
Answer = Callable[[str, Any], Response]


def wire(body: dict[str, Any]) -> dict[str, Any]:
    rows = [{"index": n, "embedding": [float(len(text)), 0.0]} for n, text in enumerate(body["input"])]
    return {"data": rows[::-1], "usage": {"prompt_tokens": 7}}


def honest(path: str, body: Any) -> Response:
    if path.endswith("/embeddings"):
        return JSONResponse(wire(body))
    if "titan" in path:
        return JSONResponse({"embedding": [3.0, 4.0], "inputTextTokenCount": 7})
    return JSONResponse({"embeddings": [[0.0, 2.0] for _ in body["texts"]]})


class Peer:
    def __init__(self) -> None:
        self.answer: Answer = honest
        self.asked: list[tuple[str, Any, str | None]] = []

    async def reply(self, request: Request) -> Response:
        body = await request.json()
        path = f"/{request.path_params['path']}"
        self.asked.append((path, body, request.headers.get("authorization")))
        return self.answer(path, body)


@asynccontextmanager
async def peer_of(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Peer, Settings]]:
    peer = Peer()
    async with serving(Starlette(routes=[Route("/{path:path}", peer.reply, methods=["POST"])])) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
        endpoint = CompatibleEndpoint(base_url=f"{address}/v1", api_key=SecretStr("theirs"))
        yield (
            peer,
            Settings(
                _env_file=None,
                openai_api_key=SecretStr("ours"),
                aws=AwsSettings(region="eu-central-1"),
                models=ModelSettings(openai_base_url=f"{address}/v1/", compatible={"peer": endpoint}),
            ),
        )


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Peer, Settings]]:
    async with peer_of(monkeypatch) as opened:
        yield opened


async def ask(embedder: PassageEmbedder, *texts: str, query: bool = False) -> Embeddings:
    return await asyncio.to_thread(embedder.embed, texts, query=query, seconds=10)


async def test_each_gives_one_vector_a_text_of_length_one(peer: tuple[Peer, Settings]) -> None:
    for name in NAMES:
        found = await ask(resolve_embedder(name, peer[1]), "red", "green")
        assert found.vectors.shape == (2, 2)
        np.testing.assert_allclose(np.linalg.norm(found.vectors, axis=1), 1, rtol=1e-6)
    assert found.vectors.dtype == np.float32
    keys = {path: key for path, _, key in peer[0].asked}
    assert keys["/v1/embeddings"] == "Bearer theirs"
    assert {body["model"] for path, body, _ in peer[0].asked if "model" in body} == {"text-embedding-3-small", "bge"}
    # Titan takes one text at a time; Cohere is told what it reads.
    assert [body for path, body, _ in peer[0].asked if "titan" in path] == [
        {"inputText": "red"},
        {"inputText": "green"},
    ]
    await ask(resolve_embedder(NAMES[3], peer[1]), "why?", query=True)
    kinds = [body["input_type"] for _, body, _ in peer[0].asked if "texts" in body]
    assert kinds == ["search_document", "search_query"]


async def test_tokens_are_counted_where_they_are_told(peer: tuple[Peer, Settings]) -> None:
    counted = [(await ask(resolve_embedder(name, peer[1]), "red")).input_tokens for name in NAMES]
    assert counted == [7, 7, 7, 0]


async def test_the_delivered_model_goes_by_the_name_local() -> None:
    found = await ask(resolve_embedder("local", Settings(_env_file=None)), "red")
    assert found.vectors.shape == (1, 384)


@pytest.mark.parametrize("name", NAMES)
async def test_what_goes_wrong_says_what_can_be_done(peer: tuple[Peer, Settings], name: str) -> None:
    embedder = resolve_embedder(name, peer[1])
    aws = name.startswith("bedrock")
    for status, kind, meant in (
        (429, "ThrottlingException", ModelBusy),
        (500, "InternalServerException", ModelFailed),
        (403, "AccessDeniedException", ModelUnavailable),
        (400, "ValidationException", ModelRefused),
    ):
        headers = {"x-amzn-ErrorType": kind} if aws else {}
        peer[0].answer = lambda *_, status=status, headers=headers: JSONResponse({"message": "secret"}, status, headers)
        with pytest.raises(meant) as raised:
            await ask(embedder, "red")
        assert "secret" not in str(raised.value)


async def test_an_answer_that_is_no_vector_is_a_failure_and_never_stored(peer: tuple[Peer, Settings]) -> None:
    unusable: list[Any] = [[], [[]], [[1.0], [1.0]], [[0.0, 0.0]], [["a", "b"]], "no list", None, [[float("inf"), 1.0]]]
    for rows in unusable:
        as_list = rows if isinstance(rows, list) else None

        def answer(path: str, _: Any, rows: Any = rows, as_list: Any = as_list) -> Response:
            data = rows if as_list is None else [{"index": n, "embedding": row} for n, row in enumerate(as_list)]
            one = as_list[0] if as_list is not None and len(as_list) == 1 else rows
            body = {"data": data} if "/v1" in path else {"embedding": one, "embeddings": rows}
            return Response(json.dumps(body).replace("Infinity", "1e400"), media_type="application/json")

        peer[0].answer = answer
        for name in NAMES:
            with pytest.raises(ModelFailed):
                await ask(resolve_embedder(name, peer[1]), "red")


async def test_newer_cohere_models_sort_their_vectors_by_kind(peer: tuple[Peer, Settings]) -> None:
    peer[0].answer = lambda *_: JSONResponse({"embeddings": {"float": [[0.0, 5.0]]}})
    assert (await ask(resolve_embedder(NAMES[3], peer[1]), "red")).vectors.tolist() == [[0.0, 1.0]]


async def test_nobody_listening_is_a_failure_that_may_pass() -> None:
    nobody = CompatibleEndpoint(base_url="http://127.0.0.1:9/v1")
    settings = Settings(_env_file=None, models=ModelSettings(compatible={"peer": nobody}))
    with pytest.raises(ModelFailed):
        await ask(resolve_embedder("compatible:peer/bge", settings), "red")


@pytest.mark.parametrize("name", ["", "openai", "openai:", "compatible:peer", "anthropic:claude", "Local"])
def test_names_of_no_known_form_are_refused(name: str) -> None:
    with pytest.raises(UnknownModel):
        check_embedder(name)


def test_a_missing_key_or_address_is_named() -> None:
    bare = Settings(_env_file=None, openai_api_key=None)
    with pytest.raises(ModelUnavailable, match="OPENAI_API_KEY"):
        resolve_embedder("openai:x", bare)
    with pytest.raises(ModelUnavailable, match="EVIDESK_MODELS__COMPATIBLE"):
        resolve_embedder("compatible:peer/x", bare)
