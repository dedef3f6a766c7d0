"""The settings themselves: a class a group, a field a setting, with type, range, default, unit and sentence."""

from typing import Annotated, Any, Literal

from pydantic import Field, create_model
from pydantic.alias_generators import to_snake

import contract
import setting_rules as rules
from instance_types import BACKEND_TYPES, GPU_TYPES, NOTEBOOK_TYPES, TRAINING_TYPES
from setting_fields import (
    AccessCidr,
    Cidr,
    Domain,
    Email,
    ImageId,
    KeyName,
    Origin,
    PolicyArn,
    Schedule,
    Section,
    Tag,
    checked,
    number,
    one_of,
    setting,
)

MfaMode = Literal["none", "optional", "required"]
"""`none` and not `off`: YAML 1.1, which PyYAML speaks, reads a bare off as false."""
NatMode = Literal["gateway_per_az", "single_gateway", "instance", "none"]
LogRetention = Literal[
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
]
"""Days that CloudWatch Logs accepts (PutRetentionPolicy)."""


class AwsSettings(Section):
    """Which account and Region the stack lives in (Pulumi's own `aws:` keys)."""

    region: Annotated[str, one_of("a Region with GPU instances", rules.REGIONS)] = setting(
        ...,
        "AWS Region of everything but CloudFront's alarm.",
        allowed=", ".join(rules.REGIONS),
    )
    allowed_account_ids: tuple[Annotated[str, checked(rules.account_fault)], ...] = setting(
        (),
        "The only accounts that this stack may be deployed to; empty: any.",
        allowed="12-digit account ids in quotes",
    )
    profile: str | None = setting(
        None,
        "Named profile of the AWS configuration files; none: the environment decides.",
    )


class OwnerSettings(Section):
    """Tags on everything, so that the bill can be read; and the most that the stack's roles may."""

    owner: Tag = setting(..., "Person or team that answers for the stack; the tag Owner.")
    cost_centre: Tag = setting(..., "Where the bill goes; the tag CostCentre.")
    role_boundary: PolicyArn | None = setting(
        None,
        "Policy that bounds every role of the stack, as the bootstrap tells it; without it GitHub can't deploy the stack.",
        allowed="the ARN of a policy",
    )


class NetworkSettings(Section):
    """The stack's own VPC."""

    vpc_cidr: Cidr = setting(
        "172.16.0.0/16",
        "Address range of the VPC.",
        allowed="a private range, /16 to /28",
    )
    zone_count: int = number(2, 1, 6, "Availability zones; each gets a public and a private subnet.", "zones")
    zones: tuple[str, ...] = setting(
        (), "Zones by name; empty: the first that offer the ML server's instance type."
    )
    public_subnet_prefix: int = number(24, 18, 28, "Size of a public subnet, as a prefix length.", "bits")
    private_subnet_prefix: int = number(20, 18, 28, "Size of a private subnet, as a prefix length.", "bits")
    reserved_cidrs: tuple[Cidr, ...] = setting(
        (), "Ranges in use elsewhere (other stacks, office, VPN) to stay clear of."
    )
    nat: NatMode = setting(
        "single_gateway",
        "How private subnets reach out: a NAT gateway in each zone, one for all, a small instance, or not at all "
        "(then the machine images must bring all they need).",
    )
    flow_logs: bool = setting(False, "Record accepted and rejected traffic of the VPC in CloudWatch Logs.")


class StorageSettings(Section):
    """The bucket for models, styles, data sets and pictures."""

    bucket_name: Annotated[str, checked(rules.bucket_name_fault)] = setting(
        ...,
        "Name of the bucket, unique in all of AWS.",
        allowed="3 to 63 lower-case letters, digits, hyphens",
    )
    outputs_retention_days: int = number(365, 1, 3650, "Pictures are deleted after this long.", "days")
    old_version_retention_days: int = number(
        30,
        1,
        3650,
        "Replaced or deleted objects can be brought back for this long.",
        "days",
    )
    abort_upload_days: int = number(
        3, 1, 30, "Broken multipart uploads are cleared away after this long.", "days"
    )
    protect_data: bool = setting(
        True, "Bucket and table refuse deletion and stay when the stack is destroyed."
    )
    force_destroy: bool = setting(False, "`pulumi destroy` empties the bucket first; never in prod.")


class JobsSettings(Section):
    """Queues and the table of generations."""

    visibility_timeout_seconds: int = number(
        120, 30, 43200, "A job unseen by other workers while one has it.", "seconds"
    )
    max_attempts: int = number(
        3, 1, 10, "Runs of a job that may fail before it has failed for good.", "attempts"
    )
    retention_days: int = number(4, 1, 14, "A waiting job is kept this long.", "days")
    point_in_time_recovery: bool = setting(
        False, "The table can be restored to any second of the last 35 days."
    )


_LIMITS: dict[str, Any] = {
    to_snake(name): (int, number(one.default, one.minimum, one.maximum, one.told, one.unit))
    for name, one in contract.LIMITS.items()
}
LimitsSettings: type[Section] = create_model(
    "LimitsSettings",
    __base__=Section,
    __doc__="What the API takes and how long it waits; told in `app/contract.json`, which the backend reads too.",
    **_LIMITS,
)


class IdentitySettings(Section):
    """Who may sign in: users of the stack's own pool, each added by the operator (`ops users add`)."""

    mfa: MfaMode = setting(
        "optional",
        "A second factor at sign-in, by an authenticator app (TOTP); optional: each user's choice.",
    )
    access_token_minutes: int = number(
        60, 5, 1440, "A sign-in holds this long without being renewed; one taken away, too.", "minutes"
    )
    refresh_token_days: int = number(30, 1, 365, "A user signs in anew after this long.", "days")
    password_auth: bool = setting(
        False,
        "The page may also send the password itself (USER_PASSWORD_AUTH) where it else proves to know it (SRP); "
        "for the sandbox, whose emulator checks no proof.",
    )


class MachineSettings(Section):
    """What both EC2 machines have."""

    ami_id: ImageId | None = setting(
        None,
        "Machine image; none: the newest at first creation, then kept.",
        allowed="ami- and 8 or 17 hex digits",
    )
    ssh_cidrs: tuple[AccessCidr, ...] = setting((), "Ranges that may use SSH; empty: Session Manager only.")
    key_name: KeyName | None = setting(None, "EC2 key pair for SSH.")
    wait_minutes: int = number(
        0,
        0,
        120,
        "`up` waits this long for the machine to say it is ready; 0: not at all.",
        "minutes",
    )


class MlServerSettings(MachineSettings):
    """The GPU machine that runs ComfyUI."""

    instance_type: Annotated[str, one_of("a GPU instance type", GPU_TYPES)] = setting(
        "g5.xlarge", "Size of the ML server.", allowed=", ".join(GPU_TYPES)
    )
    disk_gib: int = number(150, 100, 2000, "Root disk; the image alone takes about 65.", "GiB")
    host_number: int = number(
        10,
        4,
        250,
        "Its place in its private subnet: 10 in 172.16.0.0/20 is 172.16.0.10.",
    )
    spot: bool = setting(False, "Spare capacity at about 60 % off, which AWS may stop at any time.")
    idle_stop_minutes: int = number(
        20,
        0,
        1440,
        "It stops itself after this long without work; 0: never.",
        "minutes",
    )
    model_sync_seconds: int = number(
        60, 15, 3600, "How often new styles are looked for in the bucket.", "seconds"
    )


class BackendSettings(MachineSettings):
    """The Node.js machine that the page talks to, behind CloudFront."""

    instance_type: Annotated[str, one_of("a backend instance type", BACKEND_TYPES)] = setting(
        "t2.medium", "Size of the backend.", allowed=", ".join(BACKEND_TYPES)
    )
    disk_gib: int = number(20, 16, 500, "Root disk.", "GiB")
    domain_name: Domain | None = setting(None, "Own host name of the API; none: CloudFront's.")
    certificate_arn: Annotated[str, checked(rules.certificate_fault)] | None = setting(
        None, "ACM certificate for that name, in us-east-1 as CloudFront demands."
    )
    hosted_zone_id: Annotated[str, checked(rules.hosted_zone_fault)] | None = setting(
        None, "Route 53 zone that gets the name's record; none: you make the record."
    )
    extra_origins: tuple[Origin, ...] = setting(
        (), "Origins besides the page that may call the API, such as a local page."
    )


class NotebookSettings(Section):
    """The SageMaker notebook for fine-tuning."""

    enabled: bool = setting(True, "Whether there is a notebook.")
    instance_type: Annotated[str, one_of("a notebook instance type", NOTEBOOK_TYPES)] = setting(
        "ml.g5.xlarge", "Size of the notebook.", allowed=", ".join(NOTEBOOK_TYPES)
    )
    volume_gib: int = number(100, 50, 16384, "Disk under /home/ec2-user/SageMaker; cannot shrink.", "GiB")
    idle_stop_minutes: int = number(
        60,
        0,
        1440,
        "It stops itself after this long without work; 0: never.",
        "minutes",
    )


class TrainingSettings(Section):
    """Training jobs on SageMaker: `ops loras train`. Nothing costs anything until one is started."""

    enabled: bool = setting(True, "Whether styles can be trained without the notebook.")
    instance_type: Annotated[str, one_of("a training instance type", TRAINING_TYPES)] = setting(
        "ml.g5.xlarge", "Size of the machine of a job.", allowed=", ".join(TRAINING_TYPES)
    )
    image_uri: Annotated[str, checked(rules.image_uri_fault)] | None = setting(
        None,
        "Image with PyTorch and CUDA; none: AWS's own for PyTorch 2.6.",
        allowed="<account>.dkr.ecr.<region>.amazonaws.com/<repository>:<tag>",
    )
    spot: bool = setting(True, "Spare capacity at about 60 % off; an interruption costs an epoch at most.")
    volume_gib: int = number(50, 20, 1000, "Disk of a job: set, base model, checkpoints.", "GiB")
    max_minutes: int = number(240, 10, 1440, "A job ends after this long.", "minutes")
    max_dollars: float = number(
        5.0, 0.5, 1000, "A job ends when it has cost this at the full price.", "US dollars"
    )
    dollars_per_hour: float | None = Field(
        None,
        gt=0,
        le=100,
        description="Price of the instance type in your Region; none: the one of us-east-1, where it is known.",
        json_schema_extra={"unit": "US dollars", "allowed": "more than 0, to 100 US dollars"},
    )


class RepositorySettings(Section):
    """Where the machines and Amplify get the app's code."""

    url: Annotated[str, checked(rules.repository_fault)] = setting(
        ...,
        "HTTPS address of the Git repository.",
        allowed="https://github.com/<owner>/<name>",
    )
    branch: Annotated[str, checked(rules.git_ref_fault)] = setting(
        "main", "Branch that Amplify builds by itself."
    )
    ref: Annotated[str, checked(rules.git_ref_fault)] = setting(
        "main", "Tag, branch or commit that the backend runs."
    )


class FrontendSettings(Section):
    """The page on Amplify Hosting."""

    enabled: bool = setting(False, "Whether there is an Amplify app; needs the secret githubToken.")
    domain_name: Domain | None = setting(None, "Own domain of the page; none: Amplify's.")
    subdomain: Annotated[str, checked(rules.subdomain_fault)] = setting(
        "", "Part before the domain, such as `app`."
    )
    build_wait_minutes: int = number(
        30,
        0,
        120,
        "`up` starts a build when the page's config changed, and waits this long; 0: no build is started.",
        "minutes",
    )


class OperationsSettings(Section):
    """Watching, alarms, money and office hours."""

    log_retention_days: LogRetention = setting(
        30,
        "Logs are kept this long.",
        "days",
        "1, 3, 5, 7, 14, 30, 60, 90 and on, as CloudWatch has them",
    )
    alarm_emails: tuple[Email, ...] = setting((), "Who is told of alarms and of the budget.")
    monthly_budget_usd: float = Field(
        300,
        gt=0,
        le=100_000,
        description="An e-mail goes out at 80 and 100 % of this, and when the forecast passes it.",
        json_schema_extra={
            "unit": "US dollars",
            "allowed": "more than 0, to 100000 US dollars",
        },
    )
    queue_age_minutes: int = number(
        20, 1, 1440, "Alarm when a job waited this long; waking the ML server takes minutes.", "minutes"
    )
    disk_percent: int = number(85, 50, 99, "Alarm when a machine's disk is fuller than this.", "percent")
    gpu_memory_percent: int = number(
        95, 50, 100, "Alarm when the GPU's memory stays fuller than this.", "percent"
    )
    edge_error_percent: int = number(
        5, 1, 100, "Alarm when more of the API's answers than this are errors of the server (5xx).", "percent"
    )
    time_zone: Annotated[str, checked(rules.time_zone_fault)] = setting(
        "UTC", "Time zone of all schedules, as Europe/Paris."
    )
    ml_server_start: Schedule | None = setting(
        None, "When the ML server is started; none: by waiting jobs only."
    )
    ml_server_stop: Schedule | None = setting(None, "When the ML server is stopped; none: by idleness only.")
    backend_start: Schedule | None = setting(None, "When the backend is started; none: it runs always.")
    backend_stop: Schedule | None = setting(None, "When the backend is stopped; none: never.")
    notebook_start: Schedule | None = setting(None, "When the notebook is started; none: by hand.")
    notebook_stop: Schedule | None = setting(None, "When the notebook is stopped; none: by idleness only.")


class UsageSettings(Section):
    """How much a stack is used, for `ops cost` and the guardrail over the budget: nothing is made of it.

    Of what is not set, a stack with protected data has a studio's month, another one that of somebody who tries things out.
    """

    pictures_a_day: float | None = number(
        None, 0, 100_000, "Pictures on a working day; a studio's 300, a trial's 40.", "pictures"
    )
    hours_a_day: float | None = number(
        None, 0, 24, "Hours of it in which the ML server has work; a studio's 8, a trial's 2.", "hours"
    )
    days_a_month: int | None = number(None, 0, 31, "Working days; a studio's 22, a trial's 10.", "days")
    loras_a_month: float | None = number(None, 0, 1000, "Training jobs; a studio's 2, a trial's 1.", "jobs")
    notebook_hours: float | None = number(
        None, 0, 730, "Hours a month in the notebook; a studio's 8, a trial's 0.", "hours"
    )
    people: int | None = number(
        None, 0, 1000, "People who open the page; a studio's 5, a trial's 2.", "people"
    )
