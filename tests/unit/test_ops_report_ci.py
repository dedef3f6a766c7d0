"""The workflows that report (preview, drift) and their scripts: one place on GitHub, kept up to date; credentials only where asked."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ops.report_markdown import marker
from tests.unit.fakes import script

ROOT = Path(__file__).parents[2]
WORKFLOWS = [ROOT / ".github/workflows" / name for name in ("preview.yml", "drift.yml")]
GH = """
python3 - "$@" <<'END'
import json, os, sys
home = os.environ["GH_HOME"]
body = next((one.partition("@")[2] for one in sys.argv if one.startswith("body=@")), None)
with open(home + "/calls", "a") as calls:
    calls.write(json.dumps([sys.argv[1:], open(body).read() if body else None]) + "\\n")
END
case "$*" in
  *--paginate*) jq -r "$(printf '%s\\n' "$@" | sed -n '/--jq/{n;p}')" < "$GH_HOME/known" ;;
esac
"""


class Gh:
    """A pretended gh: what GitHub has, and what it was asked to do."""

    def __init__(self, home: Path) -> None:
        self.home = home
        script(home / "bin" / "gh", GH)
        self.know([])

    def know(self, listed: list[dict[str, Any]]) -> None:
        (self.home / "known").write_text(json.dumps(listed))

    def run(self, *words: str) -> list[tuple[str, str, str | None]]:
        """Run github-report.sh; what it wrote: method, address, body."""
        (self.home / "calls").unlink(missing_ok=True)
        env = {
            "PATH": f"{self.home / 'bin'}:{os.environ['PATH']}",
            "GH_HOME": str(self.home),
            "GITHUB_REPOSITORY": "studio/sd-app",
        }
        subprocess.run([ROOT / "tools/github-report.sh", *words], env=env, check=True)
        calls = [json.loads(line) for line in (self.home / "calls").read_text().splitlines()]
        return [
            (words[words.index("--method") + 1], next(one for one in words if one.startswith("repos/")), body)
            for words, body in calls
            if "--method" in words
        ]


@pytest.fixture
def gh(tmp_path: Path) -> Gh:
    if subprocess.run(["sh", "-c", "command -v jq"], capture_output=True).returncode:
        pytest.skip("no jq, which stands for the one in gh")
    return Gh(tmp_path)


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    for stack in ("dev", "prod"):
        (folder / f"{stack}.md").write_text(f"{marker(stack)}\nof {stack}\n")
        (folder / f"{stack}.status").write_text("1\n")
    return folder


def by(login: str, number: int, body: str, **more: Any) -> dict[str, Any]:
    return {"user": {"login": login}, "id": number, "number": number, "body": body, **more}


def test_a_pull_request_has_one_comment_with_both_stacks_kept_up_to_date(gh: Gh, reports: Path) -> None:
    [(method, address, body)] = gh.run("comment", "7", str(reports))
    assert (method, address) == ("POST", "repos/studio/sd-app/issues/7/comments")
    assert body and body.startswith("<!-- sd-app report -->\n") and "of dev" in body and "of prod" in body
    gh.know([by("ann", 1, body), by("github-actions[bot]", 2, "other"), by("github-actions[bot]", 3, body)])
    [(method, address, _)] = gh.run("comment", "7", str(reports))
    assert (method, address) == ("PATCH", "repos/studio/sd-app/issues/comments/3"), "not what a person wrote"


def test_each_stack_that_drifted_has_an_issue_until_it_is_well_again(gh: Gh, reports: Path) -> None:
    assert [one[:2] for one in gh.run("issues", str(reports))] == [("POST", "repos/studio/sd-app/issues")] * 2
    gh.know(
        [
            by("github-actions[bot]", 4, marker("dev"), pull_request={}),
            by("github-actions[bot]", 5, marker("dev")),
            by("github-actions[bot]", 6, marker("prod")),
        ]
    )
    (reports / "prod.status").write_text("0\n")
    assert gh.run("issues", str(reports)) == [
        ("PATCH", "repos/studio/sd-app/issues/5", f"{marker('dev')}\nof dev\n"),
        ("PATCH", "repos/studio/sd-app/issues/6", None),
    ], "dev's is brought up to date, prod's is closed"


def report(
    tmp_path: Path, env: dict[str, str], status: int = 0
) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run ci-report.sh with a pretended Python and curl; how it ended, and what the report was asked for."""
    script(
        tmp_path / "bin" / "python",
        f'echo "$*" > "{tmp_path}/asked"; env >> "{tmp_path}/asked"; '
        f'cat "${{AWS_WEB_IDENTITY_TOKEN_FILE:-/dev/null}}" >> "{tmp_path}/asked"; exit {status}',
    )
    script(tmp_path / "bin" / "curl", f'echo "$*" > "{tmp_path}/curled"; echo \'{{"value": "the-token"}}\'')
    base = {
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "PYTHON": str(tmp_path / "bin" / "python"),
        "STACK": "report-test",
        "RUNNER_TEMP": str(tmp_path),
        "REPORTS": str(tmp_path / "reports"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    done = subprocess.run(
        [ROOT / "tools/ci-report.sh", "--base", "abc"], env={**base, **env}, capture_output=True, text=True
    )
    return done, (tmp_path / "asked").read_text()


ACCOUNT = {
    "ROLE": "arn:aws:iam::111111111111:role/x",
    "BACKEND": "s3://state?region=us-east-1",
    "ACTIONS_ID_TOKEN_REQUEST_URL": "https://token.example/?a=b",
    "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "request-secret",
}


def test_with_an_account_the_engine_has_a_token_of_minutes_and_no_key(tmp_path: Path) -> None:
    done, asked = report(tmp_path, ACCOUNT)
    assert done.returncode == 0, done.stderr
    assert "--stack report-test --account --base abc" in asked
    assert "AWS_ROLE_ARN=arn:aws:iam::111111111111:role/x" in asked and asked.endswith("the-token")
    assert "PULUMI_BACKEND_URL=s3://state" in asked
    assert "request-secret" not in asked, "the program can't ask for more tokens"
    curled = (tmp_path / "curled").read_text()
    assert "audience=sts.amazonaws.com" in curled and "request-secret" not in curled, "not in a command line"
    assert not (tmp_path / "identity-token").exists()


@pytest.mark.parametrize("missing", ["ROLE", "BACKEND", "ACTIONS_ID_TOKEN_REQUEST_URL"])
def test_from_a_fork_or_without_an_account_there_are_no_credentials_at_all(
    tmp_path: Path, missing: str
) -> None:
    done, asked = report(tmp_path, {key: value for key, value in ACCOUNT.items() if key != missing})
    assert done.returncode == 0 and "--sandbox --base abc" in asked
    assert "AWS_" not in asked and "PULUMI_BACKEND_URL" not in asked
    assert not (tmp_path / "curled").exists()


def test_a_report_that_could_not_be_made_says_so_where_it_is_looked_for(tmp_path: Path) -> None:
    done, _ = report(tmp_path, {}, status=2)
    assert done.returncode == 2
    assert (tmp_path / "summary").read_text().startswith(marker("report-test")), (
        "so that the comment is found again"
    )


@pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)
def test_actions_are_pinned_and_rights_are_given_by_the_job(file: Path) -> None:
    text = file.read_text()
    for used in re.findall(r"uses: (.*)", text):
        assert re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", used), used
    workflow: dict[str, Any] = yaml.safe_load(text)
    assert workflow["permissions"] == {}
    for job in workflow["jobs"].values():
        rights: dict[str, str] = job["permissions"]
        writes = {right for right, given in rights.items() if given == "write"}
        assert len(writes) == 1, (
            "who runs the change's code holds no right to write to the repository, and the other way round"
        )
        assert job["timeout-minutes"] and job["concurrency"]["group"]
    assert "secrets." not in text, "no long-lived secret"
    assert "pull_request_target" not in text


def test_the_workflows_have_no_fault(tmp_path: Path) -> None:
    done = subprocess.run([ROOT / "tools/workflow-lint.sh"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no faults" in done.stdout
