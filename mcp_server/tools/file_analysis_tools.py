"""What was read in files. Nothing is recognised here: that was done once, when the file came in."""

from typing import Any

from fastmcp import FastMCP
from fastmcp.exceptions import ToolError
from pydantic import BaseModel, Field

from app.agents import service as agents
from app.agents.schemas import FileAnalysis
from mcp_server.context import reading
from mcp_server.desk import Desk
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
    error: str | None


class FileMetadata(BaseModel):
    file_id: str
    filename: str
    processing_status: str
    metadata: dict[str, Any]


def build(desk: Desk) -> FastMCP[Any]:
    server: FastMCP[Any] = FastMCP("file analysis", mask_error_details=True)

    async def analysis(file_id: FileId) -> FileAnalysis:
        async with reading(desk) as call:
            return await agents.file_analysis(call.db, call.who, file_id)

    @server.tool(annotations=READS)
    async def analyze_file(file_id: FileId) -> FileReading:
        """Read a file of the report: what its picture shows in writing, what its recording says, or its text."""
        return _reading(await analysis(file_id))

    @server.tool(annotations=READS)
    async def get_file_metadata(file_id: FileId) -> FileMetadata:
        """Type, size and technical details of a file, without its content."""
        found = await analysis(file_id)
        return FileMetadata(
            file_id=str(found.file_id),
            filename=found.filename,
            processing_status=found.processing_status,
            metadata=found.metadata,
        )

    @server.tool(annotations=READS)
    async def extract_text_from_image(file_id: FileId) -> FileReading:
        """The words that were recognised in a picture."""
        return _reading(_of_kind(await analysis(file_id), "image/", what="picture"))

    @server.tool(annotations=READS)
    async def transcribe_audio(file_id: FileId) -> FileReading:
        """What was understood of a recording."""
        return _reading(_of_kind(await analysis(file_id), "audio/", "video/", what="recording"))

    return server


def _of_kind(found: FileAnalysis, *types: str, what: str) -> FileAnalysis:
    file_type = str(found.metadata["file_type"])
    if not file_type.startswith(types):
        raise ToolError(f"{found.filename} is no {what} but {file_type}; use analyze_file.")
    return found


def _reading(found: FileAnalysis) -> FileReading:
    text = found.extracted_text
    return FileReading(
        file_id=str(found.file_id),
        filename=found.filename,
        processing_status=found.processing_status,
        analysis_type=found.analysis_type,
        extracted_text=None if text is None else text[:MAX_TEXT_CHARS],
        truncated=text is not None and len(text) > MAX_TEXT_CHARS,
        confidence=found.confidence,
        error=found.error,
    )
