from app.core.errors import Conflict, NotFound


class HeadUnknown(NotFound):
    code, title = "classifier_head_unknown", "No such version of the classifier"
    detail = "The classifier was never trained under that version."


class HeadUnusable(Conflict):
    code, title = "classifier_head_unusable", "This version cannot be used"
    detail = "Its training did not end with a usable result."
