from pathlib import Path

import pytest
from pydantic import SecretStr

from app.core.resources import Resources
from app.core.settings import Settings, SpeechSettings
from app.files.recognition.result import Progress, RecognitionSettings
from app.files.recognition_process import RecognitionProcess
from app.files.speech.chain import RULES, listen, open_engines
from app.files.speech.engine import Clip, Heard, Transcript
from app.files.speech.errors import (
    SpeechFailed,
    SpeechRateLimited,
    SpeechRejected,
    SpeechUnauthorised,
    SpeechUnavailable,
)
from tests.files.speech.conftest import clip_of, voice
from tests.files.speech.peers import KEY, Peer, as_json


def quiet(*_: object) -> None:
    """Nobody listens."""


class Scripted:
    """Fails as it is told, then transcribes."""

    def __init__(self, name: str, *failures: SpeechFailed | KeyboardInterrupt, remote: bool = True) -> None:
        self.name, self.remote = name, remote
        self.failures = list(failures)
        self.asked = 0

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        return Transcript(self.name, "1", "en", [Heard(0, 1, "hello", 0.9)])


CLIP = Clip("c", Path("none"), [(0, 16_000)])


async def test_the_first_engine_that_can_is_the_one_the_result_names(resources: Resources) -> None:
    engines = [
        Scripted("a", SpeechUnavailable("a", "it does not answer")),
        Scripted("b", SpeechRejected("b", "it answered 400")),
        Scripted("c", remote=False),
        Scripted("d"),
    ]
    found = await listen(engines, CLIP, breakers=resources.breakers, progress=quiet)
    assert found.transcript.engine == "c"
    assert found.passed_over == ["a: it does not answer", "b: it answered 400"]
    assert engines[3].asked == 0


async def test_a_service_that_asks_for_a_short_wait_is_waited_for(resources: Resources) -> None:
    patient = Scripted("a", SpeechRateLimited("a", "429", 0.01), SpeechRateLimited("a", "429", 0.01))
    found = await listen([patient, Scripted("b")], CLIP, breakers=resources.breakers, progress=quiet)
    assert (found.transcript.engine, patient.asked) == ("a", 3)
    impatient = Scripted("c", SpeechRateLimited("c", "429", 600.0))
    found = await listen([impatient, Scripted("b")], CLIP, breakers=resources.breakers, progress=quiet)
    assert (found.transcript.engine, impatient.asked) == ("b", 1)


async def test_a_service_that_keeps_failing_is_not_asked_for_a_while(resources: Resources) -> None:
    failures = [SpeechUnavailable("a", "away") for _ in range(RULES.failures)]
    service, local = Scripted("a", *failures), Scripted("local", remote=False)
    for _ in range(RULES.failures + 2):
        found = await listen([service, local], CLIP, breakers=resources.breakers, progress=quiet)
    assert service.asked == RULES.failures
    assert found.passed_over == ["a: it failed before and is not asked just now"]


async def test_a_call_that_is_broken_off_does_not_count(resources: Resources) -> None:
    with pytest.raises(KeyboardInterrupt):
        await listen([Scripted("a", KeyboardInterrupt())], CLIP, breakers=resources.breakers, progress=quiet)
    assert (await resources.breakers.report("speech:a")).failures == 0


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (SpeechRejected("b", "400"), SpeechRejected),
        (SpeechUnavailable("b", "away"), SpeechUnavailable),
        (SpeechUnauthorised("b", "401"), SpeechUnavailable),
    ],
)
async def test_when_no_engine_can_it_matters_whether_one_may_later(
    resources: Resources, second: SpeechFailed, expected: type[SpeechFailed]
) -> None:
    engines = [Scripted("a", SpeechRejected("a", "400")), Scripted("b", second)]
    with pytest.raises(expected, match="a: 400; b: ") as failure:
        await listen(engines, CLIP, breakers=resources.breakers, progress=quiet)
    assert type(failure.value) is expected


async def test_engines_are_asked_in_the_order_of_the_settings(
    resources: Resources, deepgram: Peer, engines_process: RecognitionProcess, tmp_path: Path
) -> None:
    speech = SpeechSettings(
        engines=["deepgram", "openai", "local"],
        deepgram_url=deepgram.url,
        deepgram_key=SecretStr(KEY),
        openai_url="http://127.0.0.1:9/v1",
    )
    engines = open_engines(Settings(_env_file=None, speech=speech), engines_process, RecognitionSettings())
    assert [engine.name for engine in engines] == ["deepgram", "openai", "local"]
    deepgram.instead.append(as_json(503, {"err_msg": "overloaded"}))
    clip = clip_of(tmp_path, voice()[:24_000])
    found = await listen(engines, clip, breakers=resources.breakers, progress=quiet)
    assert found.transcript.engine == "pocketsphinx"
    assert [reason.partition(":")[0] for reason in found.passed_over] == ["deepgram", "openai"]
    assert all(passage.confidence <= 0.4 for passage in found.transcript.passages)
