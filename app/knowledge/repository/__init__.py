"""Documents and their passages; both start from what the viewer may see."""

from app.knowledge.repository.documents import DocumentRepository, readable
from app.knowledge.repository.passages import COUNTED_MOST, Corpus, PassageRepository
from app.knowledge.repository.search_records import SearchRecordRepository

__all__ = ["COUNTED_MOST", "Corpus", "DocumentRepository", "PassageRepository", "SearchRecordRepository", "readable"]
