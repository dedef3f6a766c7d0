"""`ops doctor` whole: the table, the JSON, the exit status, that it changes nothing, and that nothing holds it up."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cli, doctor
from ops.doctor_finding import Finding, Ground, good
from ops.doctor_tools import Place
from ops.stack import ROOT
from tests.unit.doctor_ground import XML, Account, account, told
from tests.unit.fakes import fake_cli

READS = ("Get", "Head", "List", "Describe", "GET", "HEAD")


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with account(monkeypatch) as made:
        yield made


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stack files and the pins, with a CLI and Node.js that answer, and a Pulumi login."""
    made = tmp_path / "checkout"
    (made / "app" / "backend").mkdir(parents=True)
    for name in ("requirements.txt", "app/backend/package.json", "Pulumi.dev.yaml", "Pulumi.local.yaml"):
        shutil.copy(ROOT / name, made / name)
    monkeypatch.setenv("PATH", str(fake_cli(tmp_path / "bin", "3.300.0")), prepend=":")
    return made


def look(checkout: Path, name: str = "dev", **more: Any) -> list[Finding]:
    return doctor.look(name, None, Place(root=checkout), **more)


def test_everything_is_looked_at_and_nothing_is_changed(cloud: Account, checkout: Path) -> None:
    found = told(look(checkout))
    assert {
        "settings",
        "Python",
        "packages",
        "Node.js",
        "Pulumi CLI",
        "plugins",
        "Pulumi backend",
        "GitHub token",
        "credentials",
        "region",
        "zones",
        "image ml-server",
        "image backend",
        "image nat",
        "quota on demand",
        "quota spot",
        "quota notebook",
        "quota training",
        "bucket name",
        "domain of the API",
        "domain of the page",
        "model checkpoints",
        "model controlnet",
        "memory",
        "GPU memory",
        "disk",
    } == set(found)
    assert len(cloud.calls) > 10
    assert all(action.startswith(READS) for _, action in cloud.calls), cloud.calls
    assert ("ssm", "GetParameter") in cloud.calls
    assert not cloud.sent("PUT") and not cloud.sent("DELETE")


def test_with_other_credentials_nothing_else_of_the_account_is_looked_at(
    cloud: Account, checkout: Path
) -> None:
    body = "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>old</Message></Error></ErrorResponse>"
    cloud.answers[("sts", "GetCallerIdentity")] = (403, XML, body)
    found = told(look(checkout))
    assert found["credentials"].verdict == "bad" and "expired" in found["credentials"].said
    assert found["account"].verdict == "unseen" and "zones" not in found
    assert {service for service, _ in cloud.calls} == {"sts"}


def test_a_profile_that_is_not_there_is_told(
    cloud: Account, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = checkout / "Pulumi.dev.yaml"
    file.write_text(f"{file.read_text()}  aws:profile: nobodys\n")
    monkeypatch.setattr("ops.stack.ROOT", checkout)
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    found = told(look(checkout))["credentials"]
    assert found.verdict == "bad" and "nobodys" in found.said


def test_without_any_credentials_the_ways_to_get_them_are_told(
    cloud: Account, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    found = told(look(checkout))["credentials"]
    assert found.verdict == "bad" and "aws sso login" in found.said and not cloud.calls


def test_each_missing_right_is_told_and_is_no_reason_to_stop(cloud: Account, checkout: Path) -> None:
    look(checkout)
    cloud.denied = {("s3", "ListBuckets"), *(asked for asked in cloud.calls if asked[0] != "sts")}
    found = told(look(checkout))
    for name in (
        "region",
        "zones",
        "images",
        "quota spot",
        "quota notebook",
        "bucket name",
        "model checkpoints",
    ):
        assert found[name].verdict == "unseen", found[name]
        assert ":" in found[name].said, "the right is named"


def test_wrong_settings_are_told_with_all_their_faults(cloud: Account, checkout: Path) -> None:
    file = checkout / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace("g5.xlarge", "g5.tiny").replace("us-east-1", "moon-1"))
    found = look(checkout)
    assert sum(one.check == "settings" and one.verdict == "bad" for one in found) >= 2
    assert "account" in told(found) and not cloud.calls
    assert told(found)["Python"].verdict == "ok", "what needs no settings is looked at"


def test_a_check_that_hangs_or_fails_holds_up_neither_the_others_nor_the_end(
    cloud: Account, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hang(ground: Ground) -> list[Finding]:
        time.sleep(60)
        return []

    def fail(ground: Ground) -> list[Finding]:
        raise KeyError("Quotas")

    monkeypatch.setattr(
        doctor,
        "ACCOUNT_CHECKS",
        (
            doctor.Check(name="hangs", look=hang),
            doctor.Check(name="fails", look=fail),
            doctor.Check(name="goes on", look=lambda ground: [good("goes on", "yes")]),
        ),
    )
    began = time.monotonic()
    found = told(look(checkout, limit_s=4))
    assert time.monotonic() - began < 20
    assert found["hangs"].verdict == "unseen" and "no answer in 4 s" in found["hangs"].said
    assert found["fails"].verdict == "unseen" and "KeyError: 'Quotas'" in found["fails"].said
    assert found["goes on"].verdict == "ok"


def test_the_local_stack_without_its_sandbox_is_looked_at_as_far_as_it_goes(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ops.stack.ROOT", checkout)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    found = told(look(checkout, "local"))
    assert {found[name].verdict for name in ("Pulumi backend", "GitHub token", "account")} == {"unneeded"}
    assert found["settings"].verdict == "ok"


def run(*words: str) -> int:
    return cli.main(["--stack", "dev", "doctor", *words])


def show(monkeypatch: pytest.MonkeyPatch, found: list[Finding]) -> None:
    """As if this was found."""

    def look(*_: object) -> list[Finding]:
        return found

    monkeypatch.setattr(doctor, "look", look)


FINDINGS = [
    Finding(check="quota spot", verdict="bad", said="0 vCPU", todo=f"ask: https://example.com/{'x' * 100}"),
    Finding(check="zones", verdict="ok", said="a, b"),
    Finding(check="bucket name", verdict="unseen", said="the right s3:ListBucket is missing"),
]


@pytest.mark.parametrize(("left_out", "status"), [("", 1), ("quota spot", 0)])
def test_the_exit_status_is_1_when_something_stands_in_the_way(
    monkeypatch: pytest.MonkeyPatch, left_out: str, status: int
) -> None:
    shown = [one for one in FINDINGS if one.check != left_out]
    show(monkeypatch, shown)
    assert run() == status


@pytest.mark.parametrize(("words", "status"), [([], 1), (["--for-up"], 0)])
def test_what_does_not_stop_up_is_no_reason_against_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], status: int
) -> None:
    show(monkeypatch, [Finding(check="model vae", verdict="bad", said="not there", stops_up=False)])
    assert run(*words) == status
    assert ("Nothing of this stops `up`." in capsys.readouterr().out) is bool(words)


def test_the_table_keeps_to_80_columns_and_addresses_stay_whole(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    show(monkeypatch, FINDINGS)
    run()
    table, _, todo = capsys.readouterr().out.partition("What to do:")
    assert max(map(len, table.splitlines())) <= 80
    assert f"✗ quota spot: ask: https://example.com/{'x' * 100}\n" in todo
    assert "dev: 1 ✓, 1 ✗, 1 not known, 0 not needed" in todo


def test_json_has_every_finding(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    show(monkeypatch, FINDINGS)
    assert run("--json") == 1
    assert json.loads(capsys.readouterr().out)[1] == {
        "check": "zones",
        "verdict": "ok",
        "said": "a, b",
        "todo": "",
        "stops_up": True,
    }


def test_a_stack_without_a_file_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--stack", "staging", "doctor"]) == 2
    assert "no file Pulumi.staging.yaml here; known: " in capsys.readouterr().err
