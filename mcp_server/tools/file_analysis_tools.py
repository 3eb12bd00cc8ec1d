"""What was read in files. Nothing is recognised here: that was done once, when the file came in."""

from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, Field

from app.files import service as files
from app.files.errors import FileNotScanned, FileQuarantined
from app.files.schemas import FileOut
from mcp_server.context import reading
from mcp_server.desk import Desk
from mcp_server.parts import part
from mcp_server.tools.shapes import READS, FileId

MAX_TEXT_CHARS = 40_000
"""What a model is given of one file: about 10,000 tokens."""


class FileReading(BaseModel):
    file_id: str
    filename: str
    processing_status: str
    analysis_type: str | None = Field(description="ocr, transcript, document or the like.")
    extracted_text: str | None
    truncated: bool = Field(description="Only the beginning of the text is given.")
    confidence: float | None = Field(description="How surely the text was recognised, 0 to 1.")
    low_confidence: bool = Field(description="The text may well be wrong: rely on it with care, and say so.")
    language: str | None = Field(description="ISO 639 code of the text, if one stands out.")
    engine: str | None
    error: str | None


class FileMetadata(BaseModel):
    file_id: str
    filename: str
    file_type: str
    file_size: int = Field(description="Bytes.")
    processing_status: str
    ticket_id: int | None
    confidence: float | None
    low_confidence: bool
    language: str | None
    metadata: dict[str, Any]


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = part("file analysis")

    async def read(file_id: FileId, *types: str, what: str = "") -> FileReading:
        async with reading(desk) as call:
            file = await files.get(call.db, call.who, file_id)
            if types and not file.file_type.startswith(types):
                raise ToolError(f"{file.filename} is no {what} but {file.file_type}; use analyze_file.")
            try:
                text = (await files.read_text(call.db, call.who, file_id)).text
            except (FileNotScanned, FileQuarantined):
                # The status and the error say why there is no text; a report with such a file goes on without it.
                text = None
        return _reading(file, text)

    @server.tool(annotations=READS)
    async def analyze_file(file_id: FileId) -> FileReading:
        """Read a file of the report: what its picture shows in writing, what its recording says, or its text."""
        return await read(file_id)

    @server.tool(annotations=READS)
    async def get_file_metadata(file_id: FileId) -> FileMetadata:
        """Type, size and technical details of a file, without its content."""
        async with reading(desk) as call:
            file = await files.get(call.db, call.who, file_id)
        return FileMetadata(
            file_id=str(file.id),
            filename=file.filename,
            file_type=file.file_type,
            file_size=file.file_size,
            processing_status=file.processing_status,
            ticket_id=file.ticket_id,
            confidence=file.confidence,
            low_confidence=file.low_confidence,
            language=file.language,
            metadata=file.metadata,
        )

    @server.tool(annotations=READS)
    async def extract_text_from_image(file_id: FileId) -> FileReading:
        """The words that were recognised in a picture."""
        return await read(file_id, "image/", what="picture")

    @server.tool(annotations=READS)
    async def transcribe_audio(file_id: FileId) -> FileReading:
        """What was understood of a recording."""
        return await read(file_id, "audio/", "video/", what="recording")

    return server


def _reading(file: FileOut, text: str | None) -> FileReading:
    return FileReading(
        file_id=str(file.id),
        filename=file.filename,
        processing_status=file.processing_status,
        analysis_type=file.analysis_type,
        extracted_text=None if text is None else text[:MAX_TEXT_CHARS],
        truncated=text is not None and len(text) > MAX_TEXT_CHARS,
        confidence=file.confidence,
        low_confidence=file.low_confidence,
        language=file.language,
        engine=file.engine,
        error=file.error,
    )
