"""What can be wrong with a model before or while it is called."""

from app.core.errors import Invalid, Unavailable


class ModelUnavailable(Unavailable):
    """The model is known but cannot be called here: credentials, a region or its files are missing."""

    code, title = "model_unavailable", "The model cannot be used here"
    detail = "The configured model is not available on this installation."


class UnknownModel(Invalid):
    code, title = "unknown_model", "Unknown model"
    detail = "No model goes by this name; see the list of known models."


class ModelBusy(Unavailable):
    code, title = "model_busy", "The model has too much to do"
    detail = "Try again in a moment."


class ModelFailed(Unavailable):
    code, title = "model_failed", "The model gave no usable answer"
    detail = "Try again later."


class ModelRefused(Invalid):
    code, title = "model_refused", "The model refused the request"
    detail = "The request is too long, of the wrong form, or against the provider's rules."


class ModelBudgetSpent(Unavailable):
    code, title = "model_budget_spent", "The month's budget for models is spent"
    detail = "Use the desk's own tools; an administrator can raise the budget."
