"""Engines in their order: the next is asked when one fails, and the result says which were passed over, and why."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from app.core.breakers import BreakerRules, Breakers
from app.core.settings import Settings
from app.core.telemetry import get_logger
from app.files.recognition.result import Progress, RecognitionSettings
from app.files.recognition_process import RecognitionProcess
from app.files.speech.aws_transcribe import TranscribeSpeech
from app.files.speech.deepgram import DeepgramSpeech
from app.files.speech.engine import Clip, SpeechEngine, Transcript
from app.files.speech.errors import SpeechFailed, SpeechRateLimited, SpeechRejected, SpeechUnavailable
from app.files.speech.local import LocalSpeech
from app.files.speech.openai import OpenAiSpeech

log = get_logger(__name__)

RULES: Final = BreakerRules(failures=3, window_seconds=120, open_seconds=60, probe_seconds=300)
LONGEST_WAIT_S: Final = 20.0
"""How long a service that asks us to wait is waited for."""
_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Listened:
    transcript: Transcript
    passed_over: list[str]
    """Which engines could not do it, and why."""


def open_engines(
    settings: Settings, process: RecognitionProcess, recognition: RecognitionSettings
) -> list[SpeechEngine]:
    """In the order of `EVIDESK_SPEECH__ENGINES`."""
    found: list[SpeechEngine] = []
    for name in settings.speech.engines:
        match name:
            case "openai":
                found.append(OpenAiSpeech(settings))
            case "deepgram":
                found.append(DeepgramSpeech(settings.speech))
            case "transcribe":
                found.append(TranscribeSpeech(settings.speech))
            case "local":
                found.append(LocalSpeech(process, recognition, seconds=settings.files.recognition_seconds))
    return found


async def listen(engines: Sequence[SpeechEngine], clip: Clip, *, breakers: Breakers, progress: Progress) -> Listened:
    """
    Raises:
        SpeechUnavailable: no engine could do it now, and one of them may later.
        SpeechRejected: no engine will.
    """
    failures: list[SpeechFailed] = []
    for engine in engines:
        try:
            transcript = await _asked(engine, clip, breakers, progress)
        except SpeechFailed as failure:
            kind = type(failure).__name__
            log.warning("speech_engine_failed", engine=failure.engine, kind=kind, error=failure.reason)
            failures.append(failure)
            continue
        return Listened(transcript, [str(failure) for failure in failures])
    said = "; ".join(str(failure) for failure in failures)
    later = any(isinstance(failure, SpeechUnavailable) for failure in failures)
    raise (SpeechUnavailable if later else SpeechRejected)("speech", said)


async def _asked(engine: SpeechEngine, clip: Clip, breakers: Breakers, progress: Progress) -> Transcript:
    if not engine.remote:
        return await engine.transcribe(clip, progress)
    name = f"speech:{engine.name}"
    if not await breakers.enter(name, RULES):
        raise SpeechUnavailable(engine.name, "it failed before and is not asked just now")
    try:
        transcript = await _patiently(engine, clip, progress)
    except SpeechUnavailable:
        await breakers.fail(name, RULES)
        raise
    except SpeechRejected:
        # It is there, and it judged this clip alone.
        await breakers.succeed(name)
        raise
    except BaseException:
        await breakers.leave(name)
        raise
    await breakers.succeed(name)
    return transcript


async def _patiently(engine: SpeechEngine, clip: Clip, progress: Progress) -> Transcript:
    left = LONGEST_WAIT_S
    for _ in range(_TRIES - 1):
        try:
            return await engine.transcribe(clip, progress)
        except SpeechRateLimited as limited:
            wait = limited.retry_after
            if wait is None or wait > left:
                raise
            left -= wait
            await asyncio.sleep(wait)
    return await engine.transcribe(clip, progress)
