"""A stack on AWS: the user's own login, nothing of the sandbox, and the way to make what is missing. The CLI is a fake."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.unit.fakes import answering_cli
from tools import remote_stack
from tools.engine import EngineFailed
from tools.remote_stack import RemoteFailed, own_environment

NOT_LOGGED_IN = "PULUMI_ACCESS_TOKEN must be set for login during non-interactive CLI sessions"


class Checkout:
    """A checkout with two stack files and a fake CLI that is logged in to a bucket."""

    def __init__(self, folder: Path) -> None:
        self.root, self.answers = folder / "checkout", folder / "answers"
        self.root.mkdir()
        for stack in ("dev", "prod"):
            (self.root / f"Pulumi.{stack}.yaml").write_text("config: {aws:region: eu-west-1}\n")
        self.cli = answering_cli(folder / "fakes", self.answers)
        (self.answers / "whoami").write_text(json.dumps({"url": "s3://studio-state"}))

    def calls(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.answers / "calls").read_text().splitlines()]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path)
    monkeypatch.setenv("FAKE_ANSWERS", str(made.answers))
    return made


def test_a_stack_without_a_file_is_refused_with_those_there_are(checkout: Checkout):
    with pytest.raises(
        RemoteFailed, match=r"STACK=staging: no file Pulumi\.staging\.yaml here; there are dev, prod"
    ):
        remote_stack.engine(checkout.cli, checkout.root, "staging")


def test_without_a_login_the_commands_for_an_s3_backend_are_told(checkout: Checkout):
    (checkout.answers / "whoami fails").write_text(NOT_LOGGED_IN)
    with pytest.raises(RemoteFailed) as caught:
        remote_stack.engine(checkout.cli, checkout.root, "dev")
    assert "pulumi login 's3://" in str(caught.value)
    assert "put-bucket-versioning" in str(caught.value)


@pytest.mark.parametrize("on_path", [True, False])
def test_a_cli_that_is_not_on_path_is_told_with_how_to_put_it_there(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, on_path: bool
):
    (checkout.answers / "whoami fails").write_text(NOT_LOGGED_IN)
    monkeypatch.setenv("PATH", str(checkout.cli) if on_path else "/usr/bin:/bin")
    with pytest.raises(RemoteFailed) as caught:
        remote_stack.engine(checkout.cli, checkout.root, "dev")
    assert (f'export PATH="{checkout.cli}:$PATH"' in str(caught.value)) is not on_path


def test_a_missing_stack_is_told_with_its_backend_and_the_kms_commands(checkout: Checkout):
    (checkout.answers / "stack fails").write_text("no stack named 'dev' found")
    with pytest.raises(RemoteFailed) as caught:
        remote_stack.engine(checkout.cli, checkout.root, "dev")
    told = str(caught.value)
    assert "there is no stack dev in s3://studio-state" in told
    assert "pulumi stack init dev --secrets-provider 'awskms://alias/sd-app-dev?region=eu-west-1'" in told


def test_another_fault_of_the_cli_is_told_as_it_is(checkout: Checkout):
    (checkout.answers / "stack fails").write_text("AccessDenied: s3:GetObject")
    with pytest.raises(EngineFailed, match=r"^AccessDenied: s3:GetObject$"):
        remote_stack.engine(checkout.cli, checkout.root, "dev")


def test_nothing_of_the_sandbox_reaches_aws_and_what_is_taken_out_is_told(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:4566")
    monkeypatch.setenv("PULUMI_DEBUG_PROVIDERS", "aws:1,command:2")
    monkeypatch.setenv("AWS_PROFILE", "studio-dev")
    engine = remote_stack.engine(checkout.cli, checkout.root, "dev")
    assert engine.show("preview") == 0
    env = checkout.calls()[-1]["env"]
    assert not {"AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "PULUMI_DEBUG_PROVIDERS"} & set(env)
    assert env["AWS_PROFILE"] == "studio-dev"
    told = capfd.readouterr().err
    assert (
        "warning: " in told
        and "AWS_ENDPOINT_URL, " in told
        and "PULUMI_DEBUG_PROVIDERS" in told.replace("\n", " ")
    )


def test_the_clis_own_questions_stay_on(checkout: Checkout):
    engine = remote_stack.engine(checkout.cli, checkout.root, "dev")
    engine.show("up")
    words = checkout.calls()[-1]["words"]
    assert words == ["up", "--stack", "dev"], "no --yes, no --non-interactive: an operator is asked"


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("PULUMI_BACKEND_URL", "s3://studio-state", True),
        ("PULUMI_BACKEND_URL", "file:///checkout/.sandbox/state", False),
        ("PULUMI_HOME", "/checkout/.sandbox/pulumi-home", False),
        ("PULUMI_HOME", "/home/me/.pulumi", True),
        ("PULUMI_CONFIG_PASSPHRASE", "mine", True),
        ("PULUMI_ACCESS_TOKEN", "mine", True),
        ("PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION", "true", False),
        ("AWS_ENDPOINT_URL_DYNAMODB", "http://127.0.0.1:1", False),
        ("AWS_REGION", "us-east-1", True),
    ],
)
def test_only_the_sandboxs_own_variables_are_taken_out(name: str, value: str, kept: bool):
    env, out = own_environment({name: value, "PATH": "/bin"}, Path("/checkout"))
    assert (name in env) is kept
    assert out == ([] if kept else [name])
    assert env["PATH"] == "/bin"


OPS = """
import json, os, sys
with open(os.environ["FAKE_ANSWERS"] + "/doctor", "w") as file:
    json.dump({"words": sys.argv[1:], "env": dict(os.environ)}, file)
sys.exit(int(os.environ["DOCTOR_SAYS"]))
"""


@pytest.mark.parametrize("status", [0, 1, 2])
def test_the_doctor_is_asked_before_up_and_its_no_stops_with_the_way_to_go_on(
    checkout: Checkout, monkeypatch: pytest.MonkeyPatch, status: int
):
    (checkout.root / "ops.py").write_text(OPS)
    monkeypatch.setenv("DOCTOR_SAYS", str(status))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    if status:
        with pytest.raises(
            RemoteFailed, match=r"not ready for `up`(.|\n)*make up STACK=dev ARGS=--no-doctor"
        ):
            remote_stack.must_be_ready(checkout.root, "dev")
    else:
        remote_stack.must_be_ready(checkout.root, "dev")
    asked = json.loads((checkout.answers / "doctor").read_text())
    assert asked["words"] == ["--stack", "dev", "doctor", "--for-up"]
    assert "AWS_ENDPOINT_URL" not in asked["env"], "it looks where the engine will work"


def test_the_doctor_is_not_asked_about_a_stack_without_a_file(checkout: Checkout):
    with pytest.raises(RemoteFailed, match=r"no file Pulumi\.staging\.yaml"):
        remote_stack.must_be_ready(checkout.root, "staging")
