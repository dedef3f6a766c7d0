"""The page: what Amplify builds, what it knows, and what its browser may do."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

import contract
from components import amplify_build
from components.frontend import Frontend, FrontendArgs, security_headers
from setting_models import FrontendSettings, RepositorySettings
from tests.unit.engine import Recording, deploy

ROOT = Path(__file__).parents[2]
APP, BRANCH = "aws:amplify/app:App", "aws:amplify/branch:Branch"


def frontend(*, token: bool = True, **settings: Any) -> Recording[Frontend]:
    return deploy(
        lambda: Frontend(
            "page",
            FrontendArgs(
                stack="dev",
                settings=FrontendSettings(enabled=True, **settings),
                repository=RepositorySettings(url="https://github.com/studio/sd-app", branch="release/1"),
                github_token=pulumi.Output.secret("github_pat_x") if token else None,
                config={"stack": "dev", "backendUrl": "https://d1.cloudfront.net"},
                backend_url="https://d1.cloudfront.net",
                region="us-east-1",
            ),
        )
    )


def test_the_branch_builds_itself_and_carries_the_pages_config() -> None:
    made = frontend()
    branch = made.only(BRANCH).inputs
    assert branch["branchName"] == "release/1" and branch["enableAutoBuild"] is True
    config = yaml.safe_load(branch["environmentVariables"]["SD_APP_FRONTEND_CONFIG"])
    assert config == {"stack": "dev", "backendUrl": "https://d1.cloudfront.net"}
    assert made.only(APP).inputs["environmentVariables"]["AMPLIFY_MONOREPO_APP_ROOT"] == "app/frontend"


def test_the_token_is_a_secret() -> None:
    assert "accessToken" in frontend().only(APP).secret_inputs


def test_the_pages_address_is_amplifys_or_the_own_domains() -> None:
    assert str(frontend().registered["page"]["url"]).startswith("https://release-1.d")
    own = frontend(domain_name="example.com", subdomain="studio")
    assert own.registered["page"]["url"] == "https://studio.example.com"
    [sub] = own.only("aws:amplify/domainAssociation:DomainAssociation").inputs["subDomains"]
    assert sub == {"branchName": "release/1", "prefix": "studio"}


def test_without_a_token_there_is_none_and_the_reason_is_told() -> None:
    made = frontend(token=False)
    assert not made.of(APP)
    assert "githubToken" in made.registered["page"]["reason"]


def test_a_changed_config_starts_a_build_unless_a_setting_says_no() -> None:
    command = frontend(build_wait_minutes=20).only("command:local:Command")
    assert command.inputs["create"].endswith(" release/1 --minutes 20")
    assert any("backendUrl" in str(one) for one in command.inputs["triggers"])
    assert not frontend(build_wait_minutes=0).of("command:local:Command")


def test_the_browser_may_talk_to_the_backend_and_the_user_pool_and_nobody_else() -> None:
    [application] = yaml.safe_load(security_headers("https://d1.cloudfront.net", "eu-west-1"))["applications"]
    headers = {h["key"]: h["value"] for h in application["customHeaders"][0]["headers"]}
    allowed = "connect-src 'self' https://d1.cloudfront.net https://cognito-idp.eu-west-1.amazonaws.com;"
    assert allowed in headers["Content-Security-Policy"]
    assert "default-src 'self'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_amplify_builds_the_page_of_the_branchs_own_config() -> None:
    [application] = yaml.safe_load((ROOT / "amplify.yml").read_text())["applications"]
    assert application["appRoot"] == contract.FRONTEND_ROOT
    commands = application["frontend"]["phases"]["build"]["commands"]
    scripts = json.loads((ROOT / contract.FRONTEND_ROOT / "package.json").read_text())["scripts"]
    assert commands == ["npm run write-config", "npm run build"], (
        "a wrong config ends the build before it begins"
    )
    assert scripts["write-config"].split()[-1] == contract.FRONTEND_CONFIG_VARIABLE
    assert application["frontend"]["artifacts"]["baseDirectory"] == "dist"


class Amplify:
    """A stand-in for boto3's Amplify client, which moto lacks: tells the states that a test gives it, in order."""

    def __init__(self, *states: str, under_way: int = 0) -> None:
        self.states, self.under_way, self.stopped = list(states), under_way, list[str]()

    def list_jobs(self, **_: Any) -> Any:
        running = self.under_way > 0
        self.under_way -= 1
        return {"jobSummaries": [{"jobId": "1", "status": "RUNNING" if running else "SUCCEED"}]}

    def stop_job(self, *, jobId: str, **_: Any) -> None:
        self.stopped.append(jobId)

    def start_job(self, **_: Any) -> Any:
        assert self.under_way < 0, "a second job of a branch is refused while one is under way"
        return {"jobSummary": {"jobId": "2"}}

    def get_job(self, **_: Any) -> Any:
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        return {
            "job": {
                "summary": {"status": state},
                "steps": [{"stepName": "BUILD", "status": state, "logUrl": "log"}],
            }
        }


def built(amplify: Amplify, minutes: float = 10) -> tuple[int, str]:
    said: list[str] = []
    now = iter(range(0, 10**6, 60))
    status = amplify_build.build(
        amplify, "app", "main", minutes, said.append, pause=lambda _: None, clock=lambda: float(next(now))
    )
    return status, "\n".join(said)


def test_a_build_is_followed_until_it_is_live() -> None:
    assert built(Amplify("PENDING", "RUNNING", "SUCCEED"))[0] == 0


def test_a_build_with_older_settings_is_stopped_first() -> None:
    amplify = Amplify("SUCCEED", under_way=3)
    assert built(amplify)[0] == 0 and amplify.stopped == ["1"]


@pytest.mark.parametrize("state", ["FAILED", "CANCELLED"])
def test_a_build_that_fails_tells_job_step_and_log(state: str) -> None:
    status, said = built(Amplify("RUNNING", state))
    assert status == 1
    assert f"job 2 ended as {state} at BUILD; log: log" in said


def test_a_build_that_takes_too_long_says_so() -> None:
    status, said = built(Amplify("RUNNING"), minutes=3)
    assert status == 1 and "not done after 3 minutes (now: BUILD)" in said
