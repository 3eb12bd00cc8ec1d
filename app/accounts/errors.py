from app.core.errors import Conflict, Forbidden, NotFound, RateLimited, Unauthenticated


class LoginFailed(Unauthenticated):
    """One answer for every reason: whether the account exists must not be told."""

    code = "login_failed"
    title = "Login failed"
    detail = "The name or the password is wrong."


class RefreshRefused(Unauthenticated):
    code = "refresh_token_invalid"
    title = "The refresh token is not valid"
    detail = "The refresh token is unknown, expired, revoked or was used before; log in again."


class TooManyLogins(RateLimited):
    code = "too_many_logins"
    title = "Too many failed logins"
    detail = "Too many failed logins; 'Retry-After' says for how many seconds to wait."


class ScopeMissing(Forbidden):
    code = "scope_missing"
    title = "The API key does not reach so far"
    detail = "This API key was not given the scope that this address needs."


class TooManyConfirmations(RateLimited):
    code = "too_many_confirmations"
    title = "Too many confirmations"
    detail = "Too many were asked for or tried; 'Retry-After' says for how many seconds to wait."


class ConfirmationRefused(NotFound):
    """One answer for every reason."""

    code = "confirmation_invalid"
    title = "The code is not valid"
    detail = "The code is unknown, expired, was used before or is for another account; ask for a new one."


class ConfirmationOff(Conflict):
    code = "confirmation_off"
    title = "This desk sends no mail"
    detail = "No address can be confirmed here until an administrator sets up mail (EVIDESK_MAIL__ADDRESS)."


class AccountTaken(Conflict):
    code = "account_taken"
    title = "The account exists"
    detail = "The username or the email address is taken."


class LastAdmin(Conflict):
    code = "last_admin"
    title = "The last administrator"
    detail = "Somebody must stay active administrator."


class TooManyApiKeys(Conflict):
    code = "too_many_api_keys"
    title = "Too many API keys"
    detail = "Revoke a key that is no longer used first."


class UserNotFound(NotFound):
    code = "user_not_found"
    title = "No such user"


class ApiKeyNotFound(NotFound):
    code = "api_key_not_found"
    title = "No such API key"
