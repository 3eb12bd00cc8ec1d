"""Documents, their passages and vectors; what a person searches starts from what they may see."""

from app.knowledge.repository import embeddings
from app.knowledge.repository.documents import DocumentRepository, readable, readers_of, stale_pages
from app.knowledge.repository.embeddings import Vectors
from app.knowledge.repository.passages import PassageRepository
from app.knowledge.repository.search_records import SearchRecordRepository
from app.knowledge.repository.vectors import GRAPH, PgVectorIndex, drop_graph, has_graph, make_graph, remake_graph

__all__ = [
    "GRAPH",
    "DocumentRepository",
    "PassageRepository",
    "PgVectorIndex",
    "SearchRecordRepository",
    "Vectors",
    "drop_graph",
    "embeddings",
    "has_graph",
    "make_graph",
    "readable",
    "readers_of",
    "remake_graph",
    "stale_pages",
]
