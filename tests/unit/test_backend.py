"""The backend: reached through CloudFront alone, rights on its own stack's parts, no secret on the machine."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pytest

import contract
from components.backend import Backend, BackendArgs, image_parameter
from declared.pretend_aws import CLOUDFRONT_PREFIX_LIST_ID, IMAGES
from setting_models import BackendSettings, RepositorySettings
from tests.unit.engine import Recording, deploy, environment_of, rights_of

INSTANCE = "aws:ec2/instance:Instance"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
HERE = "us-east-1:111111111111"
QUEUES = {kind: f"arn:aws:sqs:{HERE}:jobs-{kind}" for kind in ("text", "sketch", "dead")}
TABLE = f"arn:aws:dynamodb:{HERE}:table/generations"
BUCKET = "arn:aws:s3:::bucket"
ML_SERVER = f"arn:aws:ec2:{HERE}:instance/i-ml"
ORIGIN_SECRET = f"arn:aws:ssm:{HERE}:parameter/sd-app/dev/backend/origin-secret"
ML_SERVER_BOOT = "arn:aws:ssm:us-east-1:111122223333:parameter/sd-app/dev/machines/ml-server/boot"
TOKEN = "github_pat_hush"  # a made-up value
PAGE = "https://main.d1.amplifyapp.com"


def backend(token: bool = False, origins: Sequence[str] = (PAGE,), **settings: Any) -> Recording[Backend]:
    def build() -> Backend:
        args = BackendArgs(
            stack="dev",
            settings=BackendSettings(**settings),
            repository=RepositorySettings(url="https://github.com/studio/sd-app", ref="v1"),
            vpc_id="vpc-1",
            subnet_id="subnet-public",
            elastic_ip_allocation_id="eipalloc-1",
            edge_url="https://d1.cloudfront.net",
            origin_secret_parameter_name="/sd-app/dev/backend/origin-secret",
            origin_secret_parameter_arn=ORIGIN_SECRET,
            github_token=pulumi.Output.secret(TOKEN) if token else None,
            comfyui_address="172.16.0.10",
            ml_server_instance_arn=ML_SERVER,
            ml_server_boot_parameter_name="/sd-app/dev/machines/ml-server/boot",
            ml_server_boot_parameter_arn=ML_SERVER_BOOT,
            ml_server_client_group_id="sg-clients",
            bucket_name="bucket",
            bucket_arn=BUCKET,
            queue_urls={kind: f"https://sqs/{kind}" for kind in ("text", "sketch")},
            queue_arns={kind: QUEUES[kind] for kind in ("text", "sketch")},
            dead_letter_queue_url="https://sqs/dead",
            dead_letter_queue_arn=QUEUES["dead"],
            table_name="generations",
            table_arn=TABLE,
            user_pool_id="us-east-1_pool",
            user_pool_client_id="page",
            limits={name: one.maximum for name, one in contract.LIMITS.items()},
            max_attempts=5,
            outputs_retention_days=30,
            allowed_origins=list(origins),
            log_retention_days=7,
            region="us-east-1",
        )
        return Backend("be", args)

    return deploy(build)


def allowed(recording: Recording[Any], service: str) -> dict[str, set[str]]:
    """Resources by action of a service, over all statements."""
    found: dict[str, set[str]] = {}
    for one in rights_of(recording).values():
        for action in one["Action"]:
            if action.startswith(f"{service}:"):
                found.setdefault(action, set()).update(one["Resource"])
    return found


def test_cloudfront_alone_comes_in() -> None:
    recording = backend()
    [rule] = recording.inputs_of(INGRESS)
    assert rule["prefixListId"] == CLOUDFRONT_PREFIX_LIST_ID
    assert (rule["fromPort"], rule["toPort"], rule["ipProtocol"]) == (3000, 3000, "tcp")
    assert not {"cidrIpv4", "cidrIpv6", "referencedSecurityGroupId"} & set(rule)
    own = recording.named("be", GROUP).outputs["id"]
    assert recording.only(INSTANCE).inputs["vpcSecurityGroupIds"] == [own, "sg-clients"]


def test_ssh_comes_by_named_ranges_and_key_alone() -> None:
    recording = backend(ssh_cidrs=("203.0.113.0/24",), key_name="studio")
    [rule] = [one for one in recording.inputs_of(INGRESS) if one["fromPort"] == 22]
    machine = recording.only(INSTANCE).inputs
    assert (rule["cidrIpv4"], machine["keyName"]) == ("203.0.113.0/24", "studio")
    assert rule["securityGroupId"] == recording.named("be-ssh").outputs["id"]
    assert rule["securityGroupId"] in machine["vpcSecurityGroupIds"]


def test_it_stands_in_the_public_subnet_at_the_edge_s_address() -> None:
    recording = backend()
    machine, association = (
        recording.only(INSTANCE),
        recording.only("aws:ec2/eipAssociation:EipAssociation"),
    )
    assert machine.inputs["subnetId"] == "subnet-public"
    assert association.inputs == {"allocationId": "eipalloc-1", "instanceId": machine.outputs["id"]}
    assert association.delete_before_replace, "the old association would be ended under the new one"


@pytest.mark.parametrize(
    ("instance_type", "architecture"),
    [("t2.medium", "amd64"), ("t3a.small", "amd64"), ("t4g.small", "arm64")],
)
def test_the_image_has_the_architecture_of_the_type(instance_type: str, architecture: str) -> None:
    assert f"/24.04/stable/current/{architecture}/" in image_parameter(instance_type)
    machine = backend(instance_type=instance_type).only(INSTANCE).inputs
    assert (machine["instanceType"], machine["ami"]) == (
        instance_type,
        IMAGES[image_parameter(instance_type)],
    )


def test_it_works_its_own_queues_and_no_others() -> None:
    on_queues = allowed(backend(), "sqs")
    assert set(on_queues) == {
        f"sqs:{verb}"
        for verb in (
            "SendMessage",
            "ReceiveMessage",
            "DeleteMessage",
            "ChangeMessageVisibility",
        )
    }
    kinds = {QUEUES["text"], QUEUES["sketch"]}
    assert on_queues.pop("sqs:SendMessage") == {*kinds, QUEUES["dead"]}
    assert all(resources == kinds for resources in on_queues.values()), (
        "dead letters are the operator's to settle"
    )


def test_it_works_its_own_table_by_key_and_never_scans() -> None:
    on_table = allowed(backend(), "dynamodb")
    assert "dynamodb:Scan" not in on_table
    assert on_table.pop("dynamodb:Query") == {f"{TABLE}/index/byOwner", f"{TABLE}/index/byQueue"}
    assert all(resources == {TABLE} for resources in on_table.values())


def test_it_keeps_pictures_and_only_reads_styles() -> None:
    on_bucket = allowed(backend(), "s3")
    pictures, styles = f"{BUCKET}/outputs/*", f"{BUCKET}/loras/*"
    assert on_bucket == {
        "s3:GetObject": {pictures, styles},
        "s3:PutObject": {pictures},
        "s3:DeleteObject": {pictures},
        "s3:ListBucket": {BUCKET},
    }, "it could change models or styles, or read data sets"
    listing = rights_of(backend())["ListStyles"]
    assert listing["Condition"] == {"StringLike": {"s3:prefix": ["loras/*"]}}


def test_it_wakes_the_ml_server_of_its_stack_and_stops_nothing() -> None:
    on_machines = allowed(backend(), "ec2")
    assert on_machines.pop("ec2:StartInstances") == {ML_SERVER}
    assert set(on_machines) == {"ec2:DescribeInstances"}


def test_of_parameters_it_reads_its_secrets_and_how_far_the_ml_server_is() -> None:
    assert allowed(backend(), "ssm")["ssm:GetParameter"] == {ORIGIN_SECRET, ML_SERVER_BOOT}
    recording = backend(token=True)
    parameter = recording.named("be-github-token").outputs["arn"]
    assert allowed(recording, "ssm")["ssm:GetParameter"] == {ORIGIN_SECRET, parameter, ML_SERVER_BOOT}
    assert not allowed(recording, "kms"), "SSM decrypts under its own key"


def test_any_resource_is_only_where_aws_knows_no_other() -> None:
    anywhere = {n for n, one in rights_of(backend(token=True)).items() if "*" in one["Resource"]}
    assert anywhere == {"SessionManager", "OwnMetrics", "SeeTheMlServer"}


def test_its_environment_is_complete() -> None:
    assert environment_of(backend(origins=[PAGE, "http://127.0.0.1:5173"]).only(INSTANCE)) == {
        "ALLOWED_ORIGINS": f"{PAGE},http://127.0.0.1:5173",
        "AWS_REGION": "us-east-1",
        "BACKEND_URL": "https://d1.cloudfront.net",
        "BUCKET_NAME": "bucket",
        "COMFY_UI_ADDRESS": "172.16.0.10",
        "DEAD_LETTER_QUEUE_URL": "https://sqs/dead",
        "GENERATIONS_TABLE": "generations",
        "GITHUB_TOKEN_PARAMETER": "",
        **{contract.limit_variable(name): str(one.maximum) for name, one in contract.LIMITS.items()},
        "MAX_ATTEMPTS": "5",
        "ML_SERVER_BOOT_PARAMETER": "/sd-app/dev/machines/ml-server/boot",
        "ORIGIN_SECRET_PARAMETER": "/sd-app/dev/backend/origin-secret",
        "OUTPUTS_RETENTION_DAYS": "30",
        "PORT": "3000",
        "REPOSITORY_REF": "v1",
        "REPOSITORY_URL": "https://github.com/studio/sd-app",
        "SD_APP_BOOT_PARAMETER": "/sd-app/dev/machines/backend/boot",
        "SD_APP_LOG_GROUP": "/sd-app/dev/backend",
        "SD_APP_METRIC_NAMESPACE": "sd-app/dev",
        "SD_APP_ROLE": "backend",
        "SD_APP_STACK": "dev",
        "SKETCH_QUEUE_URL": "https://sqs/sketch",
        "TEXT_QUEUE_URL": "https://sqs/text",
        "USER_POOL_CLIENT_ID": "page",
        "USER_POOL_ID": "us-east-1_pool",
    }


@pytest.mark.parametrize(
    ("name", "variable"),
    [("promptCharacters", "LIMIT_PROMPT_CHARACTERS"), ("unfinishedPerUser", "LIMIT_UNFINISHED_PER_USER")],
)
def test_a_limit_reaches_the_backend_by_its_variable(name: str, variable: str) -> None:
    assert contract.limit_variable(name) == variable
    assert environment_of(backend().only(INSTANCE))[variable] == str(contract.LIMITS[name].maximum)


def test_no_page_at_all_leaves_the_list_of_origins_empty() -> None:
    assert environment_of(backend(origins=[]).only(INSTANCE))["ALLOWED_ORIGINS"] == ""


def test_the_github_token_reaches_the_machine_by_its_parameter_s_name_alone() -> None:
    recording = backend(token=True)
    machine, parameter = recording.only(INSTANCE), recording.named("be-github-token")
    assert (parameter.inputs["type"], parameter.inputs["value"]) == ("SecureString", TOKEN)
    assert parameter.secret_inputs == {"value"}
    assert environment_of(machine)["GITHUB_TOKEN_PARAMETER"] == "/sd-app/dev/github-token"
    assert "userDataBase64" not in machine.secret_inputs, "a secret went into the user data"
    assert not [one.name for one in recording.all if one is not parameter and TOKEN in str(one.inputs)]


def test_without_a_token_there_is_no_parameter_for_one() -> None:
    names = [one["name"] for one in backend().inputs_of("aws:ssm/parameter:Parameter")]
    assert names == ["/sd-app/dev/machines/backend/boot"]


@pytest.mark.parametrize(("minutes", "waits"), [(0, 0), (20, 1)])
def test_up_waits_for_it_as_set_once_it_has_its_address(minutes: int, waits: int) -> None:
    recording = backend(wait_minutes=minutes)
    commands = recording.of("command:local:Command")
    assert len(commands) == waits
    association = recording.only("aws:ec2/eipAssociation:EipAssociation").urn
    assert all("wait backend --instance" in one.inputs["create"] for one in commands)
    assert all(association in one.depends_on_urns for one in commands), "no address, no way out, never ready"


def test_the_outputs_are_the_machine_s() -> None:
    recording = backend()
    machine, outputs = recording.only(INSTANCE), recording.registered["be"]
    assert outputs["instance_id"] == machine.outputs["id"]
    assert outputs["instance_arn"] == machine.outputs["arn"]
    assert outputs["security_group_id"] == recording.named("be", GROUP).outputs["id"]
    assert outputs["image_id"] == machine.outputs["ami"]
    assert outputs["role_name"] == recording.only("aws:iam/role:Role").outputs["name"]
    assert outputs["log_group_name"] == "/sd-app/dev/backend"
