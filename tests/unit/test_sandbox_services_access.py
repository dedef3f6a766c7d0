"""The sandbox's roles, parameters and logs, each lived through on a real moto server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sandbox.aws import iam, logs, ssm
from sandbox.aws.table import Aws, Partial, Props
from tests.unit.sandbox_life import NEW_TAGS, TAGS, Life, live, moto_server, policy, types_of

TYPES = types_of(iam, logs, ssm)
TRUST = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}'


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        for role in ("own", "other"):
            cloud.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=TRUST)
        cloud.client("iam").create_policy(PolicyName="own", PolicyDocument=policy("s3:GetObject"))
        cloud.client("logs").create_log_group(logGroupName="own")
        yield cloud


LIVES: tuple[tuple[str, Life], ...] = (
    (
        "Role",
        Life(
            name="all",
            marks=frozenset({"assumeRolePolicy"}),
            inputs={
                "name": "sd-app-role",
                "description": "first",
                "assumeRolePolicy": TRUST,
                "managedPolicyArns": ["arn:aws:iam::123456789012:policy/own"],
                **TAGS,
            },
            changes={
                "description": "second",
                "maxSessionDuration": 7200,
                "managedPolicyArns": [],
                "assumeRolePolicy": TRUST.replace("ec2", "sagemaker"),
                **NEW_TAGS,
            },
            outputs={"arn": "arn:aws:iam::123456789012:role/sd-app-role", "path": "/"},
            tamper=lambda aws, id: aws.client("iam").update_assume_role_policy(
                RoleName=id, PolicyDocument=TRUST.replace("ec2", "lambda")
            ),
            seen="assumeRolePolicy",
        ),
    ),
    (
        "RolePolicy",
        Life(
            name="all",
            inputs={"name": "rights", "role": "own", "policy": policy("s3:GetObject")},
            changes={"policy": policy("s3:PutObject")},
            tamper=lambda aws, id: aws.client("iam").put_role_policy(
                RoleName="own", PolicyName="rights", PolicyDocument=policy("s3:*")
            ),
            seen="policy",
        ),
    ),
    (
        "InstanceProfile",
        Life(
            name="all",
            inputs={"name": "profile", "role": "own", **TAGS},
            changes={"role": "other", **NEW_TAGS},
            tamper=lambda aws, id: aws.client("iam").remove_role_from_instance_profile(
                InstanceProfileName=id, RoleName="other"
            ),
            seen="role",
        ),
    ),
    (
        "RolePolicyAttachment",
        Life(name="all", inputs={"role": "own", "policyArn": "arn:aws:iam::123456789012:policy/own"}),
    ),
    (
        "Parameter",
        Life(
            name="String",
            inputs={"name": "/sd-app/a", "type": "String", "value": "1", "description": "one", **TAGS},
            changes={"value": "2", "description": "two", **NEW_TAGS},
            outputs={"version": 1, "insecureValue": "1", "tier": "Standard", "dataType": "text"},
            tamper=lambda aws, id: aws.client("ssm").put_parameter(Name=id, Value="3", Overwrite=True),
            seen="value",
        ),
    ),
    (
        "Parameter",
        Life(
            name="SecureString",
            inputs={"name": "/sd-app/b", "type": "SecureString", "value": "first secret", **TAGS},
            changes={"value": "second secret"},
            outputs={"insecureValue": ""},
        ),
    ),
    (
        "Parameter",
        Life(
            name="insecure value",
            marks=frozenset({"overwrite"}),
            inputs={"name": "/sd-app/c", "type": "String", "insecureValue": "1"},
            changes={"insecureValue": "2", "overwrite": True},
            outputs={"value": "1"},
        ),
    ),
    (
        "LogGroup",
        Life(
            name="all",
            inputs={"name": "/sd-app/test/backend", "retentionInDays": 30, **TAGS},
            changes={"retentionInDays": 90, **NEW_TAGS},
            outputs={"arn": "arn:aws:logs:us-east-1:123456789012:log-group:/sd-app/test/backend"},
            tamper=lambda aws, id: aws.client("logs").delete_retention_policy(logGroupName=id),
            seen="retentionInDays",
        ),
    ),
    (
        "LogGroup",
        Life(
            name="kept for ever",
            inputs={"name": "/sd-app/test/network", "retentionInDays": 30},
            changes={"retentionInDays": 0},
        ),
    ),
    (
        "LogMetricFilter",
        Life(
            name="all",
            inputs={
                "logGroupName": "own",
                "name": "errors",
                "pattern": "ERROR",
                "metricTransformation": {
                    "name": "Errors",
                    "namespace": "sd-app/test",
                    "value": "1",
                    "defaultValue": "0",
                    "unit": "Count",
                },
            },
            changes={"pattern": "FATAL"},
            tamper=lambda aws, id: aws.client("logs").put_metric_filter(
                logGroupName="own",
                filterName=id,
                filterPattern="x",
                metricTransformations=[{"metricName": "a", "metricNamespace": "b", "metricValue": "1"}],
            ),
            seen="metricTransformation",
        ),
    ),
)


@pytest.mark.parametrize(("name", "life"), LIVES, ids=[f"{name} {life.name}" for name, life in LIVES])
def test_a_resource_is_what_was_declared_from_creation_to_deletion(aws: Aws, name: str, life: Life) -> None:
    live(aws, TYPES[name], life)


def test_a_role_with_policies_refuses_deletion_unless_forced(aws: Aws) -> None:
    role, inputs = TYPES["Role"], {"name": "busy", "assumeRolePolicy": TRUST}
    role.create(aws, inputs)
    TYPES["RolePolicy"].create(aws, {"name": "a", "role": "busy", "policy": policy("s3:GetObject")})
    TYPES["InstanceProfile"].create(aws, {"name": "busy", "role": "busy"})
    with pytest.raises(Exception, match="DeleteConflict"):
        role.delete(aws, "busy", inputs)
    role.delete(aws, "busy", inputs | {"forceDetachPolicies": True})
    assert role.read(aws, "busy", inputs) is None


def test_an_existing_parameter_is_not_overwritten_by_a_creation(aws: Aws) -> None:
    inputs = {"name": "/sd-app/taken", "type": "String", "value": "1"}
    TYPES["Parameter"].create(aws, inputs)
    with pytest.raises(Exception, match="ParameterAlreadyExists"):
        TYPES["Parameter"].create(aws, inputs)
    taken = inputs | {"value": "2", "overwrite": True, **TAGS}
    TYPES["Parameter"].create(aws, taken)
    found = TYPES["Parameter"].read(aws, "/sd-app/taken", taken)
    assert found and (found["value"], found["tagsAll"]) == ("2", TAGS["tagsAll"])


@pytest.mark.parametrize(
    "inputs",
    [
        {"name": "/x", "type": "String"},
        {"name": "/x", "type": "String", "value": "1", "insecureValue": "1"},
        {"name": "/x", "type": "SecureString", "insecureValue": "1"},
    ],
)
def test_a_parameter_without_one_right_value_is_refused(aws: Aws, inputs: Props) -> None:
    with pytest.raises(ValueError, match="/x"):
        TYPES["Parameter"].create(aws, inputs)
    assert TYPES["Parameter"].read(aws, "/x", inputs) is None


IMAGE_PARAMETERS = {
    "/aws/service/deeplearning/ami/x86_64/base-oss-nvidia-driver-gpu-ubuntu-24.04/latest/ami-id": "x86_64",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/amd64/hvm/ebs-gp3/ami-id": "x86_64",
    "/aws/service/canonical/ubuntu/server/24.04/stable/current/arm64/hvm/ebs-gp3/ami-id": "arm64",
    "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-arm64": "arm64",
}


@pytest.mark.parametrize(("name", "architecture"), IMAGE_PARAMETERS.items())
def test_a_public_image_parameter_names_an_image_that_exists(aws: Aws, name: str, architecture: str) -> None:
    lookup = ssm.LOOKUPS["aws:ssm/getParameter:getParameter"]
    found = lookup(aws, {"name": name})
    assert found == lookup(aws, {"name": name}), "two runs must get the same image"
    [image] = aws.client("ec2").describe_images(ImageIds=[found["insecureValue"]])["Images"]
    assert image["Architecture"] == architecture
    assert found["value"] == found["insecureValue"] and found["type"] == "String"


def test_a_looked_up_secret_shows_in_the_secret_property_alone(aws: Aws) -> None:
    aws.client("ssm").put_parameter(Name="/sd-app/s", Type="SecureString", Value="hidden")
    found = ssm.LOOKUPS["aws:ssm/getParameter:getParameter"](aws, {"name": "/sd-app/s"})
    assert (found["value"], found["insecureValue"]) == ("hidden", "")


def test_an_unknown_parameter_is_an_error_that_names_it(aws: Aws) -> None:
    with pytest.raises(ValueError, match="/sd-app/nowhere"):
        ssm.LOOKUPS["aws:ssm/getParameter:getParameter"](aws, {"name": "/sd-app/nowhere"})


def test_a_creation_that_fails_half_way_says_what_exists(aws: Aws) -> None:
    with pytest.raises(Partial) as raised:
        TYPES["InstanceProfile"].create(aws, {"name": "half", "role": "no-such-role"})
    assert raised.value.id == "half"
    assert "no-such-role" in raised.value.reason
