"""The ML server: private, one address, ComfyUI for its clients alone, rights on itself and two prefixes."""

from typing import Any

import pytest

from components.ml_server import IMAGE_PARAMETER, MlServer, MlServerArgs
from declared.pretend_aws import IMAGES
from setting_models import MlServerSettings
from tests.unit.engine import Recording, deploy, environment_of, rights_of

INSTANCE = "aws:ec2/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
EGRESS = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
COMMAND = "command:local:Command"


def ml_server(**settings: Any) -> Recording[MlServer]:
    args = MlServerArgs(
        stack="dev",
        settings=MlServerSettings(**settings),
        vpc_id="vpc-1",
        subnet_id="subnet-private",
        private_ip="172.16.0.10",
        ways_out=[],
        bucket_name="bucket",
        bucket_arn="arn:aws:s3:::bucket",
        log_retention_days=7,
        region="us-east-1",
    )
    return deploy(lambda: MlServer("ml", args))


def test_comfyui_is_reached_from_the_client_group_alone() -> None:
    recording = ml_server()
    clients, server = (recording.named(name, GROUP).outputs["id"] for name in ("ml-clients", "ml"))
    rules = recording.inputs_of(INGRESS)
    assert {(one["fromPort"], one["toPort"]) for one in rules} == {(8188, 8188), (8189, 8189)}
    for one in rules:
        assert one["securityGroupId"] == server
        assert one["referencedSecurityGroupId"] == clients
        assert not {"cidrIpv4", "cidrIpv6", "prefixListId"} & set(one), "ComfyUI has no password"


def test_the_client_group_opens_nothing_but_the_way_to_comfyui() -> None:
    recording = ml_server()
    clients, server = (recording.named(name, GROUP).outputs["id"] for name in ("ml-clients", "ml"))
    out = [one for one in recording.inputs_of(EGRESS) if one["securityGroupId"] == clients]
    assert {(one["referencedSecurityGroupId"], one["fromPort"]) for one in out} == {
        (server, 8188),
        (server, 8189),
    }
    assert not [one for one in recording.inputs_of(INGRESS) if one["securityGroupId"] == clients]


def test_it_is_private_at_the_address_that_was_chosen() -> None:
    one = ml_server().only(INSTANCE)
    assert (one.inputs["subnetId"], one.inputs["privateIp"]) == ("subnet-private", "172.16.0.10")
    assert one.delete_before_replace, "the next machine could not take the address"
    assert "associatePublicIpAddress" not in one.inputs
    assert not ml_server().of("aws:ec2/eip:Eip")


def test_it_runs_aws_s_deep_learning_image_on_the_set_type_and_disk() -> None:
    one = ml_server(instance_type="g6.xlarge", disk_gib=200).only(INSTANCE).inputs
    assert (one["instanceType"], one["ami"]) == ("g6.xlarge", IMAGES[IMAGE_PARAMETER])
    assert one["rootBlockDevice"]["volumeSize"] == 200


def test_ssh_comes_by_named_ranges_and_key_alone() -> None:
    closed = ml_server()
    assert "keyName" not in closed.only(INSTANCE).inputs
    assert not [one for one in closed.inputs_of(INGRESS) if one["fromPort"] == 22]
    recording = ml_server(ssh_cidrs=("203.0.113.0/24",), key_name="studio")
    [rule] = [one for one in recording.inputs_of(INGRESS) if one["fromPort"] == 22]
    machine = recording.only(INSTANCE).inputs
    assert (rule["cidrIpv4"], machine["keyName"]) == ("203.0.113.0/24", "studio")
    assert machine["vpcSecurityGroupIds"] == [
        recording.named(name, GROUP).outputs["id"] for name in ("ml", "ml-ssh")
    ]


def test_it_reads_models_and_styles_and_nothing_else_of_the_bucket() -> None:
    rights = rights_of(ml_server())
    on_s3 = {name: one for name, one in rights.items() if any(a.startswith("s3:") for a in one["Action"])}
    assert set(on_s3) == {"ListModelsAndStyles", "ReadModelsAndStyles"}
    assert on_s3["ReadModelsAndStyles"]["Action"] == ["s3:GetObject"]
    assert on_s3["ReadModelsAndStyles"]["Resource"] == [
        "arn:aws:s3:::bucket/models/*",
        "arn:aws:s3:::bucket/loras/*",
    ]
    assert on_s3["ListModelsAndStyles"]["Action"] == ["s3:ListBucket"]
    assert on_s3["ListModelsAndStyles"]["Resource"] == ["arn:aws:s3:::bucket"]
    assert on_s3["ListModelsAndStyles"]["Condition"] == {"StringLike": {"s3:prefix": ["models/*", "loras/*"]}}


def test_of_parameters_it_writes_its_own_two_records_and_reads_none() -> None:
    recording = ml_server()
    records = {one.inputs["name"]: one for one in recording.of("aws:ssm/parameter:Parameter")}
    assert set(records) == {f"/sd-app/dev/machines/ml-server/{which}" for which in ("boot", "styles")}
    on_ssm = [
        one for one in rights_of(recording).values() if any(":Put" in a or ":Get" in a for a in one["Action"])
    ]
    written = {arn for one in on_ssm if one["Action"] == ["ssm:PutParameter"] for arn in one["Resource"]}
    assert written == {one.outputs["arn"] for one in records.values()}
    assert not [one for one in rights_of(recording).values() if any("ssm:Get" in a for a in one["Action"])]


def test_it_stops_itself_and_no_other_machine() -> None:
    recording = ml_server()
    on_ec2 = {
        action: one["Resource"]
        for one in rights_of(recording).values()
        for action in one["Action"]
        if action.startswith("ec2:")
    }
    assert on_ec2 == {"ec2:StopInstances": [recording.only(INSTANCE).outputs["arn"]]}


def test_its_environment_is_complete_and_holds_no_secret() -> None:
    one = ml_server(idle_stop_minutes=5, model_sync_seconds=30).only(INSTANCE)
    assert environment_of(one) == {
        "AWS_REGION": "us-east-1",
        "BUCKET_NAME": "bucket",
        "COMFYUI_TEXT_PORT": "8188",
        "COMFYUI_SKETCH_PORT": "8189",
        "IDLE_STOP_MINUTES": "5",
        "MODEL_SYNC_SECONDS": "30",
        "SD_APP_STYLES_PARAMETER": "/sd-app/dev/machines/ml-server/styles",
        "SD_APP_STACK": "dev",
        "SD_APP_ROLE": "ml-server",
        "SD_APP_BOOT_PARAMETER": "/sd-app/dev/machines/ml-server/boot",
        "SD_APP_LOG_GROUP": "/sd-app/dev/ml-server",
        "SD_APP_METRIC_NAMESPACE": "sd-app/dev",
    }
    assert "userDataBase64" not in one.secret_inputs, "a secret went into the user data"


def test_a_spot_machine_s_request_is_cancelled_with_it() -> None:
    recording = ml_server(spot=True)
    machine, command = recording.only(INSTANCE), recording.only(COMMAND)
    request = machine.outputs["spotInstanceRequestId"]
    assert machine.inputs["instanceMarketOptions"]["marketType"] == "spot"
    assert command.inputs["delete"] == (
        f"PATH=\"$PWD/.venv/bin:$PATH\" python -m components.spot_request cancel '{request}'"
    )
    assert command.inputs["triggers"] == [request], "the old request would outlive a replaced machine"
    assert command.inputs["environment"] == {"AWS_REGION": "us-east-1"}


def test_an_on_demand_machine_has_no_request_to_cancel() -> None:
    assert not ml_server().of(COMMAND)


@pytest.mark.parametrize(("minutes", "waits"), [(0, 0), (40, 1)])
def test_up_waits_for_it_as_set_and_for_its_right_to_stop(minutes: int, waits: int) -> None:
    commands = ml_server(wait_minutes=minutes).of(COMMAND)
    assert len(commands) == waits
    assert all("wait ml-server --instance" in one.inputs["create"] for one in commands)
    assert all("ml-own-stop" in one.depends_on for one in commands)


def test_the_outputs_are_the_machine_s() -> None:
    recording = ml_server()
    machine, outputs = recording.only(INSTANCE), recording.registered["ml"]
    assert outputs["instance_id"] == machine.outputs["id"]
    assert outputs["instance_arn"] == machine.outputs["arn"]
    assert outputs["private_ip"] == "172.16.0.10"
    assert outputs["image_id"] == IMAGES[IMAGE_PARAMETER]
    assert outputs["client_security_group_id"] == recording.named("ml-clients").outputs["id"]
    assert outputs["log_group_name"] == "/sd-app/dev/ml-server"
