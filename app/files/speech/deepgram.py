"""Deepgram's `/v1/listen` for a recording, in one request."""

import asyncio

from pydantic import BaseModel, Field

from app.core.settings import SpeechSettings
from app.files.recognition.result import Progress
from app.files.speech.asking import ask
from app.files.speech.engine import MIME, Clip, Heard, Transcript
from app.files.speech.errors import SpeechUnauthorised
from app.files.speech.languages import language_code


class _Utterance(BaseModel):
    start: float
    end: float
    confidence: float = Field(ge=0, le=1)
    transcript: str


class _Channel(BaseModel):
    detected_language: str | None = None


class _Results(BaseModel):
    channels: list[_Channel]
    utterances: list[_Utterance]


class _Model(BaseModel):
    name: str
    version: str


class _Metadata(BaseModel):
    model_info: dict[str, _Model] = Field(default_factory=dict)


class _Answer(BaseModel):
    metadata: _Metadata
    results: _Results


class DeepgramSpeech:
    name = "deepgram"
    remote = True

    def __init__(self, settings: SpeechSettings) -> None:
        self._url = f"{settings.deepgram_url.rstrip('/')}/v1/listen"
        self._key = settings.deepgram_key
        self._model, self._language, self._seconds = (
            settings.deepgram_model,
            settings.language,
            settings.remote_seconds,
        )

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        if self._key is None:
            raise SpeechUnauthorised(self.name, "there is no key")
        # Utterances are passages with times; what customers said is not for the service to train with.
        wanted = {"model": self._model, "utterances": "true", "smart_format": "true", "mip_opt_out": "true"}
        wanted |= {"language": self._language} if self._language else {"detect_language": "true"}
        answer = await ask(
            self.name,
            _Answer,
            self._url,
            seconds=self._seconds,
            params=wanted,
            headers={"Authorization": f"Token {self._key.get_secret_value()}", "Content-Type": MIME},
            content=await asyncio.to_thread(clip.path.read_bytes),
        )
        passages = [
            Heard(one.start, one.end, text, one.confidence)
            for one in answer.results.utterances
            if (text := one.transcript.strip())
        ]
        detected = answer.results.channels[0].detected_language if answer.results.channels else None
        used = next(iter(answer.metadata.model_info.values()), None)
        version = f"{used.name} {used.version}" if used else self._model
        return Transcript(self.name, version, language_code(detected) or self._language, passages)
