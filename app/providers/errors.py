from app.core.errors import BadRequest, NotFound, Unavailable


class PlatformInvalid(BadRequest):
    code, title = "platform_invalid", "The configuration is not valid"
    detail = "Some of the values cannot be used."


class PlatformVersionUnknown(NotFound):
    code, title = "platform_version_unknown", "No such version"
    detail = "There never were rules of that version."


class ProviderUnknown(NotFound):
    code, title = "provider_unknown", "No such provider"
    detail = "No chain and no limit names a provider of this name, and no reranker goes by it."


class BreakersAway(Unavailable):
    code, title = "breakers_away", "The breakers cannot be reached"
    detail = "Redis is away: only this process's own breaker could be reset. Try again in a moment."
