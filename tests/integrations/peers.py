"""Other companies' systems, as far as the desk speaks with them, on a port of their own.

Each checks what it is sent against the vendor's own description where that is at hand (`../shared/data/vendor-specs`).
"""

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from jsonschema import Draft4Validator
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

SPECS = Path(__file__).resolve().parents[3] / "shared" / "data" / "vendor-specs"


@cache
def spec(name: str) -> dict[str, Any] | None:
    path = SPECS / name
    found: dict[str, Any] | None = json.loads(path.read_text()) if path.exists() else None
    return found


def conforms(name: str, method: str, path: str, body: Any) -> None:
    """The operation exists in the vendor's description, and takes this body."""
    document = spec(name)
    if document is None:
        return
    operation = document["paths"][path][method]
    if body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        Draft4Validator({**schema, "components": document["components"]}).validate(body)


@dataclass
class Peer(ABC):
    """`faults` are answers to give, in turn, instead of the real one; `lose_answers` makes what is asked for first."""

    faults: list[Response] = field(default_factory=list)
    lose_answers: int = 0
    made: list[dict[str, Any]] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    credentials: set[str] = field(default_factory=set)
    while_making: Callable[[], Awaitable[None]] | None = None

    provider: ClassVar[str]
    config: ClassVar[dict[str, Any]]
    secret: ClassVar[dict[str, str]]

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self._answer, methods=["GET", "POST"])])

    async def _answer(self, request: Request) -> Response:
        path = f"/{request.path_params['path']}"
        self.asked.append((request.method, path))
        self.credentials.add(request.headers.get("authorization", ""))
        if self.faults and not path.startswith("/services/oauth2"):
            return self.faults.pop(0)
        return await self.answer(request, path)

    @abstractmethod
    async def answer(self, request: Request, path: str) -> Response:
        """In the vendor's words."""

    async def keep(self, thing: dict[str, Any], answer: Response) -> Response:
        self.made.append(thing)
        if self.while_making is not None:
            await self.while_making()
        if self.lose_answers:
            self.lose_answers -= 1
            return JSONResponse({"message": "bad gateway"}, 502)
        return answer

    def texts(self) -> list[str]:
        return [json.dumps(one, ensure_ascii=False) for one in self.made]


class GitHubPeer(Peer):
    provider = "github"
    config: ClassVar = {"owner": "acme", "repo": "shop"}
    secret: ClassVar = {"token": "ghs_sesame_sesame_sesame"}

    async def answer(self, request: Request, path: str) -> Response:
        assert request.headers["x-github-api-version"] == "2022-11-28"
        if request.method == "POST":
            body = await request.json()
            conforms("github-rest.json", "post", "/repos/{owner}/{repo}/issues", body)
            number = len(self.made) + 7
            issue = {**body, "number": number, "html_url": f"https://github.com/acme/shop/issues/{number}"}
            return await self.keep(issue, JSONResponse(issue, 201))
        if path == "/repos/acme/shop":
            return JSONResponse({"full_name": "acme/shop", "has_issues": True})
        assert path == "/repos/acme/shop/issues"
        assert request.query_params["state"] == "all"
        conforms("github-rest.json", "get", "/repos/{owner}/{repo}/issues", None)
        page, size = int(request.query_params["page"]), int(request.query_params["per_page"])
        return JSONResponse([*reversed(self.made)][(page - 1) * size : page * size])


class JiraPeer(Peer):
    provider = "jira"
    config: ClassVar = {"project": "SHOP", "email": "desk@example.com"}
    secret: ClassVar = {"api_token": "ATATT-sesame-sesame"}

    async def answer(self, request: Request, path: str) -> Response:
        match path:
            case "/rest/api/3/myself":
                return JSONResponse({"displayName": "Desk"})
            case "/rest/api/3/project/SHOP":
                return JSONResponse({"name": "The shop"})
            case "/rest/api/3/issue":
                body = await request.json()
                conforms("jira-platform.v3.json", "post", path, body)
                if "\n" in body["fields"]["summary"] or any(" " in label for label in body["fields"]["labels"]):
                    return JSONResponse({"errorMessages": [], "errors": {"labels": "no spaces"}}, 400)
                number = len(self.made) + 1
                answer = {"id": str(number), "key": f"SHOP-{number}", "self": "https://example.atlassian.net/x"}
                return await self.keep({**body["fields"], "key": f"SHOP-{number}"}, JSONResponse(answer, 201))
            case "/rest/api/3/search":
                conforms("jira-platform.v3.json", "get", path, None)
                label = re.search(r'labels = "([a-z0-9-]+)"', request.query_params["jql"])
                assert label is not None
                found = [{"key": one["key"]} for one in self.made if label[1] in one["labels"]]
                return JSONResponse({"issues": found, "total": len(found)})
            case _:
                # Of today's search the description at hand knows nothing: as an older installation.
                return JSONResponse({"errorMessages": ["dead link"]}, 404)


class SalesforcePeer(Peer):
    provider = "salesforce"
    config: ClassVar = {}
    secret: ClassVar = {"client_id": "3MVG9-sesame", "client_secret": "5EA51DE-sesame"}

    async def answer(self, request: Request, path: str) -> Response:
        if path == "/services/oauth2/token":
            form = await request.form()
            assert (form["grant_type"], form["client_id"]) == ("client_credentials", self.secret["client_id"])
            if form["client_secret"] != self.secret["client_secret"]:
                return JSONResponse({"error": "invalid_client", "error_description": "no such client"}, 400)
            return JSONResponse({"access_token": "00D-token", "token_type": "Bearer"})
        assert request.headers["authorization"] == "Bearer 00D-token"
        match path.removeprefix("/services/data/v61.0"):
            case "/sobjects/Case":
                body = await request.json()
                assert set(body) == {"Subject", "Description", "Priority", "Origin"}
                assert len(body["Subject"]) <= 255
                case_id = f"500000000000{len(self.made):03}AAA"
                return await self.keep({**body, "Id": case_id}, JSONResponse({"id": case_id, "success": True}, 201))
            case "/query":
                marker = re.search(r"Subject LIKE '%(\[[a-z0-9-]+\])'", request.query_params["q"])
                assert marker is not None
                found = [{"Id": one["Id"]} for one in self.made if one["Subject"].endswith(marker[1])]
                return JSONResponse({"totalSize": len(found), "done": True, "records": found})
            case "/sobjects/Case/describe":
                return JSONResponse({"name": "Case"})
        return JSONResponse([{"errorCode": "NOT_FOUND", "message": "no such resource"}], 404)


PEERS: tuple[type[Peer], ...] = (GitHubPeer, JiraPeer, SalesforcePeer)
