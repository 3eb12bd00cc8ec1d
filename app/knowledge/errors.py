"""What can be wrong with a request about documents."""

from app.core.errors import Conflict, Invalid, NotFound


class DocumentMissing(NotFound):
    code = "document_not_found"
    title = "No such document"
    detail = "There is no document, version or passage of this id that you may see."


class PageAddressRefused(Invalid):
    code = "page_address_refused"
    title = "No page is fetched from there"
    detail = "The address is none of a web page, or one of a host that is not allowed here; 'errors' says which."


class NoPage(Conflict):
    code = "document_not_a_page"
    title = "The document is no web page"
    detail = "It was sent, not fetched: send it again instead."


class EmbedderInUse(Conflict):
    code = "embedder_in_use"
    title = "This embedder is in use"
    detail = "Its vectors are what searches use already; nothing is to be made."


class NothingEmbedded(NotFound):
    code = "embedding_not_under_way"
    title = "No passages are being embedded"
    detail = "No other embedder's vectors are being made."
