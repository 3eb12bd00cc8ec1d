"""GitHub's REST API, version 2022-11-28: issues of one repository.

The marker is a comment in the issue's text. Issues are listed, not searched: a search finds new ones only
after a while.
"""

from datetime import datetime
from typing import Annotated, Any

from pydantic import Field

from app.core.settings import IntegrationSettings
from app.integrations.base import BaseUrl, Credentials, Issue, NewIssue, Secret, Settings
from app.integrations.errors import Rejected, Unavailable
from app.integrations.outgoing import Outgoing

PAGE = 100
PAGES_MOST = 20
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,100}$")]


class GitHubSettings(Settings):
    owner: Name
    repo: Name
    base_url: BaseUrl = "https://api.github.com"


class GitHubCredentials(Credentials):
    token: Secret = Field(description="May read and write issues of the repository.")


class GitHub:
    def __init__(self, config: GitHubSettings, credentials: GitHubCredentials, settings: IntegrationSettings) -> None:
        self._repo = f"/repos/{config.owner}/{config.repo}"
        token = credentials.token.get_secret_value()
        self._http = Outgoing(
            config.base_url,
            settings,
            {
                "Authorization": f"Bearer {token}",
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            },
            secrets=[token],
        )

    async def create(self, issue: NewIssue) -> Issue:
        body = f"{issue.description}\n\n<!-- {issue.marker} -->"
        made = await self._http.send(
            "POST", f"{self._repo}/issues", json={"title": issue.title, "body": body, "labels": list(issue.labels)}
        )
        return _issue(made)

    async def find(self, marker: str, *, since: datetime) -> Issue | None:
        for page in range(1, PAGES_MOST + 1):
            asked = {"state": "all", "sort": "created", "direction": "desc", "since": f"{since:%Y-%m-%dT%H:%M:%SZ}"}
            found = await self._http.send(
                "GET", f"{self._repo}/issues", params={**asked, "per_page": str(PAGE), "page": str(page)}
            )
            if not isinstance(found, list):
                raise Unavailable("The answer is no list of issues.")
            for one in found:
                if isinstance(one, dict) and f"<!-- {marker} -->" in str(one.get("body")):
                    return _issue(one)
            if len(found) < PAGE:
                return None
        raise Unavailable("There are too many new issues to look through.")

    async def check(self) -> str:
        found = await self._http.send("GET", self._repo)
        if not isinstance(found, dict) or not found.get("has_issues", True):
            raise Rejected("The repository takes no issues.")
        return f"The repository {found.get('full_name')} can be reached."


def _issue(document: Any) -> Issue:
    try:
        return Issue(f"#{int(document['number'])}", str(document["html_url"]))
    except (KeyError, TypeError, ValueError) as error:
        raise Unavailable("The answer is no issue.") from error
