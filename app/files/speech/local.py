"""The engine of this machine: faster-whisper where its weights are, pocketsphinx otherwise, in the child process."""

from app.files.recognition.result import Progress, RecognitionFailed, RecognitionSettings
from app.files.recognition_process import RecognitionProcess
from app.files.speech.engine import Clip, Heard, Transcript
from app.files.speech.errors import SpeechRejected


class LocalSpeech:
    name = "local"
    remote = False

    def __init__(self, process: RecognitionProcess, settings: RecognitionSettings, *, seconds: float) -> None:
        self._process, self._settings, self._seconds = process, settings, seconds

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        try:
            found = await self._process.hear(
                clip.path, clip.pieces, settings=self._settings, seconds=self._seconds, progress=progress
            )
        except RecognitionFailed as failure:
            raise SpeechRejected(self.name, failure.reason) from failure
        passages = [
            Heard(one.start_s or 0.0, one.end_s or 0.0, one.text, one.confidence or 0.0) for one in found.segments
        ]
        return Transcript(found.engine, found.engine_version, found.language, passages)
