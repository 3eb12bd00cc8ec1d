"""What can be wrong with a request about documents."""

from app.core.errors import NotFound


class DocumentMissing(NotFound):
    code = "document_not_found"
    title = "No such document"
    detail = "There is no document, version or passage of this id that you may see."
