"""The local classifier by HTTP: how good it is, what it learned from, and which version is used. For administrators."""

from typing import Annotated

from fastapi import APIRouter, Path, Response

from app.accounts.authentication import AdminUser
from app.core.db import ReadSession, WriteSession
from app.core.errors import Forbidden, Invalid, RateLimited, TooLarge, Unauthenticated, documented
from app.core.http import API_PREFIX
from app.core.idempotency import IdempotencyConflict, IdempotencyKeyInvalid, IdempotentRoute
from app.learning import service
from app.learning.errors import HeadUnknown, HeadUnusable
from app.learning.schemas import HeadAccepted, HeadLine, HeadOut, HeadRollbackIn

router = APIRouter(
    route_class=IdempotentRoute,
    prefix="/classifier",
    tags=["classifier"],
    responses=documented(Unauthenticated, Forbidden, RateLimited),
)

_POSTING = (IdempotencyKeyInvalid, IdempotencyConflict, TooLarge, Invalid)


@router.get("")
async def get_classifier(who: AdminUser, db: ReadSession) -> HeadOut:
    """The version in use: what it learned from, and how far its confidence can be trusted."""
    return await service.in_force(db, who)


@router.get("/versions")
async def list_classifier_versions(who: AdminUser, db: ReadSession) -> list[HeadLine]:
    """The newest hundred, and the delivered one."""
    return await service.versions(db, who)


@router.get("/versions/{version}", responses=documented(HeadUnknown, Invalid))
async def get_classifier_version(
    version: Annotated[int, Path(ge=0, le=2**31 - 1)], who: AdminUser, db: ReadSession
) -> HeadOut:
    """Also of a version that was refused."""
    return await service.one(db, who, version)


@router.post("/retrain", status_code=202, responses=documented(*_POSTING))
async def retrain_classifier(who: AdminUser, db: WriteSession, response: Response) -> HeadAccepted:
    """Learn from the delivered examples and from what people have judged. `Location` tells what became of it; one
    that is under way is not started twice."""
    row = await service.request(db, author_id=who.user_id)
    response.headers["Location"] = f"{API_PREFIX}/classifier/versions/{row.version}"
    return HeadAccepted(version=row.version, status=row.status)


@router.post("/rollback", responses=documented(HeadUnknown, HeadUnusable, *_POSTING))
async def roll_back_classifier(body: HeadRollbackIn, who: AdminUser, db: WriteSession) -> HeadOut:
    """Use a version that was trained before, or with 0 the delivered one, from the next run on in every process."""
    return await service.roll_back(db, who, version=body.version)
