"""Jira's REST API, version 3: issues of one project. The marker is a label, which no one has to see to be found."""

import base64
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote

from pydantic import EmailStr, Field

from app.core.settings import IntegrationSettings
from app.integrations.base import BaseUrl, Credentials, Issue, NewIssue, Secret, Settings, Word
from app.integrations.errors import Rejected, Unavailable
from app.integrations.outgoing import Outgoing

SUMMARY_CHARS = 255
TEXT_CHARS = 30_000
_SEARCHES = ("/rest/api/3/search/jql", "/rest/api/3/search")
"""The first is today's; older installations know the second only."""


class JiraSettings(Settings):
    base_url: BaseUrl
    project: Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{1,254}$", description="Its key.")]
    issue_type: Word = "Task"
    email: EmailStr | None = Field(default=None, description="Whose API token it is; without it, the token is a PAT.")


class JiraCredentials(Credentials):
    api_token: Secret


class Jira:
    def __init__(self, config: JiraSettings, credentials: JiraCredentials, settings: IntegrationSettings) -> None:
        self._config = config
        token = credentials.api_token.get_secret_value()
        login = base64.b64encode(f"{config.email}:{token}".encode()).decode()
        authorization = f"Bearer {token}" if config.email is None else f"Basic {login}"
        self._http = Outgoing(config.base_url, settings, {"Authorization": authorization}, secrets=[token, login])

    async def create(self, issue: NewIssue) -> Issue:
        fields = {
            "project": {"key": self._config.project},
            "issuetype": {"name": self._config.issue_type},
            "summary": " ".join(issue.title.split())[:SUMMARY_CHARS],
            "description": _document(issue.description[:TEXT_CHARS]),
            "labels": [issue.marker, *("-".join(label.split()) for label in issue.labels)],
        }
        return self._issue(await self._http.send("POST", "/rest/api/3/issue", json={"fields": fields}))

    async def find(self, marker: str, *, since: datetime) -> Issue | None:
        # Jira reads a day in the time zone of whoever asks, which may be a day behind.
        day = since - timedelta(days=1)
        jql = f'project = "{self._config.project}" AND labels = "{marker}" AND created >= "{day:%Y-%m-%d}" '
        asked = {"jql": f"{jql}ORDER BY created DESC", "fields": "key", "maxResults": "1"}
        for last, path in enumerate(_SEARCHES, 1 - len(_SEARCHES)):
            try:
                found = await self._http.send("GET", path, params=asked)
            except Rejected:
                if last == 0:
                    raise
                continue
            issues = found.get("issues") if isinstance(found, dict) else None
            if not isinstance(issues, list):
                raise Unavailable("The answer is no list of issues.")
            return self._issue(issues[0]) if issues else None
        return None

    async def check(self) -> str:
        me = await self._http.send("GET", "/rest/api/3/myself")
        project = await self._http.send("GET", f"/rest/api/3/project/{quote(self._config.project)}")
        if not isinstance(me, dict) or not isinstance(project, dict):
            raise Unavailable("The answer is not readable.")
        return f"{me.get('displayName')} can reach the project {project.get('name')}."

    def _issue(self, document: Any) -> Issue:
        try:
            key = str(document["key"])
        except (KeyError, TypeError) as error:
            raise Unavailable("The answer is no issue.") from error
        return Issue(key, f"{self._config.base_url}/browse/{quote(key)}")


def _document(text: str) -> dict[str, Any]:
    """Atlassian Document Format: a paragraph for each line that says something."""
    lines = [line for line in text.splitlines() if line.strip()] or [text or "-"]
    return {
        "type": "doc",
        "version": 1,
        "content": [{"type": "paragraph", "content": [{"type": "text", "text": line}]} for line in lines],
    }
