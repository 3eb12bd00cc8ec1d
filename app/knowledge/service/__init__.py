"""What the desk knows: documents and resolved cases, and how to find in them."""

from app.knowledge.diagnosis import watching
from app.knowledge.schemas import EmbedderOut
from app.knowledge.service.cases import TEXT_CHARS, resolved_cases
from app.knowledge.service.copying import COPY_KIND, carry_out_copy, copy_all, copy_document, rebuild_index
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
from app.knowledge.service.paging import (
    FETCHING,
    add_page,
    fetch_again,
    fetch_page,
    give_up_page,
    look_at_pages,
)
from app.knowledge.service.recording import forget_searches, keep_searches, list_searches
from app.knowledge.service.reembedding import (
    EMBED_KIND,
    FORGET_KIND,
    cancel_change,
    carry_out_embedding,
    carry_out_forgetting,
    change_embedder,
    embedder,
    give_up_embedding,
)
from app.knowledge.service.searching import Findings, Found, find, rank, search
from app.knowledge.service.uploading import READING, replace_source, source, upload

__all__ = [
    "CITED",
    "COPY_KIND",
    "EMBED_KIND",
    "FETCHING",
    "FORGET_KIND",
    "JOB_KIND",
    "READING",
    "TEXT_CHARS",
    "EmbedderOut",
    "Findings",
    "Found",
    "Match",
    "Matches",
    "Quoted",
    "Reading",
    "add_page",
    "begin_reading",
    "cancel_change",
    "carry_out_copy",
    "carry_out_embedding",
    "carry_out_forgetting",
    "change_embedder",
    "chunk",
    "copy_all",
    "copy_document",
    "create",
    "delete",
    "embedder",
    "fail_reading",
    "fetch_again",
    "fetch_page",
    "find",
    "forget_searches",
    "get",
    "give_up",
    "give_up_embedding",
    "give_up_page",
    "index",
    "keep_searches",
    "list_documents",
    "list_searches",
    "look_at_pages",
    "match",
    "quoted",
    "rank",
    "rebuild_index",
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
