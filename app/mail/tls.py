"""TLS to other people's servers: their certificates are always looked at, and nothing is said in the clear instead."""

import ssl

from app.core.settings import MailSettings


def client_context(settings: MailSettings) -> ssl.SSLContext:
    """The system's authorities, and those of the settings. Raises OSError for a file that is not there or none of
    certificates."""
    context = ssl.create_default_context()
    if settings.tls_authorities is not None:
        context.load_verify_locations(settings.tls_authorities)
    return context


def trouble(error: Exception) -> str:
    """For administrators: what went wrong, without words of the server's, which may name the account."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message.rstrip(".")
        return f"its certificate is not accepted: {why}. EVIDESK_MAIL__TLS_AUTHORITIES names authorities of your own"
    if isinstance(error, FileNotFoundError):
        return f"there is no file {error.filename or 'of EVIDESK_MAIL__TLS_AUTHORITIES'}"
    if isinstance(error, ssl.SSLError):
        return f"TLS fails with it ({error.reason or type(error).__name__})"
    return type(error).__name__
