"""The only file that includes HTTP routers, and what their document says of them all."""

from typing import Any

from fastapi import FastAPI

from app.accounts import routes as accounts
from app.agents import routes as agents
from app.ai_config import routes as ai_config
from app.analytics import routes as analytics
from app.conversations import routes as conversations
from app.core.http import API_PREFIX
from app.directory import routes as directory
from app.evaluations import routes as evaluations
from app.files import routes as files
from app.grounding import routes as grounding
from app.health import routes as health
from app.integrations import routes as integrations
from app.knowledge import routes as knowledge
from app.learning import routes as learning
from app.mail import routes as mail
from app.outbox import routes as outbox
from app.providers import routes as providers
from app.resolutions import routes as resolutions
from app.tickets import routes as tickets
from app.websocket import routes as websocket

# The busiest first: a request is matched against one after the other.
ROOMS = (
    tickets.router,
    *files.ROUTERS,
    conversations.router,
    agents.router,
    resolutions.router,
    knowledge.router,
    accounts.auth,
    accounts.users,
    # Before ai_config, whose `/ai-config/{agent_type}` would take its addresses.
    *providers.ROUTERS,
    grounding.router,
    *ai_config.ROUTERS,
    evaluations.router,
    learning.router,
    directory.router,
    integrations.router,
    mail.deliveries,
    mail.router,
    analytics.router,
    outbox.router,
    websocket.router,
)

DESCRIPTION = """\
Reports of any kind, with their evidence, become categorised, prioritised and routed tickets.

Send `Authorization: Bearer …` with an access token from `/auth/login`, or an API key. Every refusal is
`application/problem+json` (RFC 9457) with a stable `code`. Lists are arrays; the next page is in the `Link` header.
What can be edited has an `ETag` and takes `If-Match`. Any POST takes an `Idempotency-Key`. `X-Request-ID` is
accepted, returned, and found again in the logs.
"""
_ROOMS_ARE_FOR = {
    "accounts": "Registration, logins, API keys, and who may do what.",
    "agent": "AI agents that write tickets, categorise and read files. A run can be looked at in every step.",
    "ai-config": "Model, prompt and tools of each agent, in versions; providers and their limits. For administrators.",
    "analytics": "What models cost. For administrators.",
    "classifier": "The local classifier: how good it is, and its versions that learned from people. For admins.",
    "directory": "What the desk knows of customers and services. For staff; kept by administrators.",
    "files": "Evidence: pictures, recordings, documents, logs. What they say is read in the background.",
    "health": "For load balancers and Prometheus.",
    "integrations": "Connections to other systems, and tickets passed on to them.",
    "knowledge": "Documents in versions, and the passages in them that may answer a question.",
    "mails": "Mail that came in and goes out. For the staff.",
    "outbox": "Events that could not be delivered. For administrators.",
    "sessions": "Conversations: ask, be answered with sources or handed over to a person, and watch it as a stream.",
    "tickets": "Tickets, their comments and their history.",
    "websocket": "The live feed itself is at `/ws`.",
}
SERVED_AS: dict[str, Any] = {
    "title": "Evidesk",
    "version": "1.0.0",
    "description": DESCRIPTION,
    "license_info": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    "servers": [{"url": "/", "description": "The server that this document comes from."}],
    "openapi_tags": [{"name": name, "description": text} for name, text in _ROOMS_ARE_FOR.items()],
}
"""What the OpenAPI document says of the whole."""


def include_api(app: FastAPI) -> None:
    # At absolute addresses: load balancers and Prometheus know no version of an API.
    app.include_router(health.router)
    app.include_router(websocket.socket)
    app.include_router(websocket.router, include_in_schema=False)
    # Each directly: a router within a router is searched at every level, 50 microseconds each for every request.
    for room in ROOMS:
        app.include_router(room, prefix=API_PREFIX)
