"""The only file that includes HTTP routers."""

from fastapi import APIRouter

from app.health import routes as health

PREFIX = "/api/v1"


def build_api() -> APIRouter:
    root = APIRouter()
    # At absolute addresses: load balancers and Prometheus know no version of an API.
    root.include_router(health.router)
    root.include_router(_version_1())
    return root


def _version_1() -> APIRouter:
    return APIRouter(prefix=PREFIX)
