"""`ops report` on the real engine: the recordings are still what it says, dev is tried without an account, drift is found."""

from __future__ import annotations

import argparse
import json
from collections.abc import Generator
from pathlib import Path

import pytest
from platform_stack import Platform
from record_previews import CHANGED, REFUSED, preview

from ops.report import page, plain, report
from ops.report_changes import differences, read
from ops.report_money import history_config
from tools import report as tool
from tools import stack as tools_stack

RECORDED = Path(__file__).parents[1] / "unit" / "report_recorded"


@pytest.fixture(scope="module")
def platform(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path_factory.mktemp("report"))
    made.stack("local").up()
    yield made
    made.stop()


def test_the_engine_says_today_what_is_recorded(platform: Platform) -> None:
    stack = platform.stack("local")
    now = plain(
        report(read(preview(stack, CHANGED, "--show-sames")), history_config(stack.engine.ask(*tool.HISTORY)))
    )
    then = plain(report(read((RECORDED / "changed.json").read_text())))
    told = {(one["op"], one["type"]) for one in now["changes"]}
    assert {("replace", "aws:s3/bucket:Bucket"), ("replace", "aws:ec2/instance:Instance")} <= told
    assert {op for op, _ in told} == {"replace", "delete", "update", "create"}
    assert now["losses"] == then["losses"], "record them anew: python -m tests.stack.record_previews"
    assert now["dollars"]["after"]["workingMonth"] < now["dollars"]["before"]["workingMonth"]


def test_what_the_engine_refuses_is_a_report_too_not_a_failure(platform: Platform) -> None:
    engine = platform.stack("local").configured({"mlServer": {"instanceType": "g5.tiny"}})
    found = report(read(tool.digest(engine)))
    assert found.status == 1 and "g5.tiny" in found.preview.errors[0]


def test_what_was_changed_behind_its_back_is_seen_with_a_refresh_and_left_as_it_is(
    platform: Platform,
) -> None:
    logs, group = platform.client("logs"), "/sd-app/local/backend"
    logs.put_retention_policy(logGroupName=group, retentionInDays=3)
    try:
        engine = platform.stack("local").configured({})
        assert read(tool.digest(engine)).changes == [], "the state alone can't know"
        for _ in range(2):  # looking changes nothing
            [change] = read(tool.digest(engine, "--refresh")).changes
            assert (change.op, change.name, differences(change)) == (
                "update",
                "backend",
                ["retentionInDays 3 → 30"],
            )
    finally:
        logs.put_retention_policy(logGroupName=group, retentionInDays=30)


def test_dev_is_tried_without_account_login_or_credentials(
    cli: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "no-login"))
    monkeypatch.setattr(tools_stack, "find_cli", lambda: cli)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    options = tool.parser().parse_args(
        [
            "--stack",
            "dev",
            "--json",
            "--preview",
            str(tmp_path / "p.json"),
            "--markdown",
            str(tmp_path / "c.md"),
        ]
    )
    assert tool.run(options) in (0, 1)  # the checkout may have a change in it, whatever it is
    told = json.loads(capsys.readouterr().out)
    assert told["stack"] == "dev" and told["dollars"]["before"]["workingMonth"] > 0, (
        "made as HEAD has it first"
    )
    comment = (tmp_path / "c.md").read_text()
    assert (
        comment.startswith("<!-- sd-app report: dev -->") and "not logged in to a Pulumi backend" in comment
    )


def test_no_account_is_an_error_for_who_asks_for_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cli: Path
) -> None:
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    monkeypatch.setattr(tool, "find_cli", lambda: cli)
    options: argparse.Namespace = tool.parser().parse_args(["--stack", "dev", "--account"])
    with pytest.raises(tools_stack.FAULTS, match="not logged in"):
        tool.made(options)


def test_a_protected_bucket_is_refused_by_todays_engine_as_recorded(platform: Platform) -> None:
    stack = platform.stack("local")
    stack.up({"storage": {"protectData": True, "forceDestroy": False}, "jobs": {"pointInTimeRecovery": True}})
    found = report(read(preview(stack, REFUSED)))
    assert page(found).verdict == "The engine would refuse this."
    assert "marked for protection" in found.preview.errors[0]
