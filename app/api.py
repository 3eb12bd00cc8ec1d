"""The only file that includes HTTP routers."""

from fastapi import APIRouter

from app.accounts import routes as accounts
from app.agents import routes as agents
from app.ai_config import routes as ai_config
from app.core.http import API_PREFIX
from app.files import routes as files
from app.health import routes as health
from app.outbox import routes as outbox
from app.tickets import routes as tickets
from app.websocket import routes as websocket


def build_api() -> APIRouter:
    root = APIRouter()
    # At absolute addresses: load balancers and Prometheus know no version of an API.
    root.include_router(health.router)
    root.include_router(websocket.socket)
    root.include_router(websocket.router, include_in_schema=False)
    root.include_router(_version_1())
    return root


def _version_1() -> APIRouter:
    api = APIRouter(prefix=API_PREFIX)
    api.include_router(accounts.auth)
    api.include_router(accounts.users)
    api.include_router(tickets.router)
    api.include_router(files.router)
    api.include_router(agents.router)
    api.include_router(ai_config.router)
    api.include_router(outbox.router)
    api.include_router(websocket.router)
    return api
