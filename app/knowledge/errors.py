"""What can be wrong with a request about documents."""

from app.core.errors import Conflict, NotFound


class DocumentMissing(NotFound):
    code = "document_not_found"
    title = "No such document"
    detail = "There is no document, version or passage of this id that you may see."


class EmbedderInUse(Conflict):
    code = "embedder_in_use"
    title = "This embedder is in use"
    detail = "Its vectors are what searches use already; nothing is to be made."


class NothingEmbedded(NotFound):
    code = "embedding_not_under_way"
    title = "No passages are being embedded"
    detail = "No other embedder's vectors are being made."
