"""Rerankers: what a remote one is sent and what its answers and failures mean; what a directory's model computes."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import SecretStr, ValidationError
from safetensors.numpy import save_file
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from app.core.settings import AwsSettings, RerankerSettings, Settings
from app.inference.bert import BertEncoder, BertShape
from app.inference.errors import ModelBusy, ModelFailed, ModelRefused, ModelUnavailable
from app.inference.reranking import Reranker, reranker_of
from tests.factories.runs import serving
from tests.inference.test_embedding import HEADS, LAYERS, WIDTH, tiny_weights

ARN = "arn:aws:bedrock:eu-central-1::foundation-model/cohere.rerank-v3-5:0"
TEXTS = ["Trains leave every hour.", "Write to jane.doe@example.com.", "Hold the green button."]
QUESTION = "Why does jane.doe@example.com get no answer?"


@dataclass
class Peer:
    """Scores passages by their number, in an order of its own; `failing` is the next answer instead."""

    address: str = ""
    failing: Response | None = None
    asked: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)

    async def answer(self, request: Request) -> Response:
        asked = await request.json()
        self.asked.append((request.url.path, dict(request.headers), asked))
        bedrock = "sources" in asked
        score = "relevanceScore" if bedrock else "relevance_score"
        number = len(asked["sources" if bedrock else "documents"])
        results = [{"index": index, score: 0.1 + index / 10} for index in reversed(range(number))]
        failing, self.failing = self.failing, None
        return failing or JSONResponse({"id": "1", "results": results})


@pytest.fixture
async def peer(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Peer]:
    found = Peer()
    async with serving(Starlette(routes=[Route("/{path:path}", found.answer, methods=["POST"])])) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_BEDROCK_AGENT_RUNTIME", address)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")
        found.address = address
        yield found


def made(kind: str, address: str = "http://127.0.0.1:9") -> Reranker:
    chosen = {
        "http": RerankerSettings(
            kind="http", url=f"{address}/v1/rerank", model="rerank-3", api_key=SecretStr("secret")
        ),
        "bedrock": RerankerSettings(kind="bedrock", model=ARN),
    }[kind]
    found = reranker_of(Settings(reranker=chosen, aws=AwsSettings(region="eu-central-1"), _env_file=None))
    assert found is not None
    return found


@pytest.mark.parametrize("kind", ["http", "bedrock"])
async def test_a_remote_one_scores_every_passage_and_sees_no_personal_data(kind: str, peer: Peer) -> None:
    assert await made(kind, peer.address).scores(QUESTION, TEXTS) == pytest.approx([0.1, 0.2, 0.3])
    ((path, headers, asked),) = peer.asked
    assert "jane" not in json.dumps(asked)
    if kind == "http":
        assert (path, headers["authorization"]) == ("/v1/rerank", "Bearer secret")
        assert (asked["model"], asked["top_n"], asked["documents"][0]) == ("rerank-3", 3, TEXTS[0])
        # One person has one placeholder, so that question and passage still fit.
        (mail,) = {word for word in asked["query"].split() if "EMAIL" in word}
        assert mail in asked["documents"][1]
    else:
        assert path == "/rerank"
        assert headers["authorization"].startswith("AWS4-HMAC-SHA256 ")
        model = asked["rerankingConfiguration"]["bedrockRerankingConfiguration"]
        assert (model["modelConfiguration"]["modelArn"], model["numberOfResults"]) == (ARN, 3)
        assert asked["sources"][0]["inlineDocumentSource"]["textDocument"]["text"] == TEXTS[0]


def failure(status: int, kind: str) -> Response:
    return JSONResponse({"message": "no"}, status, headers={"x-amzn-ErrorType": kind})


@pytest.mark.parametrize("kind", ["http", "bedrock"])
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (failure(429, "ThrottlingException"), ModelBusy),
        (failure(403, "AccessDeniedException"), ModelUnavailable),
        (failure(400, "ValidationException"), ModelRefused),
        (failure(500, "InternalServerException"), ModelFailed),
        (JSONResponse({"results": []}), ModelFailed),
        (JSONResponse({"results": [{"index": 9, "relevance_score": 1, "relevanceScore": 1}]}), ModelFailed),
        (JSONResponse({"results": [{"nothing": 1}]}), ModelFailed),
        (PlainTextResponse("<html>"), ModelFailed),
    ],
    ids=["busy", "forbidden", "refused", "broken", "nothing", "another", "form", "html"],
)
async def test_what_goes_wrong_is_told_by_its_kind(
    kind: str, peer: Peer, answer: Response, error: type[Exception]
) -> None:
    peer.failing = answer
    with pytest.raises(error):
        await made(kind, peer.address).scores(QUESTION, TEXTS)


async def test_a_server_that_is_not_there_is_a_failure() -> None:
    with pytest.raises(ModelFailed):
        await made("http").scores(QUESTION, TEXTS)


def test_settings_that_lack_something_are_refused() -> None:
    assert reranker_of(Settings(_env_file=None)) is None
    for kind, lacking in (("local", "directory"), ("http", "url"), ("bedrock", "model")):
        with pytest.raises(ValidationError, match=lacking):
            RerankerSettings.model_validate({"kind": kind})


WORDS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "green", "button", "train", "hour", "hold", "why"]


def cross_encoder(directory: Path, labels: int = 1) -> dict[str, NDArray[np.float32]]:
    """A tiny model with random weights, as such directories lay one out."""
    random = np.random.default_rng(3)
    weights = {
        **tiny_weights(),
        "pooler.dense.bias": random.normal(0, 0.5, WIDTH).astype(np.float32),
        "classifier.weight": random.normal(0, 2, (labels, WIDTH)).astype(np.float32),
        "classifier.bias": random.normal(0, 0.5, labels).astype(np.float32),
    }
    bare = {name if name.startswith("classifier") else f"bert.{name}": value for name, value in weights.items()}
    save_file(bare, directory / "model.safetensors")
    config = {"num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "layer_norm_eps": 1e-12}
    (directory / "config.json").write_text(json.dumps(config))
    tokenizer = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 1), ("[SEP]", 2)]
    )
    tokenizer.save(str(directory / "tokenizer.json"))
    return weights


def local(directory: Path) -> Reranker:
    settings = RerankerSettings(kind="local", directory=directory)
    found = reranker_of(Settings(reranker=settings, _env_file=None))
    assert found is not None
    return found


async def test_a_directorys_model_reads_question_and_passage_together(tmp_path: Path) -> None:
    weights = cross_encoder(tmp_path)
    texts = ["green button", "train hour hold", "hour " * 40]
    found = await local(tmp_path).scores("why green", texts)
    # One pair by itself, without padding, by the formulas.
    ids, kinds = np.array([[1, 9, 4, 2, 4, 5, 2]]), np.array([[0, 0, 0, 0, 1, 1, 1]])
    first = BertEncoder(weights, BertShape(LAYERS, HEADS)).hidden(ids, np.ones_like(ids), kinds)[0, 0]
    pooled = np.tanh(weights["pooler.dense.weight"] @ first + weights["pooler.dense.bias"])
    logit = float((weights["classifier.weight"] @ pooled + weights["classifier.bias"])[0])
    assert found[0] == pytest.approx(1 / (1 + np.exp(-logit)), rel=1e-4)
    assert len(set(found)) == 3
    assert await local(tmp_path).scores("why green", texts[::-1]) == pytest.approx(found[::-1], rel=1e-4)
    assert all(0 <= score <= 1 for score in found)


async def test_a_directory_without_such_a_model_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match="read"):
        await local(tmp_path / "nowhere").scores("why", TEXTS)
    (two := tmp_path / "two").mkdir()
    cross_encoder(two, labels=2)
    with pytest.raises(ModelUnavailable, match="one label"):
        await local(two).scores("why", TEXTS)
    (two / "model.safetensors").write_bytes(b"nothing")
    (broken := tmp_path / "broken").mkdir()
    for file in two.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ModelUnavailable, match="pairs"):
        await local(broken).scores("why", TEXTS)
