"""What every engine promises, asked of each: those of this machine, and each service's protocol on a local server."""

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest
from pydantic import SecretStr, ValidationError

from app.core.settings import Settings, SpeechSettings
from app.files.recognition.result import RecognitionSettings
from app.files.recognition_process import RecognitionProcess
from app.files.speech.aws_transcribe import TranscribeSpeech
from app.files.speech.deepgram import DeepgramSpeech
from app.files.speech.engine import Clip, SpeechEngine
from app.files.speech.errors import SpeechRateLimited, SpeechRejected, SpeechUnauthorised, SpeechUnavailable
from app.files.speech.languages import language_code
from app.files.speech.local import LocalSpeech
from app.files.speech.openai import OpenAiSpeech
from tests.factories.aws import aws
from tests.files.speech import peers
from tests.files.speech.peers import KEY, SAID, Peer, Reply, Transcribe, as_json
from tests.files.speech.tiny_whisper import tiny_whisper

BUCKET = "speech"


@dataclass
class Remote:
    """An engine, the peer that it asks, and how that peer says no."""

    engine: SpeechEngine
    peer: Peer
    refusals: dict[str, Reply]
    misspelt: SpeechEngine
    wrong_key: SpeechEngine


def quiet(*_: object) -> None:
    """Nobody listens."""


def settings(**speech: Any) -> Settings:
    return Settings(_env_file=None, speech=SpeechSettings(**speech))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_whisper(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def s3_address() -> Iterator[str]:
    with aws() as address:
        yield address


@pytest.fixture
def transcribe(s3_address: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Peer]:
    for name, value in {
        "AWS_ENDPOINT_URL_S3": s3_address, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": "also-secret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    # boto3 keeps the credentials that it found first.
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    with peers.serving(Transcribe()) as peer:
        monkeypatch.setenv("AWS_ENDPOINT_URL_TRANSCRIBE", peer.url)
        yield peer
    # Whatever happened, an engine leaves nothing behind but what a job of its own still needs.
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


@pytest.fixture
def remote(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Remote:
    name = request.param
    said = {"error": {"message": f"no: {KEY}" if name == "none" else "no"}, "err_msg": "no"}
    refusals = {
        "busy": as_json(429, said, **{"Retry-After": "7"}),
        "ill": as_json(503, said),
        "garbled": Reply(200, b'{"segments": 5}'),
        "no json": Reply(500, b"<html>"),
    }
    made: dict[str, Any]
    if name in ("openai", "gpt-4o"):
        peer: Peer = request.getfixturevalue("openai")
        model = "whisper-1" if name == "openai" else "gpt-4o-transcribe"
        made = {"openai_url": f"{peer.url}/v1/", "openai_key": KEY, "openai_model": model}
        return Remote(
            OpenAiSpeech(settings(**made)),
            peer,
            refusals,
            OpenAiSpeech(settings(**made | {"openai_model": "no-such"})),
            OpenAiSpeech(settings(**made | {"openai_key": "sk-wrong-77"})),
        )
    if name == "deepgram":
        peer = request.getfixturevalue("deepgram")
        made = {"engines": ["deepgram"], "deepgram_url": peer.url, "deepgram_key": KEY}
        return Remote(
            DeepgramSpeech(SpeechSettings(**made)),
            peer,
            refusals,
            DeepgramSpeech(SpeechSettings(**made | {"deepgram_model": "no-such"})),
            DeepgramSpeech(SpeechSettings(**made | {"deepgram_key": "sk-wrong-77"})),
        )
    peer = request.getfixturevalue("transcribe")
    aws = SpeechSettings(engines=["transcribe"], transcribe_bucket=BUCKET, transcribe_poll_seconds=0.01)
    engine, misspelt = TranscribeSpeech(aws), TranscribeSpeech(aws.model_copy(update={"transcribe_bucket": "no-such"}))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "sk-wrong-77")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    headers = {"Content-Type": "application/x-amz-json-1.1"}
    refusals = {
        "busy": Reply(400, b'{"__type": "LimitExceededException", "Message": "Too many jobs."}', headers),
        "ill": Reply(400, b'{"__type": "InternalFailureException"}', headers),
        "no json": Reply(400, b"<html>", headers),
    }
    return Remote(engine, peer, refusals, misspelt, TranscribeSpeech(aws))


SERVICES = ["openai", "gpt-4o", "deepgram", "transcribe"]
REMOTE = pytest.mark.parametrize("remote", SERVICES, indirect=True)


@pytest.fixture(params=[*SERVICES, "whisper", "sphinx"])
def engine(request: pytest.FixtureRequest) -> SpeechEngine:
    if request.param in SERVICES:
        found: Remote = request.getfixturevalue("remote_by_name")(request.param)
        return found.engine
    process: RecognitionProcess = request.getfixturevalue("engines_process")
    model = str(request.getfixturevalue("weights")) if request.param == "whisper" else None
    limits = RecognitionSettings(whisper_model=model, whisper_compute_type="default")
    return LocalSpeech(process, limits, seconds=600)


@pytest.fixture
def remote_by_name(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    def made(name: str) -> Remote:
        request.param = name
        return remote.__wrapped__(request, monkeypatch)  # type: ignore[attr-defined, no-any-return] # the fixture's function

    return made


async def test_speech_becomes_passages_in_order_with_times_and_confidence(engine: SpeechEngine, clip: Clip) -> None:
    found = await engine.transcribe(clip, quiet)
    assert found.engine
    assert found.version
    assert found.language in ("en", "de", None)
    assert found.passages == sorted(found.passages, key=lambda passage: passage.start)
    for passage in found.passages:
        assert 0.0 <= passage.start <= passage.end <= clip.seconds + 0.01
        assert 0.0 <= passage.confidence <= 1.0
        assert passage.text == passage.text.strip() != ""


async def test_silence_is_no_passage_and_no_error(engine: SpeechEngine, silence: Clip) -> None:
    assert (await engine.transcribe(silence, quiet)).passages == []


@REMOTE
async def test_what_a_service_said_is_taken_over_word_for_word(remote: Remote, clip: Clip) -> None:
    found = await remote.engine.transcribe(clip, quiet)
    assert " ".join(passage.text for passage in found.passages) == SAID
    assert all(passage.confidence > 0.5 for passage in found.passages)


@REMOTE
@pytest.mark.parametrize(
    ("refusal", "expected"),
    [
        ("busy", SpeechRateLimited), ("ill", SpeechUnavailable), ("garbled", SpeechUnavailable),
        ("no json", SpeechUnavailable),
    ],
)  # fmt: skip
async def test_a_service_that_cannot_now_is_unavailable(
    remote: Remote, clip: Clip, refusal: str, expected: type[Exception]
) -> None:
    if refusal not in remote.refusals:
        pytest.skip("this service's answers are checked by its library")
    remote.peer.instead += [remote.refusals[refusal]] * 3
    with pytest.raises(expected) as failure:
        await remote.engine.transcribe(clip, quiet)
    assert KEY not in str(failure.value)
    if isinstance(failure.value, SpeechRateLimited) and remote.engine.name != "aws-transcribe":
        assert failure.value.retry_after == 7.0


@REMOTE
async def test_a_request_that_can_never_work_is_rejected(remote: Remote, clip: Clip) -> None:
    with pytest.raises(SpeechRejected):
        await remote.misspelt.transcribe(clip, quiet)


@REMOTE
async def test_wrong_credentials_are_told_apart_and_never_repeated(
    remote: Remote, clip: Clip, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(SpeechUnauthorised) as failure:
        await remote.wrong_key.transcribe(clip, quiet)
    assert "sk-wrong" not in f"{failure.value!r} {failure.value} {caplog.text} {vars(remote.wrong_key)!r}"


async def test_a_service_that_is_away_or_never_answers_is_unavailable(openai: Peer, clip: Clip) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    away = OpenAiSpeech(settings(openai_url=f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(SpeechUnavailable, match="does not answer"):
        await away.transcribe(clip, quiet)
    openai.instead.append(Reply(200, b"{}", seconds=2.0))
    slow = OpenAiSpeech(settings(openai_url=f"{openai.url}/v1", remote_seconds=0.2))
    with pytest.raises(SpeechUnavailable, match="does not answer"):
        await slow.transcribe(clip, quiet)


async def test_an_attempt_after_a_crash_goes_on_with_the_same_job_at_aws(transcribe: Peer, clip: Clip) -> None:
    service = transcribe.answer
    assert isinstance(service, Transcribe)
    aws = SpeechSettings(engines=["transcribe"], transcribe_bucket=BUCKET, transcribe_poll_seconds=0.01)
    waiting = asyncio.Event()
    patient = TranscribeSpeech(aws.model_copy(update={"transcribe_poll_seconds": 600.0}))
    crashing = asyncio.create_task(patient.transcribe(clip, lambda *_: waiting.set()))
    await waiting.wait()
    crashing.cancel()
    await asyncio.wait([crashing])
    assert service.started == 1
    assert (await TranscribeSpeech(aws).transcribe(clip, quiet)).passages
    assert (service.started, service.jobs) == (1, {})
    client = boto3.client("s3")
    assert "Contents" not in client.list_objects_v2(Bucket=BUCKET)
    client.close()


async def test_a_job_at_aws_that_does_not_end_is_unavailable(transcribe: Peer, clip: Clip) -> None:
    hasty = SpeechSettings(engines=["transcribe"], transcribe_bucket=BUCKET, transcribe_seconds=1e-9)
    with pytest.raises(SpeechUnavailable, match="longer than"):
        await TranscribeSpeech(hasty).transcribe(clip, quiet)


async def test_a_job_that_fails_at_aws_is_rejected_with_its_reason(transcribe: Peer, clip: Clip) -> None:
    service = transcribe.answer
    assert isinstance(service, Transcribe)
    service.failing = "Unsupported audio format."
    aws = SpeechSettings(engines=["transcribe"], transcribe_bucket=BUCKET, transcribe_poll_seconds=0.01)
    with pytest.raises(SpeechRejected, match="Unsupported audio format"):
        await TranscribeSpeech(aws).transcribe(clip, quiet)
    assert service.jobs == {}


def test_times_in_a_clip_become_times_in_the_recording(clip: Clip) -> None:
    assert clip.in_recording(0.5, 1.5) == (120.5, 121.5)
    assert clip.in_recording(2.5, 3.5) == (122.5, 200.5)
    # A passage that ends where a piece ends does not reach into the next one, which is a minute later.
    assert clip.in_recording(1.0, 3.0) == (121.0, 123.0)
    assert clip.in_recording(3.0, 4.0) == (200.0, 201.0)
    assert clip.in_recording(-1.0, 99.0) == (120.0, round(200 + clip.seconds - 3.0, 2))


@pytest.mark.parametrize(
    ("said", "code"),
    [("english", "en"), ("Haitian Creole", "ht"), ("de", "de"), ("pt-BR", "pt"), ("", None), ("klingon", None)],
)
def test_languages_are_told_by_their_codes(said: str, code: str | None) -> None:
    assert language_code(said) == code


@pytest.mark.parametrize(
    "wrong",
    [{"engines": []}, {"engines": ["deepgram"]}, {"engines": ["transcribe"]}, {"engines": ["local", "local"]}],
)
def test_engines_that_could_not_be_asked_are_refused_at_the_start(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SpeechSettings(**wrong)


def test_keys_are_not_shown() -> None:
    assert KEY not in repr(SpeechSettings(engines=["deepgram"], deepgram_key=SecretStr(KEY)))
