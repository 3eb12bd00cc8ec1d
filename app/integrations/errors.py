"""What can be wrong with a connection, and what a vendor's refusal means."""

from app.core.errors import Conflict, Invalid, NotFound


class VendorFault(Exception):
    """`reason` is a sentence for people. It may quote the vendor's refusal, never a secret."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class Unavailable(VendorFault):
    """Away, overloaded or unreadable: the same request may be answered in a moment."""


class RateLimited(VendorFault):
    def __init__(self, reason: str, *, retry_after: float) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class Rejected(VendorFault):
    """The vendor is well and does not want this request."""


class AddressRefused(Rejected):
    """The address leads where no connection may go."""


class Unauthorized(VendorFault):
    """The credentials are wrong, expired, or may not do this."""


class IntegrationMissing(NotFound):
    code, title = "integration_not_found", "No such connection"
    detail = "There is no connection to another system of this number or name."


class IntegrationNameTaken(Conflict):
    code, title = "integration_name_taken", "The name is taken"
    detail = "Another connection has this name."


class IntegrationInvalid(Invalid):
    code, title = "integration_invalid", "The connection's settings are not valid"
    detail = "Some settings are missing, unknown or of the wrong form; 'errors' names them."


class IntegrationDisabled(Conflict):
    code, title = "integration_disabled", "The connection is switched off"
    detail = "An administrator has switched this connection off."


class SecretUnreadable(Conflict):
    code, title = "integration_secret_unreadable", "The connection's secret cannot be read"
    detail = "It was sealed with a key that is no longer known; an administrator has to enter it again."
