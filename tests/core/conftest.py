from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request

from app.core.auth import Principal, Role
from app.core.http import install_error_handlers
from app.core.idempotency import AnswerBox
from app.core.middleware import RoadMiddleware
from app.core.resources import Resources
from tests.factories.serving import client_of

WHO = "X-Test-User"


async def _identify(request: Request) -> Principal | None:
    name = request.headers.get(WHO)
    return Principal(int(name), f"user-{name}", Role.CUSTOMER) if name else None


@pytest.fixture
def small_app(resources: Resources) -> FastAPI:
    """An application without rooms: tests give it routes. Who calls is said by the header `WHO`."""
    app = FastAPI(redirect_slashes=False)
    install_error_handlers(app)
    app.state.resources = resources
    app.state.answer_box = AnswerBox("a secret of the tests")
    app.state.identify = _identify
    app.add_middleware(RoadMiddleware)
    return app


@pytest.fixture
async def small(small_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    async with client_of(small_app) as client:
        yield client
