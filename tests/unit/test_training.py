"""What a training job may: base models read, data sets written, no style and no picture, its own log alone."""

import json
from typing import Any

import pytest

import settings as configuration
from components.training import Training, TrainingArgs
from setting_models import TrainingSettings
from tests.unit.engine import Recording, deploy, policy_of

BUCKET = "arn:aws:s3:::sd-app-s3-dev"


def training(**settings: Any) -> Recording[Training]:
    return deploy(
        lambda: Training(
            "tr",
            TrainingArgs(
                stack="dev",
                settings=TrainingSettings(**settings),
                vpc_id="vpc-1",
                subnet_ids=["subnet-a", "subnet-b"],
                bucket_arn=BUCKET,
                region="us-east-1",
            ),
        )
    )


def rights(made: Recording[Training]) -> dict[str, dict[str, Any]]:
    return policy_of(made.named("tr-rights").inputs["policy"])


def job(**settings: Any) -> dict[str, Any]:
    return training(**settings).registered["tr"]["job"]


def test_it_reads_models_and_writes_data_sets_and_never_a_style_or_a_picture() -> None:
    found = rights(training())
    assert found["ReadBaseModels"]["Action"] == ["s3:GetObject"]
    assert found["DataSetsAndResults"]["Resource"] == [f"{BUCKET}/datasets/*"]
    assert "loras" not in str(found), "publishing is the operator's"
    assert "outputs" not in str(found), "pictures are the designers'"


def test_only_sagemaker_of_this_account_may_take_the_role() -> None:
    (trust,) = json.loads(training().only("aws:iam/role:Role").inputs["assumeRolePolicy"])["Statement"]
    assert trust["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert trust["Condition"]["StringEquals"].keys() == {"aws:SourceAccount"}


def test_it_writes_the_logs_of_its_own_stacks_jobs() -> None:
    (streams,) = rights(training())["OwnJobsLogs"]["Resource"]
    assert streams.endswith(":log-group:/aws/sagemaker/TrainingJobs:log-stream:sd-app-dev-*")


def test_it_gets_the_image_alone() -> None:
    own = "111122223333.dkr.ecr.us-east-1.amazonaws.com/studio/trainer:7"
    assert rights(training())["Image"]["Resource"] == [
        "arn:aws:ecr:us-east-1:763104351884:repository/pytorch-training"
    ]
    assert rights(training(image_uri=own))["Image"]["Resource"] == [
        "arn:aws:ecr:us-east-1:111122223333:repository/studio/trainer"
    ]


def test_interfaces_are_made_in_its_own_subnets() -> None:
    found = rights(training())
    assert [
        arn.rpartition("/")[2] for arn in found["OwnInterfaces"]["Condition"]["ArnEquals"]["ec2:Subnet"]
    ] == [
        "subnet-a",
        "subnet-b",
    ]
    assert [arn for arn in found["MakeInterfaces"]["Resource"] if arn.endswith(":subnet/subnet-b")]


def test_the_job_has_all_that_a_start_needs() -> None:
    made = job(instance_type="ml.g6.xlarge", max_dollars=2.5)
    assert made["subnetIds"] == ["subnet-a", "subnet-b"]
    assert (made["instanceType"], made["dollarsPerHour"], made["maxDollars"]) == ("ml.g6.xlarge", 1.127, 2.5)
    assert made["imageUri"].startswith(
        "763104351884.dkr.ecr.us-east-1.amazonaws.com/pytorch-training:2.6.0-gpu"
    )
    assert job(dollars_per_hour=9.0)["dollarsPerHour"] == 9.0


def test_switched_off_it_leaves_nothing_and_says_why() -> None:
    made = training(enabled=False)
    assert not made.of("aws:iam/role:Role") and not made.of("aws:ec2/securityGroup:SecurityGroup")
    assert made.registered["tr"]["reason"] == "switched off by sd-app:training.enabled"


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"instanceType": "ml.g5.2xlarge"}, "training.dollarsPerHour: must be set for ml.g5.2xlarge"),
        ({"imageUri": "docker.io/pytorch:2"}, "training.imageUri: .*is no image in ECR"),
        (
            {"imageUri": "763104351884.dkr.ecr.eu-west-1.amazonaws.com/pytorch-training:2.6"},
            "training.imageUri: lies in another Region",
        ),
        ({"maxDollars": 0}, "training.maxDollars: 0 .*allowed: 0.5 to 1000 US dollars"),
    ],
)
def test_what_could_not_be_kept_is_refused(given: dict[str, Any], told: str) -> None:
    with pytest.raises(configuration.SettingsError, match=told):
        configuration.parse(
            "dev",
            {
                "aws:region": "us-east-1",
                "sd-app:ownership": json.dumps({"owner": "a", "costCentre": "b"}),
                "sd-app:training": json.dumps(given),
            },
            set(),
        )
