"""Which stack, where, with whose keys; and every way of not reaching it told in a line with the way out."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore import exceptions as aws

from ops import cli, stack
from ops.errors import OpsError, explain
from tests.unit.ops_cloud import STACK, Cloud, cloud_for_ops

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty checkout, and an environment that leads nowhere."""
    monkeypatch.setattr(stack, "ROOT", tmp_path)
    for name in ("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/dev/null")
    return tmp_path


def sandbox(checkout: Path, text: str) -> None:
    (checkout / ".sandbox").mkdir()
    (checkout / ".sandbox" / "sandbox.json").write_text(text)
    (checkout / "Pulumi.local.yaml").write_text("config:\n  aws:region: eu-north-1\n")


def test_nothing_of_the_program_is_imported() -> None:
    program = "import sys, ops.cli; print([m for m in sys.modules if m.split('.')[0] in ('pulumi', 'pulumi_aws', 'components', 'settings', 'sandbox')])"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_region_is_the_option_s_then_the_environment_s_then_the_stack_file_s(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (checkout / "Pulumi.dev.yaml").write_text("config:\n  aws:region: eu-west-1\n")
    assert stack.connect("dev").region == "eu-west-1"
    assert stack.connect("dev", environment={"AWS_REGION": "eu-west-2"}).region == "eu-west-2"
    assert stack.connect("dev", "eu-west-3", {"AWS_REGION": "eu-west-2"}).region == "eu-west-3"


def test_without_any_region_it_says_where_to_give_one(checkout: Path) -> None:
    with pytest.raises(OpsError, match="give --region, set AWS_REGION, or aws:region in Pulumi"):
        stack.connect("dev")


@pytest.mark.parametrize("name", ["Dev", "", "a-b", "../x"])
def test_a_name_that_no_stack_can_have_is_refused(checkout: Path, name: str) -> None:
    with pytest.raises(OpsError, match="no legal name"):
        stack.connect(name)


def test_a_region_that_is_none_is_refused(checkout: Path) -> None:
    with pytest.raises(OpsError, match='"mars" is not an AWS Region'):
        stack.connect("dev", "mars")


def test_the_local_stack_is_found_by_its_file_with_keys_of_no_account(
    cloud: Cloud, checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox(checkout, json.dumps({"endpoint": cloud.endpoint}))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-person-s-own")
    found = stack.connect("local")
    assert (found.endpoint, found.region) == (cloud.endpoint, "eu-north-1")
    assert found.session.get_credentials().access_key == "sandbox"
    # It's up, but nothing was deployed.
    assert cli.main(["status"]) == 2
    assert "run `make up`" in capsys.readouterr().err


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"endpoint": "http://127.0.0.1:9"}'])
def test_a_local_stack_that_is_not_up_says_so(
    checkout: Path, capsys: pytest.CaptureFixture[str], text: str | None
) -> None:
    if text is not None:
        sandbox(checkout, text)
    assert cli.main(["--region", "us-east-1", "status"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("the local stack is not up: run `make up`")
    assert len(said.splitlines()) == 1


def test_a_stack_that_is_not_there_says_how_to_find_it(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--stack", STACK, "status"]) == 2
    said = capsys.readouterr().err
    assert "no stack dev in us-east-1" in said
    assert "make up STACK=dev" in said
    assert "dev, local, prod" in said


@pytest.mark.parametrize("value", ["no JSON", "[]"])
def test_outputs_that_are_none_say_so(cloud: Cloud, capsys: pytest.CaptureFixture[str], value: str) -> None:
    cloud.put_parameter("/sd-app/dev/outputs", value)
    assert cli.main(["--stack", STACK, "status"]) == 2
    assert "make up STACK=dev" in capsys.readouterr().err


def test_no_credentials_is_one_line(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert cli.main(["--stack", STACK, "status"]) == 2
    assert capsys.readouterr().err == (
        "no AWS credentials found: run `aws sso login` or `aws configure`, or set AWS_PROFILE\n"
    )


def test_an_unknown_profile_is_one_line(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    assert cli.main(["--stack", STACK, "status"]) == 2
    said = capsys.readouterr().err
    assert "nobody" in said
    assert len(said.splitlines()) == 1


def answer(code: str, message: str = "") -> aws.ClientError:
    return aws.ClientError({"Error": {"Code": code, "Message": message}}, "DescribeInstances")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (answer("ExpiredToken"), "has expired"),
        (answer("ExpiredTokenException"), "aws sso login"),
        (answer("RequestExpired"), "has expired"),
        (answer("InvalidClientTokenId"), "does not accept these credentials"),
        (answer("UnrecognizedClientException"), "does not accept these credentials"),
        (answer("AuthFailure"), "does not accept these credentials"),
        (
            answer("AccessDenied", "User arn:x is not authorized"),
            "not allowed (DescribeInstances: AccessDenied): User arn:x",
        ),
        (answer("UnauthorizedOperation"), "ask for this right"),
        (answer("403", "Forbidden"), "no right to do this"),
        (answer("InsufficientInstanceCapacity"), "try again in some minutes"),
        (answer("VcpuLimitExceeded"), "Service Quotas"),
        (answer("Odd", "it is\n  <b>odd</b>"), "DescribeInstances: Odd: it is <b>odd</b>"),
        (aws.NoCredentialsError(), "no AWS credentials found"),
        (aws.TokenRetrievalError(provider="sso", error_msg="expired"), "aws sso login"),
        (aws.SSOTokenLoadError(error_msg="none"), "aws sso login"),
        (aws.ProfileNotFound(profile="x"), "list-profiles"),
        (aws.NoRegionError(), "give --region"),
        (aws.EndpointConnectionError(endpoint_url="https://ssm.us-esat-1.amazonaws.com"), "the Region right"),
        (aws.ConnectTimeoutError(endpoint_url="https://x"), "is the network up"),
    ],
)
def test_an_error_of_aws_is_one_line_with_what_to_do(error: Exception, told: str) -> None:
    said = explain(error)
    assert told in said
    assert "\n" not in said


def test_a_page_of_html_is_cut_short() -> None:
    assert len(explain(answer("500", "<html>" * 500))) < 400


@pytest.mark.parametrize(
    "arguments", [[], ["models"], ["status", "--colour"], ["wait", "gardener"], ["push"]]
)
def test_wrong_usage_is_exit_status_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 2


@pytest.mark.parametrize("arguments", [["--help"], ["models", "push", "--help"], ["wait", "--help"]])
def test_help_has_examples(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments)
    assert caught.value.code == 0
    assert "  python -m ops" in capsys.readouterr().out.partition("example")[2]


def test_a_reader_that_has_seen_enough_is_no_error(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.put_outputs({})
    command = f"{sys.executable} -m ops --stack {STACK} status --json | true"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stderr == ""
