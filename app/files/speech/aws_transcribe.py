"""AWS Transcribe: the clip is put into a bucket, a job started and waited for, and its transcript fetched from there.

The job has the clip's name, so that an attempt after a crash goes on with the job of the one before, and the speech is
paid for once. Clip, transcript and job are removed at the end; what a crash leaves, the bucket's lifecycle rule takes.
Credentials, region and `AWS_ENDPOINT_URL_TRANSCRIBE` / `_S3` are read by boto3 itself.
"""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any, Final, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, Field, ValidationError

from app.core.settings import SpeechSettings
from app.files.recognition.result import Progress
from app.files.speech.engine import Clip, Heard, Transcript
from app.files.speech.errors import SpeechRateLimited, SpeechRejected, SpeechUnauthorised, SpeechUnavailable
from app.files.speech.languages import language_code

T = TypeVar("T")

_LONGEST_PAUSE_S: Final = 1.0
_UNAUTHORISED: Final = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
     "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "ExpiredTokenException",
     "InvalidClientTokenId", "MissingAuthenticationTokenException"}
)  # fmt: skip
_RATE_LIMITED: Final = frozenset({"LimitExceededException", "ThrottlingException", "Throttling", "SlowDown"})
_REJECTED: Final = frozenset({"BadRequestException", "ValidationException", "NoSuchBucket"})


class _Alternative(BaseModel):
    content: str
    confidence: float = Field(default=0.0, ge=0, le=1)


class _Item(BaseModel):
    type: str
    alternatives: list[_Alternative] = Field(min_length=1)
    start_time: float | None = None
    end_time: float | None = None


class _Results(BaseModel):
    items: list[_Item]


class _Output(BaseModel):
    results: _Results


class TranscribeSpeech:
    name = "aws-transcribe"
    remote = True

    def __init__(self, settings: SpeechSettings) -> None:
        config = Config(connect_timeout=10, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
        self._s3: Any = boto3.client("s3", region_name=settings.transcribe_region, config=config)
        self._jobs: Any = boto3.client("transcribe", region_name=settings.transcribe_region, config=config)
        self._bucket, self._prefix = settings.transcribe_bucket, settings.transcribe_prefix
        self._language, self._seconds = settings.transcribe_language, settings.transcribe_seconds
        self._poll = settings.transcribe_poll_seconds

    async def transcribe(self, clip: Clip, progress: Progress) -> Transcript:
        job = f"evidesk-{clip.name}"
        sound, output = f"{self._prefix}{clip.name}.flac", f"{self._prefix}{clip.name}.json"
        try:
            async with asyncio.timeout(self._seconds):
                body = await asyncio.to_thread(clip.path.read_bytes)
                await self._call(lambda: self._s3.put_object(Bucket=self._bucket, Key=sound, Body=body))
                await self._started(job, sound, output)
                ended = await self._ended(job, progress)
                if ended["TranscriptionJobStatus"] == "COMPLETED":
                    text = await self._call(lambda: self._s3.get_object(Bucket=self._bucket, Key=output)["Body"].read())
        except TimeoutError:
            # The job goes on there, and the next attempt finds it.
            raise SpeechUnavailable(self.name, f"its job took longer than {self._seconds:g} s") from None
        await self._forget(job, sound, output)
        if ended["TranscriptionJobStatus"] != "COMPLETED":
            raise SpeechRejected(self.name, str(ended.get("FailureReason") or "its job failed")[:200])
        try:
            items = _Output.model_validate_json(text).results.items
        except ValidationError:
            raise SpeechUnavailable(self.name, "its answer is not in its protocol") from None
        version = str(self._jobs.meta.service_model.api_version)
        return Transcript(self.name, version, language_code(ended.get("LanguageCode")), _passages(items))

    async def _started(self, job: str, sound: str, output: str) -> None:
        language: dict[str, Any] = {"LanguageCode": self._language} if self._language else {"IdentifyLanguage": True}
        # A job of that name is one that an earlier attempt began.
        with contextlib.suppress(_Exists):
            await self._call(
                lambda: self._jobs.start_transcription_job(
                    TranscriptionJobName=job,
                    Media={"MediaFileUri": f"s3://{self._bucket}/{sound}"},
                    MediaFormat="flac",
                    OutputBucketName=self._bucket,
                    OutputKey=output,
                    **language,
                )
            )

    async def _ended(self, job: str, progress: Progress) -> dict[str, Any]:
        while True:
            answer = await self._call(lambda: self._jobs.get_transcription_job(TranscriptionJobName=job))
            found: dict[str, Any] = answer["TranscriptionJob"]
            if found["TranscriptionJobStatus"] in ("COMPLETED", "FAILED"):
                return found
            progress("transcription", 0.5, "Waiting for AWS Transcribe")
            await asyncio.sleep(self._poll)

    async def _forget(self, job: str, sound: str, output: str) -> None:
        """Best effort: the transcript is here."""
        for remove in (
            lambda: self._s3.delete_object(Bucket=self._bucket, Key=sound),
            lambda: self._s3.delete_object(Bucket=self._bucket, Key=output),
            lambda: self._jobs.delete_transcription_job(TranscriptionJobName=job),
        ):
            with contextlib.suppress(SpeechUnavailable, SpeechRejected):
                await self._call(remove)

    async def _call(self, action: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(action)
        except ClientError as error:
            raise self._error(error) from None
        except (BotoCoreError, OSError) as error:
            credentials = "Credential" in type(error).__name__
            kind = SpeechUnauthorised if credentials else SpeechUnavailable
            raise kind(self.name, f"it cannot be used ({type(error).__name__})") from None

    def _error(self, error: ClientError) -> Exception:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))[:100]
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
        if code == "ConflictException":
            return _Exists(self.name, code)
        if code in _UNAUTHORISED or status in (401, 403):
            return SpeechUnauthorised(self.name, f"it refused our credentials ({code})")
        if code in _RATE_LIMITED or status == 429:
            return SpeechRateLimited(self.name, f"it answered {code}")
        if code in _REJECTED:
            message = str(error.response.get("Error", {}).get("Message", ""))[:200]
            return SpeechRejected(self.name, f"it answered {code}: {message}")
        return SpeechUnavailable(self.name, f"it answered {code}")


class _Exists(SpeechUnavailable):
    """There is a job of this name."""


def _passages(items: list[_Item]) -> list[Heard]:
    """Words, joined to passages that end with a sentence or at a pause."""
    passages: list[Heard] = []
    words: list[_Item] = []
    text = ""

    def end() -> None:
        nonlocal text, words
        if words:
            sure = sum(word.alternatives[0].confidence for word in words) / len(words)
            start, stop = words[0].start_time or 0.0, words[-1].end_time or 0.0
            passages.append(Heard(start, stop, text, round(sure, 4)))
        text, words = "", []

    for item in items:
        said = item.alternatives[0].content
        if item.type != "pronunciation":
            text += said
            if said in ".?!。？！":
                end()
            continue
        if words and (item.start_time or 0.0) - (words[-1].end_time or 0.0) > _LONGEST_PAUSE_S:
            end()
        text += f" {said}" if text else said
        words.append(item)
    end()
    return passages
