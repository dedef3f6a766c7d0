"""The stack's outputs: each named once, typed and told in a sentence. `docs/outputs.md` is made from it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import pulumi


def _told(sentence: str) -> Any:
    return field(metadata={"told": sentence})


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """What `pulumi stack output` shows; also kept as the SSM parameter `/sd-app/<stack>/outputs` for `ops`.

    A part that a setting leaves out has None here, and its reason in `leftOut`.
    """

    stack: pulumi.Input[str] = _told("Name of the stack.")
    region: pulumi.Input[str] = _told("AWS Region that the stack is in.")
    backendUrl: pulumi.Input[str] = _told("HTTPS address of the backend, through CloudFront.")
    backendInstanceId: pulumi.Input[str] = _told("EC2 instance of the backend.")
    backendPublicIp: pulumi.Input[str] = _told("Elastic IP of the backend; answers CloudFront only.")
    mlServerInstanceId: pulumi.Input[str] = _told("EC2 instance of the ML server.")
    mlServerPrivateIp: pulumi.Input[str] = _told("Private IP of the ML server; stays over stop and start.")
    comfyUiAddress: pulumi.Input[str] = _told(
        "Host at which the backend finds ComfyUI; ports 8188 text, 8189 sketch."
    )
    bucketName: pulumi.Input[str] = _told("S3 bucket with models/, loras/, datasets/ and outputs/.")
    queueUrls: pulumi.Input[Mapping[str, pulumi.Input[str]]] = _told(
        "SQS queue URL by kind of generation: text, sketch."
    )
    deadLetterQueueUrl: pulumi.Input[str] = _told("SQS queue of the generations given up on.")
    generationsTable: pulumi.Input[str] = _told("DynamoDB table of generations.")
    userPoolId: pulumi.Input[str] = _told("Cognito user pool: who may sign in.")
    userPoolClientId: pulumi.Input[str] = _told("Client of the user pool that the page signs in with.")
    notebookName: pulumi.Input[str | None] = _told("SageMaker notebook instance, or null when switched off.")
    training: pulumi.Input[Mapping[str, Any] | None] = _told(
        "What `ops loras train` starts a SageMaker job with: role, image, instance type, limits; null when switched off."
    )
    amplifyAppId: pulumi.Input[str | None] = _told("Amplify app, or null when left out.")
    frontendUrl: pulumi.Input[str | None] = _told("Address of the web page, or null when left out.")
    dashboardUrl: pulumi.Input[str] = _told("CloudWatch dashboard of the stack.")
    alarmTopicArn: pulumi.Input[str] = _told("SNS topic that alarms and the budget write to.")
    distributionId: pulumi.Input[str] = _told("CloudFront distribution before the backend.")
    imageIds: pulumi.Input[Mapping[str, pulumi.Input[str]]] = _told(
        "Machine image in use by role: mlServer, backend."
    )
    leftOut: pulumi.Input[Mapping[str, str]] = _told(
        "Parts that the settings leave out, each with its reason."
    )
    frontendConfig: pulumi.Input[Mapping[str, pulumi.Input[str]]] = _told(
        "What the page needs, as one object."
    )


def export(outputs: Outputs) -> dict[str, Any]:
    """Register all outputs with the engine and return them by name."""
    named = {entry.name: getattr(outputs, entry.name) for entry in fields(outputs)}
    for name, value in named.items():
        pulumi.export(name, value)
    return named
