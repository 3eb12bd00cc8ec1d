"""What a file may be, and how it is read."""

from typing import Literal, Self

from pydantic import BaseModel, Field, SecretStr, model_validator

MEBIBYTE = 1024 * 1024


class FileSettings(BaseModel):
    max_bytes: int = Field(default=100 * MEBIBYTE, ge=1)
    chunk_bytes: int = Field(default=MEBIBYTE, ge=4096)
    piece_bytes: int = Field(
        default=8 * MEBIBYTE, ge=1024, description="A resumable upload is made durable in pieces of so much."
    )
    upload_hours: int = Field(default=24, ge=1, description="A resumable upload that has not grown for so long ends.")
    presigned_seconds: int = Field(
        default=3600, ge=60, le=7 * 24 * 3600, description="So long an address to upload a part to is good."
    )
    user_quota_bytes: int = Field(
        default=10 * 1024 * MEBIBYTE, ge=0, description="What one person's files may take in all; 0: no limit."
    )
    total_quota_bytes: int = Field(default=0, ge=0, description="What all files may take; 0: no limit.")
    orphan_hours: int = Field(
        default=24, ge=1, description="Stored bytes that belong to no file are removed after so long."
    )
    keep_closed_days: int = Field(
        default=0, ge=0, description="Files of a ticket that is closed or deleted so long are deleted; 0: never."
    )
    keep_quarantined_days: int = Field(default=0, ge=0, description="The same, for files in quarantine; 0: never.")
    keep_unattached_days: int = Field(default=0, ge=0, description="The same, for files on no ticket; 0: never.")
    max_pixels: int = Field(default=100_000_000, ge=1, description="A picture with more is refused from its header.")
    preview_side: int = Field(default=480, ge=16, le=4096, description="The longer side of a preview, in pixels.")
    render_seconds: int = Field(default=120, ge=1, description="Wall time limit of the making of one file's preview.")
    max_media_seconds: int = Field(default=4 * 3600, ge=1)
    max_text_chars: int = Field(default=2_000_000, ge=1000)
    low_confidence_below: float = Field(
        default=0.7, ge=0, le=1, description="What was read less surely is called so, and a picture is looked at twice."
    )
    recognition_memory_bytes: int = Field(
        default=3 * 1024 * MEBIBYTE, ge=1024 * MEBIBYTE, description="Resident memory limit of one recognition."
    )
    recognition_seconds: int = Field(default=900, ge=1, description="Wall time limit of one recognition.")


class ScanSettings(BaseModel):
    seconds: int = Field(default=120, ge=1, description="Wall time limit of the built-in scan of one file.")
    max_archive_depth: int = Field(default=5, ge=1, description="Archives inside archives; deeper is quarantined.")
    max_archive_ratio: int = Field(default=200, ge=2, description="Expanded bytes for one packed; more is a bomb.")
    refuse_macros: bool = Field(default=False, description="Quarantine Office documents with macros; else flag them.")
    clamav: str | None = Field(
        default=None, description="clamd: tcp://host:3310 or unix:///run/clamav/clamd.ctl. Unset: built-in scan only."
    )
    clamav_seconds: float = Field(default=120.0, gt=0, description="Wall time limit of ClamAV's scan of one file.")
    retry_seconds: float = Field(default=5.0, gt=0, description="First rest of a file whose scanner is away.")
    retry_most_seconds: float = Field(default=60.0, gt=0)


class SpeechSettings(BaseModel):
    engines: list[Literal["openai", "deepgram", "transcribe", "local"]] = Field(
        default=["local"], min_length=1, description='Asked in this order until one can, as ["deepgram", "local"].'
    )
    language: str | None = Field(
        default=None, pattern=r"^[a-z]{2,3}$", description="ISO 639-1 code of all recordings; unset: engines detect it."
    )
    part_seconds: int = Field(
        default=300, ge=10, le=600, description="A recording with more speech is cut into parts that workers share."
    )
    whisper_model: str | None = Field(
        default=None, description="Directory (or cached name) of faster-whisper weights; else pocketsphinx is used."
    )
    whisper_compute_type: str = "int8"
    wait_minutes: float = Field(
        default=60.0, ge=0, description="How long a recording waits, when no engine can be reached, before it fails."
    )
    remote_seconds: float = Field(default=120.0, gt=0, description="Time limit of one request to OpenAI or Deepgram.")
    openai_url: str = Field(
        default="https://api.openai.com/v1", description="Or any server with OpenAI's /audio/transcriptions."
    )
    openai_key: SecretStr | None = Field(default=None, description="Unset: OPENAI_API_KEY, if there is one.")
    openai_model: str = "whisper-1"
    deepgram_url: str = "https://api.deepgram.com"
    deepgram_key: SecretStr | None = None
    deepgram_model: str = "nova-3"
    transcribe_bucket: str | None = Field(
        default=None, description="S3 bucket for clips and transcripts while AWS Transcribe works on them."
    )
    transcribe_prefix: str = "speech/"
    transcribe_region: str | None = Field(default=None, description="Unset: as boto3 finds it. Credentials likewise.")
    transcribe_language: str | None = Field(
        default=None, pattern=r"^[a-z]{2,3}-[A-Z]{2}$", description="As en-US; unset: Transcribe identifies it."
    )
    transcribe_seconds: float = Field(default=900.0, gt=0, description="How long one of its jobs is waited for.")
    transcribe_poll_seconds: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _engines_can_be_asked(self) -> Self:
        if len(set(self.engines)) != len(self.engines):
            raise ValueError("EVIDESK_SPEECH__ENGINES names an engine twice.")
        if "deepgram" in self.engines and self.deepgram_key is None:
            raise ValueError("The speech engine deepgram needs EVIDESK_SPEECH__DEEPGRAM_KEY.")
        if "transcribe" in self.engines and not self.transcribe_bucket:
            raise ValueError("The speech engine transcribe needs EVIDESK_SPEECH__TRANSCRIBE_BUCKET.")
        return self
