from app.core.errors import Conflict, NotFound


class ResolutionMissing(NotFound):
    code, title = "resolution_not_found", "No such resolution"
    detail = "There is no resolution of this id that you may see."


class DecisionMissing(NotFound):
    code, title = "decision_not_found", "No such decision"
    detail = "There is no routing decision of this number that you may see."


class DraftMissing(NotFound):
    code, title = "draft_not_found", "No such draft"
    detail = "There is no draft of this number that you may see."


class AlreadyReviewed(Conflict):
    code, title = "already_reviewed", "Somebody has decided already"
    detail = "A person has already approved, changed or rejected this."
