"""Salesforce's REST API: cases. The marker ends the subject, the one text of a case that can be asked for."""

import re
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import Field

from app.core.settings import IntegrationSettings
from app.integrations.base import BaseUrl, Credentials, Issue, NewIssue, Secret, Settings
from app.integrations.errors import AddressRefused, Rejected, Unauthorized, Unavailable
from app.integrations.outgoing import Outgoing

SUBJECT_CHARS = 255
TEXT_CHARS = 32_000
_PRIORITIES = {"low": "Low", "medium": "Medium", "high": "High", "critical": "High"}
_ID = re.compile(r"^[A-Za-z0-9]{15,18}$")


class SalesforceSettings(Settings):
    base_url: BaseUrl = Field(description="https://<your domain>.my.salesforce.com")
    api_version: Annotated[str, Field(pattern=r"^v\d{2,3}\.0$")] = "v61.0"


class SalesforceCredentials(Credentials):
    """Of a connected app with the client credentials flow."""

    client_id: Secret
    client_secret: Secret


class Salesforce:
    def __init__(
        self, config: SalesforceSettings, credentials: SalesforceCredentials, settings: IntegrationSettings
    ) -> None:
        self._config = config
        self._credentials = credentials
        self._http = Outgoing(config.base_url, settings, {}, secrets=[credentials.client_secret.get_secret_value()])
        self._token: str | None = None

    async def create(self, issue: NewIssue) -> Issue:
        room = SUBJECT_CHARS - len(issue.marker) - 3
        case = {
            "Subject": f"{' '.join(issue.title.split())[:room]} [{issue.marker}]",
            "Description": issue.description[:TEXT_CHARS],
            "Priority": _PRIORITIES[issue.priority],
            "Origin": "Evidesk",
        }
        return self._issue(await self._send("POST", "/sobjects/Case", json=case), "id")

    async def find(self, marker: str, *, since: datetime) -> Issue | None:
        # The marker holds letters, digits and hyphens: nothing that SOQL would take for its own.
        question = (
            f"SELECT Id FROM Case WHERE Subject LIKE '%[{marker}]' AND CreatedDate >= {since:%Y-%m-%dT%H:%M:%SZ} "  # noqa: S608 - see above
            "ORDER BY CreatedDate LIMIT 1"
        )
        found = await self._send("GET", "/query", params={"q": question})
        records = found.get("records") if isinstance(found, dict) else None
        if not isinstance(records, list):
            raise Unavailable("The answer is no list of cases.")
        return self._issue(records[0], "Id") if records else None

    async def check(self) -> str:
        await self._send("GET", "/sobjects/Case/describe")
        return "The connected app can log in and reach cases."

    async def _send(self, method: str, path: str, **request: Any) -> Any:
        if self._token is None:
            self._token = await self._log_in()
        return await self._http.send(
            method,
            f"/services/data/{self._config.api_version}{path}",
            headers={"Authorization": f"Bearer {self._token}"},
            **request,
        )

    async def _log_in(self) -> str:
        form = {
            "grant_type": "client_credentials",
            "client_id": self._credentials.client_id.get_secret_value(),
            "client_secret": self._credentials.client_secret.get_secret_value(),
        }
        try:
            answer = await self._http.send("POST", "/services/oauth2/token", form=form)
        except AddressRefused:
            raise
        except Rejected as error:
            raise Unauthorized(error.reason) from error
        if not isinstance(answer, dict) or not isinstance(answer.get("access_token"), str):
            raise Unavailable("The answer holds no token.")
        return str(answer["access_token"])

    def _issue(self, document: Any, name: str) -> Issue:
        case_id = document.get(name) if isinstance(document, dict) else None
        if not isinstance(case_id, str) or not _ID.match(case_id):
            raise Unavailable("The answer is no case.")
        return Issue(case_id, f"{self._config.base_url}/lightning/r/Case/{quote(case_id)}/view")
