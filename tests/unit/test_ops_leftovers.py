"""What of a stack is in the account: found by tag and by name, with its reason, its price, and the command that removes it.

moto's tag index knows no user pools and no addresses, which AWS's does; they are looked for by themselves as well.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ops import cli
from ops.leftovers_kinds import KINDS, Gone, dollars, kind_of
from tests.unit.ops_cloud import REGION, STACK, Cloud, cloud_for_ops

TAGS = {"Project": "sd-app", "Stack": STACK, "ManagedBy": "pulumi"}


def listed(**changed: str) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in {**TAGS, **changed}.items() if value]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with cloud_for_ops(monkeypatch) as made:
        yield made


def make_bucket(cloud: Cloud, name: str = "sd-app-s3-dev", **changed: str) -> None:
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_tagging(Bucket=name, Tagging={"TagSet": listed(**changed)})


def left(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, dict[str, Any]]:
    """What is left, by name."""
    assert cli.main(["--stack", STACK, "leftovers", "--json", *words]) == 0
    return {one["name"]: one for one in json.loads(capsys.readouterr().out)["left"]}


def state(folder: Path, known: list[str], protected: list[str]) -> Path:
    file = folder / "state.json"
    file.write_text(json.dumps({"known": known, "protected": protected}))
    return file


def test_of_an_empty_account_nothing_is_told_but_what_was_not_looked_for(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--stack", STACK, "leftovers"]) == 0
    told = capsys.readouterr().out
    assert told.startswith(f"Nothing of stack {STACK} is left in {REGION}.")
    assert "Not looked for:" in told


def test_another_stacks_things_are_not_told(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    make_bucket(cloud, Stack="prod")
    cloud.client("iam").create_role(RoleName="sd-app-prod-backend-1", AssumeRolePolicyDocument="{}")
    assert left(capsys) == {}


def test_each_has_its_reason(cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, changed in (
        ("kept", {}),
        ("protected", {}),
        ("known", {}),
        ("by-hand", {"ManagedBy": ""}),
        ("by-ops", {"ManagedBy": "ops restore"}),
    ):
        make_bucket(cloud, name, **changed)
    cloud.client("iam").create_role(RoleName="sd-app-dev-backend-1", AssumeRolePolicyDocument="{}")
    found = left(capsys, "--state", str(state(tmp_path, ["known", "protected"], ["protected"])))
    assert {name: one["why"] for name, one in found.items()} == {
        "kept": "kept by the program, or a broken run's",
        "protected": "protected; the stack knows it still",
        "known": "the stack has it still",
        "by-hand": "made outside the program",
        "by-ops": "made by ops restore",
        "sd-app-dev-backend-1": "has a name of the stack, and no tag",
    }


def test_a_bucket_costs_what_all_its_versions_take(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    make_bucket(cloud)
    s3 = cloud.client("s3")
    s3.put_bucket_versioning(Bucket="sd-app-s3-dev", VersioningConfiguration={"Status": "Enabled"})
    for _ in range(2):
        s3.put_object(Bucket="sd-app-s3-dev", Key="models/a", Body=b"x" * 1_000_000)
    assert left(capsys)["sd-app-s3-dev"]["usd"] == pytest.approx(0.002 * 0.023)  # pyright: ignore[reportUnknownMemberType]


def test_machines_disks_and_addresses_have_their_price_and_their_end(
    cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    ec2 = cloud.client("ec2")
    tags = [{"ResourceType": "instance", "Tags": listed()}]
    made = ec2.run_instances(
        ImageId="ami-12c6146b", InstanceType="t3.small", MinCount=2, MaxCount=2, TagSpecifications=tags
    )
    runs, ended = [one["InstanceId"] for one in made["Instances"]]
    ec2.terminate_instances(InstanceIds=[ended])
    disk = ec2.create_volume(
        AvailabilityZone="us-east-1a",
        Size=100,
        VolumeType="gp3",
        TagSpecifications=[{"ResourceType": "volume", "Tags": listed()}],
    )["VolumeId"]
    address = ec2.allocate_address(
        Domain="vpc", TagSpecifications=[{"ResourceType": "elastic-ip", "Tags": listed()}]
    )["AllocationId"]
    found = left(capsys)
    assert set(found) == {runs, disk, address}, "what is terminated still shows for an hour, and is no more"
    assert {name: round(one["usd"], 2) for name, one in found.items()} == {
        runs: 15.18,
        disk: 8.0,
        address: 3.65,
    }
    assert found[address]["remove"] == f"aws ec2 release-address --allocation-id {address}"


def test_a_notebook_costs_its_disk_and_its_hours(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    cloud.client("sagemaker").create_notebook_instance(
        NotebookInstanceName="n",
        InstanceType="ml.t3.medium",
        RoleArn="arn:aws:iam::123456789012:role/r",
        VolumeSizeInGB=10,
        Tags=listed(),
    )
    found = left(capsys)["n"]
    assert found["usd"] and found["usd"] > 1


class Jobs:
    """SageMaker's answer for one job, which moto lets nobody choose."""

    def __init__(self, status: str) -> None:
        self.status = status

    def client(self, service: str) -> "Jobs":
        return self

    region = REGION

    def describe_training_job(self, TrainingJobName: str) -> dict[str, Any]:
        return {
            "TrainingJobStatus": self.status,
            "EnableManagedSpotTraining": False,
            "ResourceConfig": {"InstanceType": "ml.g5.xlarge"},
            "StoppingCondition": {"MaxRuntimeInSeconds": 7200},
        }


def test_a_training_job_counts_while_it_runs_and_is_nothing_afterwards() -> None:
    found = kind_of("arn:aws:sagemaker:us-east-1:123456789012:training-job/sd-app-dev-x")
    assert found and found[1] == "sd-app-dev-x"
    running: Any = Jobs("InProgress")
    assert 2 < (dollars(running, found[0], found[1]) or 0) < 4
    ended: Any = Jobs("Completed")
    with pytest.raises(Gone):
        dollars(ended, found[0], found[1])


def test_what_bears_no_tag_is_found_by_its_name(cloud: Cloud, capsys: pytest.CaptureFixture[str]) -> None:
    pool = cloud.client("cognito-idp").create_user_pool(PoolName="sd-app-dev-identity-1")["UserPool"]["Id"]
    cloud.client("cloudwatch").put_dashboard(DashboardName="sd-app-dev-operations", DashboardBody="{}")
    cloud.client("iam").create_instance_profile(InstanceProfileName="sd-app-dev-backend-2")
    assert set(left(capsys)) == {pool, "sd-app-dev-operations", "sd-app-dev-backend-2"}


def test_people_read_a_sum_and_a_command_for_each(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make_bucket(cloud)
    assert (
        cli.main(["--stack", STACK, "leftovers", "--state", str(state(tmp_path, [], ["sd-app-s3-dev"]))]) == 0
    )
    told = capsys.readouterr().out
    assert "1 thing of stack dev, $0.00 a month" in told
    assert "bucket sd-app-s3-dev" in told and "pulumi state unprotect --all --stack dev" in told


def test_what_can_not_be_looked_at_is_told_beside_the_rest(
    cloud: Cloud, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from botocore.exceptions import ClientError

    from ops import leftovers

    def denied(stack: object) -> Iterator[Any]:
        raise ClientError({"Error": {"Code": "AccessDenied", "Message": "no iam:ListRoles"}}, "ListRoles")

    monkeypatch.setitem(leftovers.LOOKS, "roles", denied)
    make_bucket(cloud)
    assert cli.main(["--stack", STACK, "leftovers"]) == 0
    assert "could not be looked at: roles: not allowed (ListRoles: AccessDenied)" in capsys.readouterr().out


def test_a_file_that_is_no_state_is_refused(
    cloud: Cloud, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.json").write_text("[]")
    assert cli.main(["--stack", STACK, "leftovers", "--state", str(tmp_path / "s.json")]) == 2
    assert "not what `make down` writes" in capsys.readouterr().err


def test_a_kind_is_known_by_its_arn_and_each_has_one_id_in_its_command() -> None:
    found = kind_of("arn:aws:logs:us-east-1:123456789012:log-group:/sd-app/dev/backend:*")
    assert found and (found[0].told, found[1]) == ("log", "/sd-app/dev/backend")
    assert kind_of("arn:aws:events:us-east-1:123456789012:rule/x") is None
    assert all("{id}" in kind.remove for kind in KINDS)
