"""Searches as administrators see them; nobody else sees any."""

from app.core.pagination import Page
from app.core.repository import AdministratorsRepository
from app.knowledge.schemas import SearchRecordQuery
from app.models.search_record import SearchRecord


class SearchRecordRepository(AdministratorsRepository[SearchRecord]):
    model = SearchRecord

    async def search(self, asked: SearchRecordQuery) -> Page[SearchRecord]:
        """Newest first."""
        query = self.visible()
        if asked.correlation_id is not None:
            query = query.where(SearchRecord.correlation_id == asked.correlation_id)
        if asked.reader_id is not None:
            query = query.where(SearchRecord.reader_id == asked.reader_id)
        return await self.page(query, sort=SearchRecord.created_at, cursor=asked.cursor, limit=asked.limit)
