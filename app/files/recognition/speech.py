"""The speech engines of this machine: faster-whisper where its weights are, PocketSphinx (in its wheel) otherwise.

| engine         | confidence of a passage                                                                         |
|----------------|-------------------------------------------------------------------------------------------------|
| faster-whisper | exp(average log probability of its tokens) × (1 − probability that there is no speech)          |
| pocketsphinx   | half the mean posterior probability of its words, at most 0.4: its posteriors compare only what |
|                | its lattice holds, and on read English about every third word is wrong whatever they say        |
"""

import logging
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.metadata import version
from typing import Final, NamedTuple, Protocol

import numpy as np
from faster_whisper import WhisperModel
from pocketsphinx import Decoder

from app.files.recognition.confidence import whisper_confidence
from app.files.recognition.result import SAMPLE_RATE
from app.files.recognition.sound import Pcm, Samples

_log = logging.getLogger(__name__)

SPHINX_CAP: Final = 0.4
_SPHINX_FRAMES_PER_S: Final = 100
_LOUD_ENOUGH: Final = 30.0
"""Root mean square of 16-bit samples below which a passage counts as silence (about −60 dBFS)."""


class Passage(NamedTuple):
    start: float
    end: float
    text: str
    confidence: float


class LocalSpeech(Protocol):
    name: str
    version: str

    @property
    def language(self) -> str | None:
        """The language of what was heard last, as the engine knows it (ISO 639-1)."""
        ...

    def transcribe(self, segments: Iterator[Pcm]) -> Iterator[Passage]:
        """Passages in order; times in seconds, as the segments count them."""
        ...


class WhisperEngine:
    """A CTranslate2 Whisper model from a directory or the local cache; never downloads."""

    name = "faster-whisper"

    def __init__(self, model: str, *, compute_type: str, threads: int, language: str | None = None) -> None:
        self.version = version("faster-whisper")
        self._wanted, self._language = language, language
        self._model = WhisperModel(
            model, device="cpu", compute_type=compute_type, cpu_threads=threads, local_files_only=True
        )

    @property
    def language(self) -> str | None:
        return self._language

    def transcribe(self, segments: Iterator[Pcm]) -> Iterator[Passage]:
        self._language = self._wanted
        for pcm in segments:
            if _silent(pcm.samples):
                continue
            audio = pcm.samples.astype(np.float32) / 32768.0
            passages, info = self._model.transcribe(
                audio, language=self._language, beam_size=5, condition_on_previous_text=False, vad_filter=False
            )
            # The first passage decides the language, so that a short later one cannot change it.
            self._language = self._language or info.language
            for passage in passages:
                if text := passage.text.strip():
                    sure = whisper_confidence(passage.avg_logprob, passage.no_speech_prob)
                    # Its 30 s window may be longer than the piece.
                    start, end = min(passage.start, pcm.seconds), min(passage.end, pcm.seconds)
                    yield Passage(pcm.start_s + start, pcm.start_s + end, text, sure)


class SphinxEngine:
    """English only, and a last resort; its confidence says so."""

    name = "pocketsphinx"
    language: str | None = "en"

    def __init__(self) -> None:
        self.version = version("pocketsphinx")
        self._decoder = Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def transcribe(self, segments: Iterator[Pcm]) -> Iterator[Passage]:
        for pcm in segments:
            if _silent(pcm.samples):
                continue
            self._decoder.start_utt()
            self._decoder.process_raw(pcm.samples.tobytes(), full_utt=True)
            self._decoder.end_utt()
            spoken = [
                (re.sub(r"\(\d+\)$", "", word.word), word)
                for word in self._decoder.seg() or ()
                if not word.word.startswith(("<", "[", "+"))
            ]
            if not spoken:
                continue
            posteriors = [min(1.0, max(0.0, float(word.prob))) for _, word in spoken]
            yield Passage(
                start=pcm.start_s + spoken[0][1].start_frame / _SPHINX_FRAMES_PER_S,
                end=pcm.start_s + min((spoken[-1][1].end_frame + 1) / _SPHINX_FRAMES_PER_S, pcm.seconds),
                text=" ".join(text for text, _ in spoken),
                confidence=sphinx_confidence(posteriors),
            )


def sphinx_confidence(posteriors: list[float]) -> float:
    return round(min(SPHINX_CAP, 0.5 * sum(posteriors) / len(posteriors)), 4)


@lru_cache(maxsize=1)
def speech_engine(
    whisper_model: str | None, compute_type: str, threads: int, language: str | None = None
) -> LocalSpeech:
    """The process's one engine: Whisper if `whisper_model` is a directory or a name in the local cache."""
    if whisper_model:
        try:
            return WhisperEngine(whisper_model, compute_type=compute_type, threads=threads, language=language)
        except (OSError, ValueError, RuntimeError) as error:
            _log.warning("whisper weights cannot be used, falling back to pocketsphinx: %s", error)
    return SphinxEngine()


def _silent(samples: Samples) -> bool:
    return len(samples) == 0 or float(np.sqrt(np.mean(samples.astype(np.float32) ** 2))) < _LOUD_ENOUGH
