from app.core.errors import BadRequest, NotFound


class ThresholdsInvalid(BadRequest):
    code, title = "thresholds_invalid", "The thresholds are not valid"
    detail = "Some of the values cannot be used."


class ThresholdsVersionUnknown(NotFound):
    code, title = "thresholds_version_unknown", "No such version"
    detail = "There never were thresholds of that version."
