"""Whether GitHub takes the token, and whether it opens the repository as Amplify needs. The token is never shown."""

from __future__ import annotations

import json
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any
from urllib.parse import quote

from ops.doctor_finding import Finding, bad, good, unneeded, unseen
from settings import Settings

TOKEN = "GitHub token"
API = "https://api.github.com"
ANSWER_S = 8.0
VARIABLE = "GITHUB_TOKEN"
EXPIRY = "github-authentication-token-expiration"
"""Header with the end of a token (docs.github.com/en/rest/authentication/authenticating-to-the-rest-api)."""
NEW = (
    "make a fine-grained token for the repository (contents: read, webhooks: write), then "
    "`pulumi config set --secret githubToken --stack {stack}`"
)
INSTALL = "install the GitHub App aws-amplify-{region} on the repository, and make the token for it"

ReadToken = Callable[[], str]
"""The token as the stack has it; ValueError, with the reason, when it can't be read."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """GitHub's, as far as it is looked at."""

    status: int
    body: Any
    expires: str


class NoAnswer(Exception):
    """GitHub can't be reached; the message tells why."""


def check(
    settings: Settings, read: ReadToken, *, api: str = API, environment: Mapping[str, str] = os.environ
) -> list[Finding]:
    """Asks GitHub's API, by GET alone."""
    if not settings.frontend.enabled:
        return [unneeded(TOKEN, "sd-app:frontend.enabled is false: Amplify needs it, nobody else")]
    try:
        token, source = read(), "sd-app:githubToken"
    except ValueError as error:
        token, source = environment.get(VARIABLE, ""), VARIABLE
        if not token:
            return [unseen(TOKEN, f"sd-app:githubToken can't be read ({error}), {VARIABLE} is not set")]
    try:
        return [_judge(settings, source, lambda path: _get(f"{api}{path}", token))]
    except NoAnswer as error:
        return [unseen(TOKEN, f"GitHub does not answer: {error}")]


def _judge(settings: Settings, source: str, get: Callable[[str], Answer]) -> Finding:
    """What Amplify will meet, in the order that it meets it."""
    name = settings.repository.url.removeprefix("https://github.com/").removesuffix(".git")
    branch, new = settings.repository.branch, NEW.format(stack=settings.stack)
    repository = get(f"/repos/{name}")
    match repository.status:
        case 200:
            pass
        case 401:
            return bad(TOKEN, f"{source}: GitHub takes it no more, or never did (401)", new)
        case 404:
            return bad(TOKEN, f"{source} does not open {name}, or there is no such repository (404)", new)
        case status:
            return unseen(TOKEN, f"{source}: GitHub answered {status} for {name}")
    if get(f"/repos/{name}/branches/{quote(branch, safe='')}").status == 404:
        return bad(TOKEN, f"{name} has no branch {branch}", "push it, or correct sd-app:repository.branch")
    if get(f"/repos/{name}/hooks?per_page=1").status in (403, 404):
        todo = INSTALL.format(region=settings.aws.region)
        return bad(TOKEN, f"{source} has no right to the webhooks of {name}", f"{todo}: webhooks: write")
    until = f", valid until {repository.expires[:10]}" if repository.expires else ""
    return good(TOKEN, f"{source} opens {name}, branch {branch}{until}")


class _StayHere(urllib.request.HTTPRedirectHandler):
    """A token goes to nobody but the host that was meant."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def _get(url: str, token: str) -> Answer:
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "User-Agent": "sd-app-doctor",
    }
    opener = urllib.request.build_opener(_StayHere)
    try:
        with opener.open(
            urllib.request.Request(url, headers=headers),  # noqa: S310  # API, or a test's own host
            timeout=ANSWER_S,
        ) as answer:
            return Answer(
                status=answer.status, body=json.loads(answer.read()), expires=answer.headers.get(EXPIRY, "")
            )
    except urllib.error.HTTPError as error:
        with error:
            return Answer(status=error.code, body=None, expires="")
    except urllib.error.URLError as error:
        raise NoAnswer(str(error.reason)) from None
    except (OSError, HTTPException, ValueError) as error:
        # A token with a line break is no header; the message would show it.
        raise NoAnswer(type(error).__name__) from None
