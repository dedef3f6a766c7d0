"""SageMaker notebook instances and their lifecycle configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from botocore.exceptions import ClientError

from sandbox.aws.faithful import faithful, present, retag, tag_list, tag_map
from sandbox.aws.table import Aws, Props, ResourceType

GONE = ("RecordNotFound", "does not exist")
"""What SageMaker says of a missing one; the error's code is only `ValidationException`."""
STAND_IN_TYPE = "ml.p3.2xlarge"
"""A GPU type that moto knows. Its list is from 2020: ml.g5 and others are refused, so this one stands in for them."""
CONFIG_TAGS = "sagemaker lifecycle configuration tags"
"""Kind of the store's records: moto keeps no tags of lifecycle configurations."""
CONFIG_BASE64_MAX = 16_384
"""Characters of one script (docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html); moto takes more."""


def _or_none(call: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return call(**arguments)
    except ClientError as error:
        if any(words in str(error) for words in GONE):
            return None
        raise


def _make(aws: Aws, inputs: Props) -> None:
    sagemaker = aws.client("sagemaker")
    wanted = {
        "NotebookInstanceName": inputs["name"],
        "InstanceType": inputs["instanceType"],
        "RoleArn": inputs["roleArn"],
        "DirectInternetAccess": inputs.get("directInternetAccess") or "Enabled",
        "RootAccess": inputs.get("rootAccess") or "Enabled",
        "VolumeSizeInGB": int(inputs.get("volumeSize") or 5),
        "Tags": tag_list(inputs.get("tagsAll")),
        **present(
            AdditionalCodeRepositories=inputs.get("additionalCodeRepositories") or None,
            DefaultCodeRepository=inputs.get("defaultCodeRepository"),
            KmsKeyId=inputs.get("kmsKeyId"),
            LifecycleConfigName=inputs.get("lifecycleConfigName"),
            SecurityGroupIds=inputs.get("securityGroups") or None,
            SubnetId=inputs.get("subnetId"),
        ),
    }
    try:
        sagemaker.create_notebook_instance(**wanted)
    except ClientError as error:
        if "'instanceType' failed" not in str(error):
            raise
        sagemaker.create_notebook_instance(**{**wanted, "InstanceType": STAND_IN_TYPE})


def _create(aws: Aws, inputs: Props) -> str:
    config = inputs.get("lifecycleConfigName")
    if config and _config(aws, config) is None:
        # moto doesn't look.
        raise ValueError(
            f"aws:sagemaker/notebookInstance:NotebookInstance: no lifecycle configuration {config}; create it first"
        )
    _make(aws, inputs)
    return inputs["name"]


def _notebook(aws: Aws, name: str) -> Props | None:
    return _or_none(aws.client("sagemaker").describe_notebook_instance, NotebookInstanceName=name)


def _read(aws: Aws, id: str, last: Props) -> Props | None:
    found = _notebook(aws, id)
    if found is None:
        return None
    arn = found["NotebookInstanceArn"]
    return {
        "additionalCodeRepositories": found.get("AdditionalCodeRepositories") or [],
        "arn": arn,
        "defaultCodeRepository": found.get("DefaultCodeRepository") or "",
        "directInternetAccess": found["DirectInternetAccess"],
        "instanceType": found["InstanceType"],
        "kmsKeyId": found.get("KmsKeyId") or "",
        "lifecycleConfigName": found.get("NotebookInstanceLifecycleConfigName") or "",
        "name": id,
        "networkInterfaceId": found.get("NetworkInterfaceId") or "",
        "roleArn": found["RoleArn"],
        "rootAccess": found["RootAccess"],
        "securityGroups": found.get("SecurityGroups") or [],
        "subnetId": found.get("SubnetId") or "",
        "url": found["Url"],
        "volumeSize": found["VolumeSizeInGB"],
        "tagsAll": tag_map(aws.client("sagemaker").list_tags(ResourceArn=arn)["Tags"]),
    }


def _update(aws: Aws, id: str, old: Props, new: Props) -> None:
    """moto has no UpdateNotebookInstance: one of the same name and ARN takes its place. As on AWS it is stopped for
    the change, and runs after it if it did before."""
    sagemaker = aws.client("sagemaker")
    if any(new.get(key) != old.get(key) for key in INPUTS):
        found = _notebook(aws, id)
        status = found["NotebookInstanceStatus"] if found else "Stopped"
        _delete(aws, id, old)
        _make(aws, {**new, "tagsAll": old.get("tagsAll")})
        if status != "InService":
            sagemaker.stop_notebook_instance(NotebookInstanceName=id)
    _retag(aws, old, new)


def _retag(aws: Aws, old: Props, new: Props) -> None:
    sagemaker, arn = aws.client("sagemaker"), old["arn"]

    def add(tags: dict[str, str]) -> None:
        # moto would hold a changed tag twice.
        sagemaker.delete_tags(ResourceArn=arn, TagKeys=sorted(tags))
        sagemaker.add_tags(ResourceArn=arn, Tags=tag_list(tags))

    retag(old, new, add, lambda keys: sagemaker.delete_tags(ResourceArn=arn, TagKeys=keys))


def _delete(aws: Aws, id: str, last: Props) -> None:
    """Only a stopped one can be deleted."""
    found = _notebook(aws, id)
    if found is None:
        return
    if found["NotebookInstanceStatus"] == "InService":
        aws.client("sagemaker").stop_notebook_instance(NotebookInstanceName=id)
    aws.client("sagemaker").delete_notebook_instance(NotebookInstanceName=id)


def _config(aws: Aws, name: str) -> Props | None:
    return _or_none(
        aws.client("sagemaker").describe_notebook_instance_lifecycle_config,
        NotebookInstanceLifecycleConfigName=name,
    )


def _create_config(aws: Aws, inputs: Props) -> str:
    scripts: Props = {}
    for key, theirs in (("onCreate", "OnCreate"), ("onStart", "OnStart")):
        if script := inputs.get(key):
            if len(script) > CONFIG_BASE64_MAX:
                raise ValueError(
                    f"aws:sagemaker/notebookInstanceLifecycleConfiguration {inputs['name']}: {key} has {len(script)} "
                    f"characters of base64; allowed: {CONFIG_BASE64_MAX}"
                )
            scripts[theirs] = [{"Content": script}]
    aws.client("sagemaker").create_notebook_instance_lifecycle_config(
        NotebookInstanceLifecycleConfigName=inputs["name"], **scripts
    )
    _keep_tags(aws, inputs["name"], inputs)
    return inputs["name"]


def _keep_tags(aws: Aws, id: str, props: Props) -> None:
    if tags := props.get("tagsAll"):
        aws.store.put(CONFIG_TAGS, f"{aws.region} {id}", tags)
    else:
        aws.store.delete(CONFIG_TAGS, f"{aws.region} {id}")


def _read_config(aws: Aws, id: str, last: Props) -> Props | None:
    found = _config(aws, id)
    if found is None:
        return None
    return {
        "arn": found["NotebookInstanceLifecycleConfigArn"],
        "name": id,
        "onCreate": next((one["Content"] for one in found.get("OnCreate") or ()), ""),
        "onStart": next((one["Content"] for one in found.get("OnStart") or ()), ""),
        "tagsAll": aws.store.get(CONFIG_TAGS, f"{aws.region} {id}") or {},
    }


def _update_config(aws: Aws, id: str, old: Props, new: Props) -> None:
    """moto has no update, and asks no notebook whether it uses the old one."""
    _delete_config(aws, id, old)
    _create_config(aws, new)


def _delete_config(aws: Aws, id: str, last: Props) -> None:
    if _config(aws, id) is not None:
        aws.client("sagemaker").delete_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=id
        )
    _keep_tags(aws, id, {})


INPUTS = (
    "additionalCodeRepositories",
    "defaultCodeRepository",
    "directInternetAccess",
    "instanceType",
    "kmsKeyId",
    "lifecycleConfigName",
    "name",
    "roleArn",
    "rootAccess",
    "securityGroups",
    "subnetId",
    "volumeSize",
)

RESOURCES = (
    faithful(
        ResourceType(
            token="aws:sagemaker/notebookInstance:NotebookInstance",
            create=_create,
            read=_read,
            update=_update,
            delete=_delete,
            immutable=frozenset(
                {
                    "directInternetAccess",
                    "kmsKeyId",
                    "name",
                    "platformIdentifier",
                    "securityGroups",
                    "subnetId",
                }
            ),
            autoname="name",
            autoname_max=63,
        ),
        takes=" ".join(INPUTS),
        # moto keeps neither. No platform of our own is reported: AWS's default has been withdrawn.
        keeps={
            "instanceMetadataServiceConfiguration": {"minimumInstanceMetadataServiceVersion": "1"},
            "platformIdentifier": "",
        },
    ),
    faithful(
        ResourceType(
            token="aws:sagemaker/notebookInstanceLifecycleConfiguration:NotebookInstanceLifecycleConfiguration",
            create=_create_config,
            read=_read_config,
            update=_update_config,
            delete=_delete_config,
            immutable=frozenset({"name"}),
            autoname="name",
            autoname_max=63,
        ),
        takes="name onCreate onStart",
    ),
)
