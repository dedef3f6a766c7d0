"""The notebook: private, limited to models, data sets and styles, and able to stop itself."""

import base64
import io
import tarfile
from typing import Any

from components.notebook import Notebook, NotebookArgs
from setting_models import NotebookSettings
from tests.unit.engine import Recording, deploy, policy_of

NOTEBOOK = "aws:sagemaker/notebookInstance:NotebookInstance"
LIFECYCLE = "aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration"


def notebook(**settings: Any) -> Recording[Notebook]:
    return deploy(
        lambda: Notebook(
            "nb",
            NotebookArgs(
                stack="dev",
                settings=NotebookSettings(**settings),
                vpc_id="vpc-1",
                subnet_id="subnet-private",
                bucket_name="sd-app-s3-dev",
                bucket_arn="arn:aws:s3:::sd-app-s3-dev",
                region="us-east-1",
            ),
        )
    )


def rights(made: Recording[Notebook]) -> dict[str, dict[str, Any]]:
    return policy_of(made.named("nb-rights").inputs["policy"])


def test_it_is_private_and_on_a_platform_that_can_still_be_created() -> None:
    one = notebook(volume_gib=120).only(NOTEBOOK).inputs
    assert one["name"] == "FineTuneNotebookInstance-dev"
    assert one["platformIdentifier"] == "notebook-al2023-v1"
    assert one["directInternetAccess"] == "Disabled" and one["subnetId"] == "subnet-private"
    assert one["instanceMetadataServiceConfiguration"] == {"minimumInstanceMetadataServiceVersion": "2"}
    assert one["volumeSize"] == 120


def test_nobody_gets_in_by_the_network() -> None:
    assert not notebook().of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule")


def test_it_writes_styles_and_data_sets_reads_models_and_never_sees_pictures() -> None:
    found = rights(notebook())
    bucket = "arn:aws:s3:::sd-app-s3-dev"
    assert found["DataSetsAndStyles"]["Resource"] == [f"{bucket}/datasets/*", f"{bucket}/loras/*"]
    assert found["ReadBaseModels"]["Action"] == ["s3:GetObject"]
    assert "outputs" not in str(found), "pictures are the designers'"
    assert "s3:PutObject" not in found["ReadBaseModels"]["Action"]


def test_it_stops_no_notebook_but_itself() -> None:
    made = notebook()
    stop = policy_of(made.named("nb-own-stop").inputs["policy"])["StopItself"]
    assert stop["Resource"] == [made.only(NOTEBOOK).outputs["arn"]]


def test_its_hook_carries_bucket_and_idle_time_within_the_services_limit() -> None:
    hook = notebook(idle_stop_minutes=45).only(LIFECYCLE).inputs["onStart"]
    assert len(hook) <= 16_384, "SageMaker counts the base64 characters"
    text = base64.b64decode(hook).decode()
    assert text.startswith("#!/bin/bash") or text.startswith("#!/usr/bin/env bash")


def test_the_package_comes_with_it_from_where_it_may_read() -> None:
    made = notebook()
    package = made.only("aws:s3/bucketObjectv2:BucketObjectv2").inputs
    assert package["key"] == "datasets/.notebook/training.tar.gz"
    with tarfile.open(fileobj=io.BytesIO(base64.b64decode(package["contentBase64"]))) as tar:
        names = set(tar.getnames())
    assert {"training/finetune.ipynb", "training/train.py", "training/requirements.txt"} <= names
    assert (
        package["contentBase64"]
        == notebook().only("aws:s3/bucketObjectv2:BucketObjectv2").inputs["contentBase64"]
    )
    assert "nb-package" in made.only(NOTEBOOK).depends_on, "its first start brings it"


def test_switched_off_it_leaves_nothing_and_says_why() -> None:
    made = notebook(enabled=False)
    assert not made.of(NOTEBOOK) and not made.of("aws:iam/role:Role")
    assert made.registered["nb"]["reason"] == "switched off by sd-app:notebook.enabled"
