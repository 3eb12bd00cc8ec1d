"""The only file that includes HTTP routers."""

from fastapi import APIRouter

PREFIX = "/api/v1"


def build_api() -> APIRouter:
    return APIRouter(prefix=PREFIX)
