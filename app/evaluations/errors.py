from app.core.errors import Conflict, NotFound


class EvaluationSetUnknown(NotFound):
    code, title = "evaluation_set_unknown", "No such evaluation set"
    detail = "This agent has no evaluation set of that name."


class EvaluationUnknown(NotFound):
    code, title = "evaluation_unknown", "No such evaluation"
    detail = "There is no report of this id for this agent."


class GateRefused(Conflict):
    """`active_score`, `candidate_score`, `margin` and `report_id` say more; the report stays readable."""

    code, title = "gate_refused", "The new version is worse than the active one"
    detail = "Nothing was changed."


class GateFailed(Conflict):
    """`report_id` leads to the report."""

    code, title = "gate_failed", "The versions could not be compared"
    detail = "Nothing was changed."
