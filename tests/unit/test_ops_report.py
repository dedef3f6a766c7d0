"""`ops report` on what the real engine said (report_recorded/, made by tests/stack/record_previews.py): what is lost, dollars,
guardrails."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ops import cli
from ops.errors import OpsError
from ops.report import Report, page, plain, report
from ops.report_changes import UNKNOWN, Change, at, differences, read
from ops.report_loss import ADDRESS, DATA, GUARD, KEPT, MACHINE
from ops.report_money import by_resource, history_config

RECORDED = Path(__file__).parent / "report_recorded"
BUCKET = "urn:pulumi:local::sd-app::sd-app:storage:Storage$aws:s3/bucket:Bucket::sd-app-local-storage"


def text_of(name: str) -> str:
    return (RECORDED / f"{name}.json").read_text()


def of(name: str, edit: Callable[[dict[str, Any]], None] | None = None) -> Report:
    """The report of a recorded preview, with something in it made otherwise."""
    digest = json.loads(text_of(name))
    if edit:
        edit(digest)
    before = history_config(text_of("history")) if name == "changed" else None
    return report(read(json.dumps(digest)), before)


def step(digest: dict[str, Any], end: str) -> dict[str, Any]:
    """The step of the resource whose URN ends so."""
    [found] = [one for one in digest["steps"] if one["urn"].endswith(end)]
    return found


def new_stack(digest: dict[str, Any]) -> None:
    """As if nothing were there yet."""
    digest["steps"] = [one for one in digest["steps"] if one["op"] != "delete"]
    for one in digest["steps"]:
        one["op"] = "create"
        one.pop("oldState", None)
    digest["changeSummary"] = {"create": len(digest["steps"])}


def lost(found: Report, severity: str) -> list[str]:
    return [
        f"{one.change.op} {one.change.component} {one.change.kind}"
        for one in found.losses
        if one.severity == severity
    ]


def test_replacements_deletions_changes_and_new_ones_are_told_apart_the_worst_first() -> None:
    ops = [one.op for one in of("changed").preview.changes]
    assert ops == sorted(ops, key=["replace", "delete", "update", "create"].index)
    assert set(ops) == {"replace", "delete", "update", "create"}
    assert "±0.00" not in page(of("changed")).verdict


def test_lost_data_comes_before_lost_machines() -> None:
    found = of("changed")
    assert lost(found, DATA) == ["replace storage s3 bucket", "delete notebook sagemaker notebookInstance"]
    assert lost(found, MACHINE) == ["replace backend ec2 instance", "replace ml-server ec2 instance"]
    assert page(found).sections[0].title == "What is lost"
    [first, *_] = page(found).sections[0].blocks
    assert getattr(first, "title", "") == "DATA IS LOST"


def test_what_goes_along_with_a_replaced_bucket_is_told_and_what_only_depends_on_it_is_not() -> None:
    [bucket] = [one for one in of("changed").losses if one.change.urn == BUCKET]
    along = {one.kind for one in bucket.along}
    assert {"s3 bucketVersioning", "s3 bucketPolicy", "ec2 instance"} <= along
    assert not {one.op for one in bucket.along} - {"replace"}


def test_a_machine_whose_old_one_goes_first_is_told_so() -> None:
    gaps = {one.change.component: one.change.gap for one in of("changed").losses if one.severity == MACHINE}
    assert gaps["ml-server"], "its private address is free only when the old one is gone"


def test_changes_in_place_that_lose_data_or_its_protection_are_told() -> None:
    found = of("weaker")
    assert "update jobs dynamodb table" in lost(found, DATA), "its backups"
    assert lost(found, DATA).count("update backend cloudwatch logGroup") == 1
    assert {"update storage s3 bucket", "update jobs dynamodb table", "update identity cognito userPool"} <= {
        one.replace("same", "update") for one in lost(found, GUARD)
    }
    assert "update ml-server ec2 instance" in lost(found, MACHINE), "another type stops it"


@pytest.mark.parametrize(
    ("days", "told"), [(7, ["objects in outputs/, once 7 days old (till now 30)"]), (90, [])]
)
def test_pictures_that_expire_sooner_are_lost_those_that_expire_later_are_not(
    days: int, told: list[str]
) -> None:
    def other(digest: dict[str, Any]) -> None:
        one = step(digest, "::sd-app-local-storage-lifecycle")
        one["op"] = "update"
        one["newState"]["inputs"]["rules"][0]["expiration"]["days"] = days

    assert [one.what for one in of("changed", other).losses if one.change.name == "storage-lifecycle"] == told


def test_a_protected_bucket_is_refused_by_the_engine_in_its_own_words() -> None:
    found = of("refused")
    assert found.status == 1 and len(found.preview.errors) == 1
    assert "marked for protection" in found.preview.errors[0]
    [bucket] = [one for one in found.losses if one.change.urn == BUCKET]
    assert bucket.severity == KEPT and bucket.stops == "protected: the engine refuses"
    assert page(found).verdict == "The engine would refuse this."


@pytest.mark.parametrize(
    ("token", "inputs", "stops"),
    [
        ("aws:s3/bucket:Bucket", {"forceDestroy": True}, ""),
        ("aws:s3/bucket:Bucket", {}, "AWS refuses while anything is in it"),
        ("aws:dynamodb/table:Table", {"deletionProtectionEnabled": True}, "AWS refuses: deletion protection"),
        (
            "aws:cognito/userPool:UserPool",
            {"deletionProtection": "ACTIVE"},
            "AWS refuses: deletion protection",
        ),
        ("aws:cognito/userPool:UserPool", {"deletionProtection": "INACTIVE"}, ""),
    ],
)
def test_what_stops_a_loss_is_told(token: str, inputs: dict[str, Any], stops: str) -> None:
    def gone(digest: dict[str, Any]) -> None:
        one = next(step for step in digest["steps"] if step["oldState"]["type"] == token)
        one["op"] = "delete"
        one["oldState"]["inputs"] = inputs
        one.pop("newState", None)

    [loss] = [one for one in of("weaker", gone).losses if one.change.token == token]
    assert (loss.severity, loss.change.op) == (
        KEPT if loss.change.old and loss.change.old.retain else DATA,
        "delete",
    )
    assert loss.stops in (stops, "protected: the engine refuses")


def test_addresses_that_people_know_are_told_when_they_change() -> None:
    def replaced(digest: dict[str, Any]) -> None:
        for end in (
            "aws:ec2/eip:Eip::sd-app-local-edge",
            "aws:cloudfront/distribution:Distribution::sd-app-local-edge",
        ):
            step(digest, end)["op"] = "replace"

    assert len(lost(of("changed", replaced), ADDRESS)) == 2


def test_dollars_are_those_of_ops_cost_before_and_after() -> None:
    money = of("changed").money
    assert money and money.before and money.after
    by_name = {f"{one.component} {one.token.rpartition(':')[2]}": one for one in money.lines}
    assert by_name["notebook NotebookInstance"].working == (pytest.approx(14), 0)
    server = by_name["ml-server Instance"]
    assert server.working[1] < server.working[0], "a g6.xlarge is cheaper than a g5.xlarge"
    assert sum(one.working[0] for one in money.lines) == pytest.approx(money.before.month.usd)
    assert sum(one.idle[1] for one in money.lines) == pytest.approx(money.after.idle.usd)
    assert money.after.picture < money.before.picture


def test_todays_dollars_are_by_todays_schedules() -> None:
    config = history_config(text_of("history"))
    clock = json.loads(config["sd-app:operations"])
    awake = {**config, "sd-app:operations": json.dumps({**clock, "backendStart": None, "backendStop": None})}
    preview = read(text_of("changed"))
    by_clock, all_day = report(preview, config).money, report(preview, awake).money
    assert by_clock and by_clock.before and by_clock.after and all_day and all_day.before and all_day.after
    assert all_day.before.idle.usd > by_clock.before.idle.usd
    assert all_day.after.idle.usd == by_clock.after.idle.usd


@pytest.mark.parametrize("before", [None, {"sd-app:of-an-older-version": "1"}])
def test_when_todays_settings_are_not_known_the_report_says_so(before: dict[str, str] | None) -> None:
    found = report(read(text_of("changed")), before)
    assert found.money and "not known" in found.told[0]


def test_without_what_stays_there_are_no_dollars_and_the_report_says_how_to_get_them() -> None:
    found = of("weaker")
    assert found.money is None and "--show-sames" in found.told[0]


def test_a_new_stack_costs_nothing_before() -> None:
    found = of("changed", new_stack)
    assert found.money and found.money.before is None and found.money.after
    assert found.losses == [] and "$0.00 → $" in page(found).verdict


def test_like_resources_of_a_part_share_a_row_of_dollars_and_rows_make_up_the_sum() -> None:
    money = of("changed", new_stack).money
    assert money
    rows = {
        name: float(more.replace(",", "")) for name, *_, more in by_resource(money).rows if more[0] == "+"
    }
    assert rows["9 operations MetricAlarm"] == pytest.approx(0.9)
    assert sum(rows.values()) == pytest.approx(2 * rows["all"], abs=0.1)


def test_a_type_without_a_price_is_told_and_the_rest_of_the_report_is_there() -> None:
    def strange(digest: dict[str, Any]) -> None:
        one = digest["steps"][-1]
        for state in ("oldState", "newState"):
            if state in one:
                one[state]["type"] = "aws:rds/instance:Instance"
        one["urn"] = one["urn"].rpartition("$")[0] + "$aws:rds/instance:Instance::db"
        for state in ("oldState", "newState"):
            if state in one:
                one[state]["urn"] = one["urn"]

    found = of("changed", strange)
    assert found.money is None and "no price" in found.told[0] and found.losses


def test_a_new_fault_fails_the_report_and_one_that_was_there_before_does_not() -> None:
    def opened(both: bool) -> Callable[[dict[str, Any]], None]:
        def edit(digest: dict[str, Any]) -> None:
            rule = next(
                one
                for one in digest["steps"]
                if "SecurityGroupIngressRule::" in one["urn"] and one["op"] == "same"
            )
            for state in ("oldState", "newState") if both else ("newState",):
                rule[state]["inputs"]["cidrIpv4"] = "0.0.0.0/0"

        return edit

    new, old = of("changed", opened(False)), of("changed", opened(True))
    assert [(one.guard, one.new) for one in new.findings] == [
        ("no-open-security-group", True)
    ] and new.status == 1
    assert [(one.guard, one.new) for one in old.findings] == [
        ("no-open-security-group", False)
    ] and old.status == 0


def test_a_month_over_its_budget_is_told_and_fails_nothing() -> None:
    def poor(digest: dict[str, Any]) -> None:
        operations = json.loads(digest["config"]["sd-app:operations"])
        digest["config"]["sd-app:operations"] = json.dumps({**operations, "monthlyBudgetUsd": 1})

    found = of("changed", poor)
    assert [one.guard for one in found.findings] == ["within-budget"] and found.status == 0


def test_a_budget_that_is_passed_by_the_change_is_new_and_still_fails_nothing() -> None:
    def made_poor(digest: dict[str, Any]) -> None:
        new_stack(digest)
        operations = json.loads(digest["config"]["sd-app:operations"])
        digest["config"]["sd-app:operations"] = json.dumps({**operations, "monthlyBudgetUsd": 1})

    found = of("changed", made_poor)
    assert [(one.guard, one.new) for one in found.findings] == [("within-budget", True)] and found.status == 0


def test_a_machine_that_goes_for_good_is_told_and_the_stack_without_it_is_not_counted() -> None:
    def gone(digest: dict[str, Any]) -> None:
        one = step(digest, "Instance::sd-app-local-ml-server")
        one["op"] = "delete"
        del one["newState"]

    found = of("changed", gone)
    assert "delete ml-server ec2 instance" in lost(found, MACHINE)
    assert found.money and found.money.before and found.money.after is None
    assert page(found).verdict.endswith("unchanged.")


def test_a_secret_that_lost_its_mark_is_a_new_fault() -> None:
    def bare(digest: dict[str, Any]) -> None:
        app = next(
            one
            for one in digest["steps"]
            if one["urn"].endswith("aws:amplify/app:App::sd-app-local-frontend")
        )
        assert app["newState"]["inputs"]["accessToken"] == "[secret]", "as the engine shows it"
        app["newState"]["inputs"]["accessToken"] = "github_pat_" + "a" * 30

    assert {one.guard for one in of("changed", bare).findings} == {"no-secret-in-the-clear"}


def test_a_program_that_stops_tells_its_own_words_alone() -> None:
    found = of("wrong")
    assert found.status == 1 and len(found.preview.errors) == 1
    assert 'mlServer.instanceType: "g5.tiny"' in found.preview.errors[0]
    assert [one.title for one in page(found).sections] == ["What is lost"]


def test_values_are_shown_when_they_are_short_and_known_later_when_they_are() -> None:
    changes = {one.name: one for one in of("changed").preview.changes}
    told = differences(changes["ml-server"])
    assert "instanceType g5.xlarge → g6.xlarge" in told and "rootBlockDevice.volumeSize 150 → 200" in told
    assert told[0].startswith("userDataBase64"), "what forces the replacement is first"
    assert not any(UNKNOWN in one for change in changes.values() for one in differences(change))
    assert any("(known later)" in one for one in differences(changes["operations-ml-server-status"]))


@pytest.mark.parametrize(
    ("path", "value"),
    [("a.b", 1), ("c[1].d", "x"), ("c[7].d", None), ("nothing.at.all", None), ('tags["Name"]', "n")],
)
def test_properties_are_found_by_the_engines_paths(path: str, value: object) -> None:
    assert at({"a": {"b": 1}, "c": [{}, {"d": "x"}], "tags": {"Name": "n"}}, path) == value


def test_three_steps_of_a_replacement_are_one_change() -> None:
    def three(digest: dict[str, Any]) -> None:
        one = step(digest, "Instance::sd-app-local-ml-server")
        digest["steps"] += [{**one, "op": "create-replacement"}, {**one, "op": "delete-replaced"}]

    changes: list[Change] = [one for one in of("changed", three).preview.changes if one.name == "ml-server"]
    assert [(one.op, one.kind) for one in changes] == [("replace", "ec2 instance")]


@pytest.mark.parametrize("text", ["", "no JSON", "[]", '{"a": 1}', '{"steps": []}'])
def test_what_is_no_preview_is_refused_with_the_command_that_makes_one(text: str) -> None:
    with pytest.raises(OpsError, match="pulumi preview --json --show-sames"):
        read(text)


def test_the_clis_own_words_before_the_json_are_no_hindrance() -> None:
    assert read(f"warning: a new version\n{text_of('changed')}").stack == "local"


@pytest.mark.parametrize("text", ["{", '{"a": 1}', "[1]"])
def test_what_is_no_history_is_refused(text: str) -> None:
    with pytest.raises(OpsError, match="stack history"):
        history_config(text)


def test_the_last_deployment_that_succeeded_is_the_one_before() -> None:
    runs = [
        {"kind": "destroy", "result": "succeeded", "config": {"a": {"value": "0"}}},
        {"kind": "update", "result": "failed", "config": {"a": {"value": "1"}}},
        {"kind": "update", "result": "succeeded", "config": {"a": {"value": "2"}, "b": {"secret": True}}},
    ]
    assert history_config(json.dumps(runs)) == {"a": "2", "b": "[secret]"}
    assert history_config("") == history_config("[]") == {}


def test_the_command_shows_it_as_json_and_ends_with_its_status(capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--preview", str(RECORDED / "changed.json"), "--before", str(RECORDED / "history.json")]
    assert cli.main(["report", *files, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(plain(of("changed"))))
    assert told["counts"]["same"] > 90 and told["losses"][0]["severity"] == "data"
    assert cli.main(["report", "--preview", str(RECORDED / "wrong.json")]) == 1
    assert cli.main(["report", "--preview", "nowhere.json"]) == 2
    assert "nowhere.json" in capsys.readouterr().err
