"""OpenAI's `/audio/transcriptions`, and the many servers that speak it (Groq, vLLM, Speaches, LocalAI, …).

Whisper models answer `verbose_json` with segments. OpenAI's `gpt-4o-…transcribe` models know no time stamps: what they
heard is one passage over the whole clip, as sure as its tokens' log probabilities say.
"""

import asyncio
import math
from typing import Final

from pydantic import BaseModel

from app.core.settings import Settings
from app.files.recognition.confidence import whisper_confidence
from app.files.recognition.result import Progress
from app.files.speech.asking import ask
from app.files.speech.engine import MIME, Clip, Heard, Transcript
from app.files.speech.languages import language_code

_WITHOUT_TIMES: Final = "gpt-4o"


class _Segment(BaseModel):
    start: float
    end: float
    text: str
    avg_logprob: float
    no_speech_prob: float = 0.0


class _Verbose(BaseModel):
    language: str | None = None
    segments: list[_Segment]


class _Token(BaseModel):
    logprob: float


class _Plain(BaseModel):
    text: str
    logprobs: list[_Token]


class OpenAiSpeech:
    name = "openai"
    remote = True

    def __init__(self, settings: Settings) -> None:
        speech = settings.speech
        self._url = f"{speech.openai_url.rstrip('/')}/audio/transcriptions"
        self._key = speech.openai_key or settings.openai_api_key
        self._model, self._language, self._seconds = speech.openai_model, speech.language, speech.remote_seconds

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        fields: dict[str, str] = {"model": self._model, "temperature": "0"}
        if self._language:
            fields["language"] = self._language
        sound = await asyncio.to_thread(clip.path.read_bytes)
        headers = {"Authorization": f"Bearer {self._key.get_secret_value()}"} if self._key else {}
        files = {"file": ("clip.flac", sound, MIME)}
        if self._model.startswith(_WITHOUT_TIMES):
            fields |= {"response_format": "json", "include[]": "logprobs"}
            plain = await ask(
                self.name, _Plain, self._url, seconds=self._seconds, headers=headers, data=fields, files=files
            )
            return Transcript(self.name, self._model, self._language, _one_passage(plain, clip))
        fields |= {"response_format": "verbose_json", "timestamp_granularities[]": "segment"}
        said = await ask(
            self.name, _Verbose, self._url, seconds=self._seconds, headers=headers, data=fields, files=files
        )
        passages = [
            Heard(one.start, one.end, text, whisper_confidence(one.avg_logprob, one.no_speech_prob))
            for one in said.segments
            if (text := one.text.strip())
        ]
        return Transcript(self.name, self._model, language_code(said.language) or self._language, passages)


def _one_passage(said: _Plain, clip: Clip) -> list[Heard]:
    text = said.text.strip()
    if not text or not said.logprobs:
        return []
    sure = math.exp(min(0.0, sum(token.logprob for token in said.logprobs) / len(said.logprobs)))
    return [Heard(0.0, clip.seconds, text, round(sure, 4))]
