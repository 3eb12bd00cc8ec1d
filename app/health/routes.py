from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import documented
from app.core.resources import Res
from app.health import service
from app.health.errors import DatabaseAway
from app.health.metrics import exposition
from app.health.schemas import DatabaseHealth, Health, Readiness

router = APIRouter(tags=["health"])


@router.get("/health")
async def health() -> Health:
    """The process is alive. Asks nobody else."""
    return Health(version=service.VERSION)


@router.get("/health/db", responses=documented(DatabaseAway))
async def database_health(resources: Res) -> DatabaseHealth:
    """Asks the database; 503 when it does not answer."""
    try:
        await service.check_database(resources)
    except (SQLAlchemyError, OSError) as error:
        raise DatabaseAway from error
    return DatabaseHealth(database="connected")


@router.get("/ready", responses={503: {"model": Readiness, "description": "Something that requests need is away."}})
async def ready(resources: Res, response: Response) -> Readiness:
    """Whether this process should be sent requests, dependency by dependency."""
    answers = await service.readiness(resources)
    good = all(answer == "ok" for name, answer in answers.items() if name not in service.OPTIONAL)
    response.status_code = 200 if good else 503
    return Readiness(status="ready" if good else "not_ready", dependencies=answers)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(resources: Res) -> Response:
    """Prometheus' text format."""
    return Response(await exposition(resources), media_type=CONTENT_TYPE_LATEST)
