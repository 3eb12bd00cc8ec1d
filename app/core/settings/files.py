"""What a file may be, and how it is read."""

from pydantic import BaseModel, Field

MEBIBYTE = 1024 * 1024


class FileSettings(BaseModel):
    max_bytes: int = Field(default=100 * MEBIBYTE, ge=1)
    chunk_bytes: int = Field(default=MEBIBYTE, ge=4096)
    max_pixels: int = Field(default=100_000_000, ge=1, description="A picture with more is refused from its header.")
    max_media_seconds: int = Field(default=4 * 3600, ge=1)
    max_text_chars: int = Field(default=2_000_000, ge=1000)
    recognition_seconds: int = Field(default=900, ge=1, description="Wall time limit of one recognition.")


class SpeechSettings(BaseModel):
    whisper_model: str | None = Field(
        default=None, description="Directory (or cached name) of faster-whisper weights; else pocketsphinx is used."
    )
    whisper_compute_type: str = "int8"
