"""`.github/workflows/deploy.yml` and its helpers: order, rights, pins, and that each command in it exists."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import subprocess
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import yaml
from lock_ground import Clone, clone

from bootstrap import github_login
from ops import cli
from tests.unit.bootstrap_ground import account

ROOT = Path(__file__).parents[2]
FILE = ROOT / ".github" / "workflows" / "deploy.yml"
TEXT = FILE.read_text()
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
JOBS: dict[str, dict[str, Any]] = WORKFLOW["jobs"]
PUSH = ROOT / "bootstrap" / "push_lock.sh"


def runs(job: str) -> list[str]:
    return [step["run"] for step in JOBS[job]["steps"] if "run" in step]


def at(job: str, words: str) -> int:
    [found] = [place for place, run in enumerate(runs(job)) if words in run]
    return found


def test_every_action_is_pinned_by_its_full_commit_with_the_version_beside_it() -> None:
    uses = re.findall(r"uses: *(.*)", TEXT)
    assert uses and all(re.fullmatch(r"[\w./-]+@[0-9a-f]{40} # v[\d.]+", one) for one in uses), uses


def test_rights_are_the_least_and_named_by_job() -> None:
    assert WORKFLOW["permissions"] == {}
    assert {name: job["permissions"] for name, job in JOBS.items()} == {
        "dev": {"contents": "read", "id-token": "write"},
        "record": {"contents": "write"},
        "prod": {"contents": "write", "id-token": "write"},
    }
    for job in JOBS.values():
        for step in job["steps"]:
            if "uses" in step:
                assert step["with"]["persist-credentials"] is False, "the token is for the step that pushes"
    with_token = [
        step["run"] for job in JOBS.values() for step in job["steps"] if "TOKEN" in step.get("env", {})
    ]
    assert len(with_token) == 2 and all("push_lock.sh" in run for run in with_token)


def test_one_deployment_of_a_stack_at_a_time_and_none_is_cut_off() -> None:
    groups = {name: job["concurrency"] for name, job in JOBS.items()}
    assert {one["group"] for one in groups.values()} == {"deploy-dev", "deploy-record", "deploy-prod"}
    assert not any(one["cancel-in-progress"] for one in groups.values()), "a lock would be left in the state"


def test_dev_deploys_then_is_tested_then_is_locked() -> None:
    order = ["github_login", "make up STACK=dev", "deploy backend", "--stack dev smoke", "--stack dev lock"]
    places = [at("dev", words) for words in order]
    assert places == sorted(places)
    assert not any(step.get("continue-on-error") for step in JOBS["dev"]["steps"])


def test_prod_waits_for_dev_and_takes_its_lock_before_anything_is_deployed() -> None:
    assert JOBS["prod"]["environment"] == "prod" and JOBS["dev"]["environment"] == "dev"
    assert JOBS["prod"]["needs"] == ["dev", "record"] and JOBS["record"]["needs"] == "dev"
    assert "needs.record.result == 'success' || inputs.rollback" in JOBS["prod"]["if"]
    order = ["promote dev prod", "push_lock.sh prod", "git switch --detach", "make up STACK=prod"]
    places = [at("prod", words) for words in [*order, "deploy backend", "--stack prod smoke"]]
    assert places == sorted(places)
    steps = {step.get("run", ""): step.get("if") for step in JOBS["prod"]["steps"]}
    assert steps[runs("prod")[at("prod", "promote dev prod")]] == "${{ !inputs.rollback }}"
    assert steps[runs("prod")[at("prod", "promote --rollback prod")]] == "${{ inputs.rollback }}"


def test_without_an_account_and_off_main_nothing_runs() -> None:
    for name in ("dev", "prod"):
        assert "vars.PULUMI_BACKEND_URL != ''" in JOBS[name]["if"]
        assert "github.ref == 'refs/heads/main'" in JOBS[name]["if"]
    assert WORKFLOW[True]["push"] == {"branches": ["main"], "paths-ignore": ["locks/**", "docs/**", "**.md"]}


def test_no_value_from_outside_is_put_into_a_script() -> None:
    for job in JOBS:
        for run in runs(job):
            assert "${{" not in run, f"{job}: {run}"


def test_each_command_of_ops_is_one() -> None:
    found = [line for job in JOBS for run in runs(job) for line in run.splitlines() if "-m ops" in line]
    assert len(found) == 7
    for line in found:
        words = shlex.split(line)[3:]
        with (
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()) as told,
            pytest.raises(SystemExit) as end,
        ):
            cli.main([*words, "--help"])
        assert end.value.code == 0, f"{line}: {told.getvalue()}"


def test_the_roles_are_those_that_the_bootstrap_makes() -> None:
    hours = {
        one.inputs["name"]: one.inputs["maxSessionDuration"] for one in account().of("aws:iam/role:Role")
    }
    for stack in ("dev", "prod"):
        assert JOBS[stack]["env"]["ROLE"] == f"${{{{ vars.DEPLOY_ROLE_{stack.upper()} }}}}"
        [asked] = re.findall(r"--hours (\d)", runs(stack)[at(stack, "github_login")])
        assert int(asked) * 3600 <= hours[f"sd-app-github-deploy-{stack}"]


class Sts:
    """STS, which takes one token."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def assume_role_with_web_identity(self, **asked: Any) -> dict[str, Any]:
        self.asked = asked
        return {"Credentials": {"AccessKeyId": "AKIA1", "SecretAccessKey": "s3cret", "SessionToken": "t0ken"}}


@pytest.fixture
def sts(monkeypatch: pytest.MonkeyPatch) -> Sts:
    made = Sts()

    class Session:
        def client(self, *_: Any, **__: Any) -> Sts:
            return made

    monkeypatch.setattr(github_login.boto3.session, "Session", Session)
    monkeypatch.setattr(github_login, "job_token", lambda environment: "github-token")  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    return made


def test_signing_in_hands_masked_keys_to_the_steps_after_it(
    sts: Sts, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "env"
    file.write_text("KEPT=1\n")
    environment = {"GITHUB_ENV": str(file), "GITHUB_RUN_ID": "7"}
    role = "arn:aws:iam::123456789012:role/sd-app-github-deploy-dev"
    assert github_login.main([role, "--hours", "2"], environment) == 0
    assert sts.asked == {
        "RoleArn": role,
        "RoleSessionName": "sd-app-7",
        "WebIdentityToken": "github-token",
        "DurationSeconds": 7200,
    }
    assert file.read_text() == (
        "KEPT=1\nAWS_ACCESS_KEY_ID=AKIA1\nAWS_SECRET_ACCESS_KEY=s3cret\nAWS_SESSION_TOKEN=t0ken\n"
    )
    told = capsys.readouterr().out.splitlines()
    assert told[:3] == ["::add-mask::AKIA1", "::add-mask::s3cret", "::add-mask::t0ken"]
    assert not any("s3cret" in line for line in told[3:])


def test_a_job_without_the_right_to_a_token_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert github_login.main(["arn:role"], {"GITHUB_ENV": str(tmp_path / "env")}) == 1
    assert "id-token: write" in capsys.readouterr().err
    assert not (tmp_path / "env").exists()


@pytest.fixture
def main(tmp_path: Path) -> tuple[Clone, Path]:
    """A clone with the script, and the repository that it pushes to."""
    made = clone(tmp_path / "clone")
    (made.root / "bootstrap").mkdir()
    (made.root / "bootstrap" / "push_lock.sh").write_bytes(PUSH.read_bytes())
    made.commit("script")
    remote = tmp_path / "remote.git"
    subprocess.run(["git", "clone", "-q", "--bare", str(made.root), str(remote)], check=True)
    return made, remote


def push(made: Clone, remote: Path, stack: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, "REMOTE": str(remote), "GIT_CONFIG_GLOBAL": "/dev/null"}
    script = ["bash", "bootstrap/push_lock.sh", stack]
    return subprocess.run(script, cwd=made.root, env=env, capture_output=True, text=True, check=False)


def shown(remote: Path, what: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(remote), "show", what], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_a_lock_is_committed_alone_and_survives_what_others_pushed_meanwhile(
    main: tuple[Clone, Path], tmp_path: Path
) -> None:
    made, remote = main
    other = Clone(tmp_path / "other")
    subprocess.run(["git", "clone", "-q", str(remote), str(other.root)], check=True)
    (other.root / "theirs.txt").write_text("x")
    other.commit("theirs")
    other.git("push", "-q", "origin", "HEAD:main")
    made.lock("dev")
    (made.root / "left-over.txt").write_text("x")
    done = push(made, remote, "dev")
    assert done.returncode == 0, done.stderr
    assert json.loads(shown(remote, "main:locks/dev.json"))["stack"] == "dev"
    assert shown(remote, "main:theirs.txt") == "x"
    with pytest.raises(subprocess.CalledProcessError):
        shown(remote, "main:left-over.txt")
    with pytest.raises(subprocess.CalledProcessError):
        shown(remote, "dev:locks/dev.json")  # a record of a test moves no branch


def test_a_promoted_lock_moves_its_branch_to_its_commit_and_back(main: tuple[Clone, Path]) -> None:
    made, remote = main
    first = made.git("rev-parse", "HEAD")
    (made.root / "more.txt").write_text("x")
    second = made.commit()
    made.git("push", "-q", str(remote), "HEAD:main")
    for commit in (second, first):
        made.lock("prod", commit=commit, promoted_from="dev")
        done = push(made, remote, "prod")
        assert done.returncode == 0, done.stderr
        branch = subprocess.run(
            ["git", "-C", str(remote), "rev-parse", "prod"], capture_output=True, text=True, check=True
        )
        assert branch.stdout.strip() == commit
    again = push(made, remote, "prod")
    assert again.returncode == 0 and "as it was" in again.stdout


def test_a_file_that_is_no_lock_is_not_pushed(main: tuple[Clone, Path]) -> None:
    made, remote = main
    made.locks.mkdir()
    (made.locks / "dev.json").write_text('{"commit": "--force"}')
    assert push(made, remote, "dev").returncode == 1
