"""`ops doctor` on quotas: GPU machines in vCPUs, by market and with what runs already; notebooks and training jobs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ops import doctor_quotas
from ops.doctor_finding import Finding, Ground
from tests.unit.doctor_ground import JSON, Account, account, told

ON_DEMAND, SPOT = "quota on demand", "quota spot"
NOTEBOOK, TRAINING = "ml.g5.xlarge for notebook instance usage", "ml.g5.xlarge for training job usage"
GPU, SAGEMAKER = doctor_quotas.CHECKS
OWN = {"Project": "sd-app", "Stack": "dev"}


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with account(monkeypatch) as made:
        yield made


def gpu(ground: Ground) -> dict[str, Finding]:
    return told(GPU.look(ground))


def sagemaker(ground: Ground) -> dict[str, Finding]:
    return told(SAGEMAKER.look(ground))


def start(
    cloud: Account, kind: str, tags: dict[str, str], *, spot: bool = False, state: str = "running"
) -> None:
    ec2 = cloud.client("ec2")
    market: dict[str, Any] = {"InstanceMarketOptions": {"MarketType": "spot"}} if spot else {}
    listed = [{"Key": key, "Value": value} for key, value in tags.items()]
    made = ec2.run_instances(
        ImageId="ami-12c6146b",
        InstanceType=kind,
        MinCount=1,
        MaxCount=1,
        TagSpecifications=[{"ResourceType": "instance", "Tags": listed}] if listed else [],
        **market,
    )
    if state == "stopped":
        ec2.stop_instances(InstanceIds=[made["Instances"][0]["InstanceId"]])


@pytest.mark.parametrize(("spot", "check", "other"), [(False, ON_DEMAND, SPOT), (True, SPOT, ON_DEMAND)])
def test_the_quota_of_the_ml_servers_market_must_be_large_enough(
    cloud: Account, spot: bool, check: str, other: str
) -> None:
    cloud.quota(L_DB2E81BA=0 if spot else 4, L_3819A6DF=4 if spot else 0)
    found = gpu(cloud.ground(mlServer={"spot": spot}))
    assert (found[check].verdict, found[other].verdict) == ("ok", "unneeded")
    assert "4 vCPU; g5.xlarge needs 4" in found[check].said
    assert found[other].said.startswith("0 vCPU; used with sd-app:mlServer.spot")


@pytest.mark.parametrize(
    ("spot", "check", "code"), [(False, ON_DEMAND, "L-DB2E81BA"), (True, SPOT, "L-3819A6DF")]
)
def test_a_new_accounts_quota_of_0_is_told_with_its_code_and_where_to_ask(
    cloud: Account, spot: bool, check: str, code: str
) -> None:
    cloud.quota(L_DB2E81BA=0, L_3819A6DF=0)
    found = gpu(cloud.ground(mlServer={"spot": spot}))[check]
    assert found.verdict == "bad" and code in found.said
    assert f"/services/ec2/quotas/{code}?region=us-east-1" in found.todo and "ask for 4 or more" in found.todo


def test_a_larger_machine_needs_more(cloud: Account) -> None:
    cloud.quota(L_DB2E81BA=8)
    found = gpu(cloud.ground(mlServer={"spot": False, "instanceType": "g5.4xlarge"}))[ON_DEMAND]
    assert found.verdict == "bad" and "g5.4xlarge needs 16" in found.said


@pytest.mark.parametrize(
    ("kind", "tags", "spot", "state", "verdict"),
    [
        ("g5.xlarge", {}, False, "running", "bad"),
        ("g5g.xlarge", {}, False, "running", "bad"),
        ("g5.xlarge", {**OWN, "Stack": "prod"}, False, "running", "bad"),
        ("g5.xlarge", OWN, False, "running", "ok"),
        ("g5.xlarge", {}, True, "running", "ok"),
        ("g5.xlarge", {}, False, "stopped", "ok"),
        ("t3.micro", {}, False, "running", "ok"),
    ],
)
def test_gpu_machines_of_others_that_run_in_the_same_market_are_counted_in(
    cloud: Account, kind: str, tags: dict[str, str], spot: bool, state: str, verdict: str
) -> None:
    cloud.quota(L_DB2E81BA=4)
    start(cloud, kind, tags, spot=spot, state=state)
    found = gpu(cloud.ground(mlServer={"spot": False}))[ON_DEMAND]
    assert found.verdict == verdict
    if verdict == "bad":
        assert "4 vCPU taken by other machines" in found.said and "ask for 8 or more" in found.todo


def test_a_quota_that_was_never_changed_is_what_aws_gives_everybody(cloud: Account) -> None:
    body = '{"__type": "NoSuchResourceException", "message": ""}'
    cloud.answers[("servicequotas", "GetServiceQuota")] = (400, JSON, body)
    found = gpu(cloud.ground())[SPOT]
    assert found.verdict == "ok"
    assert ("servicequotas", "GetAWSDefaultServiceQuota") in cloud.calls


@pytest.mark.parametrize(
    ("action", "right"),
    [
        (("servicequotas", "GetServiceQuota"), "servicequotas:GetServiceQuota"),
        (("ec2", "DescribeInstances"), "ec2:DescribeInstances"),
    ],
)
def test_a_missing_right_is_named_with_where_to_look(
    cloud: Account, action: tuple[str, str], right: str
) -> None:
    cloud.denied.add(action)
    found = gpu(cloud.ground())[SPOT]
    assert found.verdict == "unseen" and right in found.said and "L-3819A6DF" in found.todo


def test_sagemakers_quotas_are_found_by_name(cloud: Account) -> None:
    found = sagemaker(cloud.ground(training={"spot": False}))
    assert {name: one.verdict for name, one in found.items()} == {
        "quota notebook": "ok",
        "quota training": "ok",
    }
    assert NOTEBOOK in found["quota notebook"].said and TRAINING in found["quota training"].said


@pytest.mark.parametrize(("check", "name"), [("quota notebook", NOTEBOOK), ("quota training", TRAINING)])
def test_a_sagemaker_quota_of_0_is_told_with_its_own_link(cloud: Account, check: str, name: str) -> None:
    cloud.sagemaker_quota(name, 0)
    found = sagemaker(cloud.ground(training={"spot": False}))
    assert {one.check: one.verdict for one in found.values()} == {
        "quota notebook": "ok",
        "quota training": "ok",
        check: "bad",
    }
    assert "/services/sagemaker/quotas/L-SANDBOX" in found[check].todo
    assert found[check].stops_up is (check == "quota notebook"), "`up` starts no training job"


def test_a_type_without_a_quota_is_not_offered_there(cloud: Account) -> None:
    cloud.answers[("servicequotas", "ListServiceQuotas")] = (200, JSON, '{"Quotas": []}')
    found = sagemaker(cloud.ground())["quota notebook"]
    assert found.verdict == "bad" and "is the type offered there?" in found.said
    assert "sd-app:notebook.instanceType" in found.todo


@pytest.mark.parametrize(
    ("name", "verdict"), [("somebody-elses", "bad"), ("FineTuneNotebookInstance-dev", "ok")]
)
def test_notebooks_of_others_that_run_are_counted_in(cloud: Account, name: str, verdict: str) -> None:
    cloud.sagemaker_quota("ml.t3.medium for notebook instance usage", 1)
    role = "arn:aws:iam::123456789012:role/notebook"
    cloud.client("sagemaker").create_notebook_instance(
        NotebookInstanceName=name, InstanceType="ml.t3.medium", RoleArn=role
    )
    found = sagemaker(cloud.ground(notebook={"instanceType": "ml.t3.medium"}))  # moto has no GPU type
    assert found["quota notebook"].verdict == verdict


def test_what_is_switched_off_needs_no_quota(cloud: Account) -> None:
    found = sagemaker(cloud.ground(notebook={"enabled": False}, training={"enabled": False}))
    assert {one.verdict for one in found.values()} == {"unneeded"}
    assert not cloud.calls


def test_without_the_right_to_list_quotas_both_are_told_by_their_names(cloud: Account) -> None:
    cloud.denied.add(("servicequotas", "ListServiceQuotas"))
    found = sagemaker(cloud.ground())
    assert {one.verdict for one in found.values()} == {"unseen"}
    assert "servicequotas:ListServiceQuotas" in found["quota notebook"].said
    assert NOTEBOOK in found["quota notebook"].said
