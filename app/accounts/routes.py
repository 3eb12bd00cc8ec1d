from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response

from app.accounts import service
from app.accounts.authentication import AdminUser, CurrentUser, identity_of
from app.accounts.errors import (
    AccountTaken,
    ApiKeyNotFound,
    ConfirmationOff,
    ConfirmationRefused,
    LastAdmin,
    LoginFailed,
    RefreshRefused,
    TooManyApiKeys,
    TooManyConfirmations,
    TooManyLogins,
    UserNotFound,
)
from app.accounts.schemas import (
    ApiKeyIn,
    ApiKeyMade,
    ApiKeyOut,
    ConfirmationOut,
    ConfirmIn,
    LoginIn,
    LogoutIn,
    RefreshIn,
    RegisterIn,
    TokensOut,
    UserOut,
    UserPatch,
)
from app.accounts.service import api_keys, confirming, logins
from app.core.auth import Role
from app.core.db import ReadSession, WriteSession
from app.core.errors import PreconditionFailed, Unauthenticated, documented
from app.core.http import IfMatch, check_version, etag
from app.core.idempotency import IdempotentRoute
from app.core.pagination import Cursor, Limit, link_next
from app.core.ratelimit import address_of
from app.core.resources import Res
from app.core.schemas import BIGINT_MAX

auth = APIRouter(route_class=IdempotentRoute, prefix="/auth", tags=["accounts"])
users = APIRouter(route_class=IdempotentRoute, prefix="/users", tags=["accounts"])

Id = Annotated[int, Path(ge=1, le=BIGINT_MAX)]


@auth.post("/register", status_code=201, responses=documented(AccountTaken))
async def register(body: RegisterIn, db: WriteSession, res: Res) -> UserOut:
    """Makes a customer. Any other role is given by an administrator."""
    user = await service.register(
        db, res.settings.auth, username=body.username, email=body.email, password=body.password
    )
    return UserOut.model_validate(user)


@auth.post("/login", responses=documented(LoginFailed, TooManyLogins))
async def login(body: LoginIn, request: Request, response: Response, db: WriteSession, res: Res) -> TokensOut:
    """By username or email address. After too many failures, 429 for a while."""
    response.headers["Cache-Control"] = "no-store"
    return await logins.login(db, res, name=body.username, password=body.password, address=address_of(request.scope))


@auth.post("/refresh", responses=documented(RefreshRefused))
async def refresh(body: RefreshIn, response: Response, db: WriteSession, res: Res) -> TokensOut:
    """Each refresh token works once. A second use ends the login for both sides; a retry needs an Idempotency-Key."""
    response.headers["Cache-Control"] = "no-store"
    return await logins.refresh(db, res, token=body.refresh_token)


@auth.post(
    "/logout",
    status_code=204,
    responses=documented(Unauthenticated),
    openapi_extra={"security": [{"bearer": []}, {}]},
)
async def logout(request: Request, db: WriteSession, body: LogoutIn | None = None) -> None:
    """Ends the login of the refresh token in the body, of the access token sent, or of both."""
    identity = await identity_of(request)
    token = body.refresh_token if body else None
    if token is None and identity.family is None:
        raise identity.refusal or Unauthenticated
    await logins.logout(db, token=token, family_id=identity.family)


@users.get("/me")
async def me(who: CurrentUser, db: ReadSession) -> UserOut:
    """Whose credential this is, and with which role."""
    return UserOut.model_validate(await service.get(db, who, who.user_id))


@users.post("/me/email/confirmation", status_code=202, responses=documented(ConfirmationOff, TooManyConfirmations))
async def ask_for_confirmation(who: CurrentUser, request: Request, db: WriteSession, res: Res) -> ConfirmationOut:
    """Mails a code to one's own address, good once and for a while; none if the address is confirmed."""
    return await confirming.ask(db, res, who, address=address_of(request.scope))


@users.post("/me/email/confirm", responses=documented(ConfirmationRefused, TooManyConfirmations))
async def confirm_email(body: ConfirmIn, who: CurrentUser, db: WriteSession, res: Res) -> UserOut:
    """Hands back the code that was mailed: from now on, mail from this address is this account's."""
    return UserOut.model_validate(await confirming.confirm(db, res, who, token=body.token))


@users.get("/me/api-keys")
async def list_keys(
    who: CurrentUser,
    db: ReadSession,
    request: Request,
    response: Response,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> list[ApiKeyOut]:
    """One's own keys that have not been revoked, without the secret itself."""
    page = await api_keys.page(db, who, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [ApiKeyOut.model_validate(key) for key in page.rows]


@users.post("/me/api-keys", status_code=201, responses=documented(TooManyApiKeys))
async def make_key(body: ApiKeyIn, who: CurrentUser, response: Response, db: WriteSession) -> ApiKeyMade:
    """A key for a program, limited to its scopes. The answer is the only time that it is shown."""
    row, key = await api_keys.make(db, who, name=body.name, scopes=body.scopes, expires_at=body.expires_at)
    response.headers["Cache-Control"] = "no-store"
    return ApiKeyMade(**ApiKeyOut.model_validate(row).model_dump(), key=key)


@users.delete("/me/api-keys/{key_id}", status_code=204, responses=documented(ApiKeyNotFound))
async def revoke_key(key_id: Id, who: CurrentUser, db: WriteSession) -> None:
    """The key stops working at once."""
    await api_keys.revoke(db, who, key_id)


@users.get("")
async def list_users(
    who: AdminUser,
    db: ReadSession,
    request: Request,
    response: Response,
    role: Annotated[Role | None, Query()] = None,
    active: Annotated[bool | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> list[UserOut]:
    """For administrators."""
    page = await service.page(db, who, role=role, active=active, cursor=cursor, limit=limit)
    link_next(request, response, page.next_cursor)
    return [UserOut.model_validate(user) for user in page.rows]


@users.patch("/{user_id}", responses=documented(UserNotFound, LastAdmin, PreconditionFailed))
async def change_user(
    user_id: Id,
    body: UserPatch,
    who: AdminUser,
    response: Response,
    db: WriteSession,
    if_match: IfMatch = None,
) -> UserOut:
    """Role, teams, and whether the account is active. Deactivating ends every login; the last administrator stays."""
    user = await service.get(db, who, user_id)
    wanted = body.model_dump(exclude_none=True)
    current = {"role": user.role, "active": user.active, "teams": user.teams}
    check_version(if_match, version=user.version, current=current, wanted=wanted)
    user = await service.change(db, who, user_id, role=body.role, active=body.active, teams=body.teams)
    response.headers["ETag"] = etag(user.version)
    return UserOut.model_validate(user)
