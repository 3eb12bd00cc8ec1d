"""What can be wrong with a model before or while it is called."""

from app.core.errors import Invalid, Unavailable


class ModelUnavailable(Unavailable):
    """The model is known but cannot be called here: credentials, a region or its files are missing."""

    code, title = "model_unavailable", "The model cannot be used here"
    detail = "The configured model is not available on this installation."


class UnknownModel(Invalid):
    code, title = "unknown_model", "Unknown model"
    detail = "No model goes by this name; see the list of known models."
