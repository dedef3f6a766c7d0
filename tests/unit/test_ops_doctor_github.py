"""`ops doctor` on the GitHub token: a stand-in for GitHub's API on loopback, and nothing of the token in what is told."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ops import doctor_github
from ops.doctor_finding import Finding
from tests.unit.doctor_ground import dev

GIVEN = "github_pat_11AAAA_secret"
REPOSITORY = "/repos/your-studio/sd-app"


@dataclass
class GitHub:
    """What it answers by path, else 200; what it was asked."""

    url: str = ""
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    asked: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


@pytest.fixture
def github() -> Iterator[GitHub]:
    made = GitHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            made.asked.append((self.command, path, self.headers["Authorization"]))
            self.send_response(made.statuses.get(path, 200))
            self.send_header("github-authentication-token-expiration", "2027-03-01 00:00:00 UTC")
            if made.statuses.get(path) == 302:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    yield made
    server.shutdown()
    server.server_close()


def check(github: GitHub, token: str | None = GIVEN, environment: dict[str, str] | None = None) -> Finding:
    def read() -> str:
        if token is None:
            raise ValueError("passphrase must be set")
        return token

    settings = dev(frontend={"enabled": True}, githubToken=True)
    (found,) = doctor_github.check(settings, read, api=github.url, environment=environment or {})
    assert GIVEN not in repr(found), "the token is never told"
    return found


def test_without_the_page_no_token_is_read(github: GitHub) -> None:
    def read() -> str:
        raise AssertionError("nobody needs it")

    (found,) = doctor_github.check(dev(), read, api=github.url)
    assert found.verdict == "unneeded" and not github.asked


def test_a_token_that_opens_repository_branch_and_webhooks(github: GitHub) -> None:
    found = check(github)
    assert found.verdict == "ok", found
    assert "opens your-studio/sd-app, branch main, valid until 2027-03-01" in found.said
    assert [path for _, path, _ in github.asked] == [
        REPOSITORY,
        f"{REPOSITORY}/branches/main",
        f"{REPOSITORY}/hooks",
    ]
    assert {(method, given) for method, _, given in github.asked} == {("GET", f"Bearer {GIVEN}")}


@pytest.mark.parametrize(
    ("path", "status", "said", "todo"),
    [
        (REPOSITORY, 401, "takes it no more", "pulumi config set --secret githubToken --stack dev"),
        (REPOSITORY, 404, "does not open your-studio/sd-app", "fine-grained token"),
        (f"{REPOSITORY}/branches/main", 404, "no branch main", "sd-app:repository.branch"),
        (f"{REPOSITORY}/hooks", 403, "no right to the webhooks", "aws-amplify-us-east-1"),
        (f"{REPOSITORY}/hooks", 404, "no right to the webhooks", "aws-amplify-us-east-1"),
    ],
)
def test_what_amplify_would_meet_is_told(
    github: GitHub, path: str, status: int, said: str, todo: str
) -> None:
    github.statuses[path] = status
    found = check(github)
    assert found.verdict == "bad" and said in found.said and todo in found.todo


@pytest.mark.parametrize("status", [302, 403, 500])
def test_another_answer_of_github_says_nothing_of_the_token(github: GitHub, status: int) -> None:
    github.statuses[REPOSITORY] = status
    found = check(github)
    assert found.verdict == "unseen" and str(status) in found.said
    assert len(github.asked) == 1, "the token does not follow a redirection"


def test_the_environments_token_is_taken_where_the_stacks_can_not_be_read(github: GitHub) -> None:
    found = check(github, None, {"GITHUB_TOKEN": GIVEN})
    assert found.verdict == "ok" and "GITHUB_TOKEN opens" in found.said


def test_with_neither_the_reason_is_told(github: GitHub) -> None:
    found = check(github, None)
    assert found.verdict == "unseen" and "passphrase must be set" in found.said and not github.asked


def test_no_network_is_told_as_such(github: GitHub) -> None:
    found = check(GitHub(url="http://127.0.0.1:9"))
    assert found.verdict == "unseen" and "does not answer" in found.said


def test_a_token_that_is_no_header_is_not_shown(github: GitHub) -> None:
    found = check(github, f"{GIVEN}\nX-Evil: 1")
    assert found.verdict == "unseen" and not github.asked
