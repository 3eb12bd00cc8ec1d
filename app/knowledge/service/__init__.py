"""What the desk knows: documents and resolved cases, and how to find in them."""

from app.knowledge.diagnosis import watching
from app.knowledge.service.cases import TEXT_CHARS, resolved_cases
from app.knowledge.service.documents import (
    CITED,
    JOB_KIND,
    chunk,
    create,
    delete,
    get,
    list_documents,
    replace,
    version,
    versions,
)
from app.knowledge.service.excerpts import Quoted, quoted
from app.knowledge.service.extracting import Reading, begin_reading, fail_reading, take_text
from app.knowledge.service.indexing import give_up, index, subject_of
from app.knowledge.service.matching import Match, Matches, match
from app.knowledge.service.recording import forget_searches, keep_searches, list_searches
from app.knowledge.service.searching import Found, rank, search
from app.knowledge.service.uploading import READING, replace_source, source, upload

__all__ = [
    "CITED",
    "JOB_KIND",
    "READING",
    "TEXT_CHARS",
    "Found",
    "Match",
    "Matches",
    "Quoted",
    "Reading",
    "begin_reading",
    "chunk",
    "create",
    "delete",
    "fail_reading",
    "forget_searches",
    "get",
    "give_up",
    "index",
    "keep_searches",
    "list_documents",
    "list_searches",
    "match",
    "quoted",
    "rank",
    "replace",
    "replace_source",
    "resolved_cases",
    "search",
    "source",
    "subject_of",
    "take_text",
    "upload",
    "version",
    "versions",
    "watching",
]
