"""How an engine can fail. A reason names the engine and what it said, never a key nor what was spoken."""


class SpeechFailed(Exception):
    def __init__(self, engine: str, reason: str) -> None:
        super().__init__(f"{engine}: {reason}")
        self.engine = engine
        self.reason = reason


class SpeechUnavailable(SpeechFailed):
    """It does not answer, or not in its protocol. Later it may."""


class SpeechRateLimited(SpeechUnavailable):
    """Too much was asked of it; `retry_after` in seconds, where it says so."""

    def __init__(self, engine: str, reason: str, retry_after: float | None = None) -> None:
        super().__init__(engine, reason)
        self.retry_after = retry_after


class SpeechUnauthorised(SpeechUnavailable):
    """Our credentials are missing, wrong, or worth nothing there. Once they are mended, it may answer."""


class SpeechRejected(SpeechFailed):
    """It will not transcribe this, however often it is asked."""
