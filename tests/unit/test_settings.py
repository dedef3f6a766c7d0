"""A wrong setting is told by name, with what is allowed, before anything is registered."""

import json
from pathlib import Path
from typing import Any

import pytest

import contract
import setting_rules as rules
import settings

ROOT = Path(__file__).parents[2]
STACKS = ("local", "dev", "prod")
VPC = "172.16.0.0/16"

# group.setting (or a whole key), value as YAML would give it, words that the message must hold
BAD: list[tuple[str, Any, str]] = [
    (
        "aws:region",
        "mars-north-1",
        '"mars-north-1" is not a Region with GPU instances known here; allowed: us-east-1',
    ),
    (
        "aws:regoin",
        "us-east-1",
        "aws:regoin: nobody reads this setting; did you mean region?",
    ),
    (
        "aws:allowedAccountIds",
        ["1234"],
        'aws:allowedAccountIds.0: "1234" is not an account id; allowed: 12 digits',
    ),
    (
        "aws:allowedAccountIds",
        [123456789012],
        "aws:allowedAccountIds.0: 123456789012 is not right: input should be a valid string",
    ),
    (
        "elsewhere:key",
        "1",
        "elsewhere:key: nobody reads this key; allowed: keys that begin with sd-app: or aws:",
    ),
    (
        "sd-app:netwrok",
        {},
        "sd-app:netwrok: nobody reads this setting; did you mean network?",
    ),
    (
        "sd-app:network",
        "big",
        'sd-app:network: "big" is not a group of settings; allowed: vpcCidr, zoneCount',
    ),
    (
        "sd-app:githubToken",
        "ghp_plain",
        "sd-app:githubToken: must be a secret; use `pulumi config set --secret githubToken`",
    ),
    (
        "ownership.roleBoundary",
        "sd-app-boundary-dev",
        'sd-app:ownership.roleBoundary: "sd-app-boundary-dev" is not a policy\'s ARN',
    ),
    ("ownership.owner", "", 'sd-app:ownership.owner: "" is no legal tag'),
    (
        "ownership.costCentre",
        "a;b",
        'sd-app:ownership.costCentre: "a;b" is no legal tag',
    ),
    (
        "ownership.owner",
        None,
        "sd-app:ownership.owner: null is not right: input should be a valid string",
    ),
    (
        "network.vpcCidr",
        "172.16.0.0/30",
        "is too small; allowed: /8 to /28",
    ),
    ("network.vpcCidr", "172.16.0.300/16", "is not an IPv4 range"),
    ("network.vpcCidr", "172.16.0.5/16", "has host bits set"),
    (
        "network.vpcCidr",
        "8.8.0.0/16",
        "is not a private range; allowed: inside 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16",
    ),
    (
        "network.vpcCidr",
        "10.0.0.0/8",
        'sd-app:network.vpcCidr: "10.0.0.0/8" is larger than a VPC may be; allowed: /16 to /28',
    ),
    (
        "network.vpcCidr",
        "172.16.0.0/24",
        '"172.16.0.0/24" cannot hold 6 zones of a /24 public and a /20 private subnet; allowed: a range of /17',
    ),
    (
        "network.zoneCount",
        0,
        "sd-app:network.zoneCount: 0 is not right: input should be greater than or equal to 1; allowed: 1 to 6 zones",
    ),
    ("network.zoneCount", 7, "allowed: 1 to 6 zones"),
    (
        "network.zoneCount",
        "2",
        'sd-app:network.zoneCount: "2" is not right: input should be a valid integer',
    ),
    (
        "network.zones",
        ["eu-west-1a", "us-east-1b"],
        '"eu-west-1a" is no zone of aws:region us-east-1; allowed: us-east-1a to us-east-1f',
    ),
    (
        "network.zones",
        ["us-east-1a"],
        "sd-app:network.zones: names 1 zones, sd-app:network.zoneCount says 2",
    ),
    ("network.zones", ["us-east-1a", "us-east-1a"], "names a zone twice"),
    ("network.privateSubnetPrefix", 29, "allowed: 18 to 28 bits"),
    (
        "network.reservedCidrs",
        ["172.16.4.0/22"],
        "sd-app:network.reservedCidrs.0: 172.16.4.0/22 overlaps sd-app:network.vpcCidr 172.16.0.0/16",
    ),
    (
        "network.reservedCidrs",
        ["1.1.1.0/24"],
        'sd-app:network.reservedCidrs.0: "1.1.1.0/24" is not a private range',
    ),
    ("network.nat", "two", "allowed: gateway_per_az, single_gateway, instance or none"),
    (
        "network.flowLogs",
        "yes",
        'sd-app:network.flowLogs: "yes" is not right: input should be a valid boolean',
    ),
    (
        "storage.bucketName",
        "Sd_App",
        '"Sd_App" is not a legal bucket name; allowed: 3 to 63',
    ),
    (
        "storage.bucketName",
        "xn--bucket",
        "has a beginning or ending that S3 keeps for itself",
    ),
    ("storage.outputsRetentionDays", 0, "allowed: 1 to 3650 days"),
    (
        "storage.forceDestroy",
        True,
        "sd-app:storage.forceDestroy: true is refused in prod",
    ),
    (
        "storage.protectData",
        False,
        "sd-app:storage.protectData: false is refused in prod; allowed: true",
    ),
    ("jobs.visibilityTimeoutSeconds", 5, "allowed: 30 to 43200 seconds"),
    ("jobs.maxAttempts", 11, "allowed: 1 to 10 attempts"),
    (
        "jobs.maxReceiveCount",
        3,
        "sd-app:jobs.maxReceiveCount: nobody reads this setting",
    ),
    ("limits.promptCharacters", 0, "allowed: 1 to 4000 characters"),
    ("limits.promptCharacters", 4001, "allowed: 1 to 4000 characters"),
    (
        "limits.promptCharacter",
        100,
        "nobody reads this setting; did you mean promptCharacters?",
    ),
    (
        "limits.maxSteps",
        "60",
        'sd-app:limits.maxSteps: "60" is not right: input should be a valid integer',
    ),
    (
        "limits.pictureMinSide",
        100,
        "sd-app:limits.pictureMinSide: 100 is no multiple of 8, as the model's pictures are; allowed: such as 96",
    ),
    (
        "limits.pictureMaxSide",
        1001,
        "sd-app:limits.pictureMaxSide: 1001 is no multiple of 8",
    ),
    (
        "limits.pictureMinSide",
        1024,
        "sd-app:limits.pictureMinSide: 1024 is not below sd-app:limits.pictureMaxSide 1024",
    ),
    (
        "limits.waitHours",
        96,
        "sd-app:limits.waitHours: 96 is as long as a queue keeps a job, which would be lost (sd-app:jobs.retentionDays 4); "
        "allowed: up to 95",
    ),
    (
        "identity.mfa",
        False,
        "sd-app:identity.mfa: false is not one of the values known here; allowed: none, optional or required",
    ),
    ("identity.accessTokenMinutes", 4, "allowed: 5 to 1440 minutes"),
    ("identity.refreshTokenDays", 366, "allowed: 1 to 365 days"),
    (
        "identity.passwordAuth",
        True,
        "sd-app:identity.passwordAuth: true is refused in prod",
    ),
    (
        "mlServer.instanceType",
        "g5.tiny",
        'sd-app:mlServer.instanceType: "g5.tiny" is not a GPU instance type known here; allowed: g4dn.xlarge',
    ),
    ("mlServer.instanceType", "t2.medium", "is not a GPU instance type known here"),
    ("mlServer.diskGib", 20, "allowed: 100 to 2000 GiB"),
    (
        "mlServer.amiId",
        "ami-12",
        '"ami-12" is not an image id; allowed: ami- and 8 or 17 hex digits',
    ),
    ("mlServer.hostNumber", 1, "allowed: 4 to 250"),
    ("mlServer.idleStopMinutes", -1, "allowed: 0 to 1440 minutes"),
    (
        "mlServer.sshCidrs",
        ["0.0.0.0/0"],
        "is open to too many; allowed: /16 to /32",
    ),
    (
        "mlServer.sshCidrs",
        ["198.51.100.7/32"],
        "sd-app:mlServer: SSH needs both sshCidrs and keyName",
    ),
    ("mlServer.keyName", "schlüssel", "is not a key pair name"),
    (
        "mlServer.spot",
        1,
        "sd-app:mlServer.spot: 1 is not right: input should be a valid boolean",
    ),
    (
        "backend.instanceType",
        "g5.xlarge",
        "is not a backend instance type known here; allowed: t2.small",
    ),
    (
        "backend.domainName",
        "api.example.com",
        "sd-app:backend.domainName: goes with sd-app:backend.certificateArn",
    ),
    ("backend.domainName", "API", '"API" is not a domain name'),
    (
        "backend.certificateArn",
        "arn:aws:acm:eu-west-1:123456789012:certificate/x",
        "is not a certificate's ARN in us-east-1",
    ),
    (
        "backend.hostedZoneId",
        "Z0123456789",
        "sd-app:backend.hostedZoneId: needs sd-app:backend.domainName",
    ),
    (
        "backend.extraOrigins",
        ["http://example.com"],
        '"http://example.com" is not an origin; allowed: https://host',
    ),
    ("backend.extraOrigins", ["*"], "is not an origin"),
    (
        "notebook.instanceType",
        "ml.p2.xlarge",
        "is not a notebook instance type known here; allowed: ml.t3.medium",
    ),
    ("notebook.volumeGib", 5, "allowed: 50 to 16384 GiB"),
    ("notebook.enabled", "no", "input should be a valid boolean"),
    (
        "repository.url",
        "git@github.com:a/b.git",
        "is not a GitHub repository; allowed: https://github.com/<owner>/<name>",
    ),
    ("repository.ref", "bad..ref", '"bad..ref" is not a branch, tag or commit'),
    (
        "frontend.enabled",
        True,
        "sd-app:frontend.enabled: true needs the secret sd-app:githubToken",
    ),
    (
        "frontend.subdomain",
        "app",
        "sd-app:frontend.subdomain: needs sd-app:frontend.domainName",
    ),
    (
        "operations.logRetentionDays",
        31,
        "31 is not one of the values known here; allowed: 1, 3, 5",
    ),
    (
        "operations.alarmEmails",
        ["nobody"],
        'sd-app:operations.alarmEmails.0: "nobody" is not an e-mail address',
    ),
    (
        "operations.monthlyBudgetUsd",
        0,
        "input should be greater than 0; allowed: more than 0",
    ),
    ("operations.monthlyBudgetUsd", -5, "allowed: more than 0"),
    ("operations.timeZone", "Mars/Base", '"Mars/Base" is no time zone'),
    ("operations.mlServerStop", "every day", '"every day" is not of the form cron('),
    (
        "operations.mlServerStop",
        "cron(0 25 ? * * *)",
        "has '25' as hours; allowed: 0 to 23",
    ),
    (
        "operations.notebookStart",
        "cron(0 8 ? * * *)",
        "sd-app:operations.notebookStart: needs sd-app:operations.notebookStop",
    ),
    (
        "operations.backendStop",
        "cron(0 20 ? * * *)",
        "sd-app:operations.backendStop: needs sd-app:operations.backendStart",
    ),
]


def good(stack: str = "prod") -> dict[str, Any]:
    """The least that a stack must say."""
    return {
        "aws:region": "us-east-1",
        "sd-app:ownership": {"owner": "studio", "costCentre": "x"},
        "sd-app:storage": {"bucketName": f"sd-app-{stack}"},
        "sd-app:repository": {"url": "https://github.com/a/b"},
    }


def as_engine(config: dict[str, Any]) -> dict[str, str]:
    """Config as the engine hands it over: text, or JSON text."""
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in config.items()}


def broken(path: str, value: Any) -> dict[str, Any]:
    config = good()
    if ":" in path:
        return {**config, path: value}
    group, name = path.split(".")
    config[f"sd-app:{group}"] = {**config.get(f"sd-app:{group}", {}), name: value}
    return config


@pytest.mark.parametrize(
    ("path", "value", "words"),
    BAD,
    ids=[f"{p}={json.dumps(v)[:30]}" for p, v, _ in BAD],
)
def test_a_bad_setting_is_refused_by_name(path: str, value: Any, words: str) -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse("prod", as_engine(broken(path, value)), set())
    assert words in str(caught.value)


def test_the_table_of_bad_settings_is_long_enough() -> None:
    assert len(BAD) >= 40


def test_every_limit_is_a_setting_with_the_contract_s_default() -> None:
    limits = settings.parse("prod", as_engine(good()), set()).limits
    assert limits.model_dump(by_alias=True) == {name: one.default for name, one in contract.LIMITS.items()}


@pytest.mark.parametrize("name", list(contract.LIMITS))
def test_both_bounds_of_a_limit_are_allowed(name: str) -> None:
    field = next(f for f in settings.LimitsSettings.model_fields.values() if f.alias == name)
    one = contract.LIMITS[name]
    assert settings.span_of(field) == f"{one.minimum} to {one.maximum} {one.unit}"
    for value in (one.minimum, one.maximum):
        settings.LimitsSettings.model_validate({name: value})


def test_what_the_bad_settings_are_made_from_is_good() -> None:
    assert settings.parse("prod", as_engine(good()), set()).stack == "prod"


def test_all_faults_are_told_in_one_message() -> None:
    config = {
        **broken("mlServer.instanceType", "g5.tiny"),
        "sd-app:network": {"nat": "two"},
        "other:key": "1",
    }
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse("prod", as_engine(config), set())
    assert len(caught.value.faults) == 3
    assert "3 settings are wrong in Pulumi.prod.yaml (nothing was created or changed)" in str(caught.value)


def test_a_secret_is_never_repeated_in_a_fault() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.parse("prod", as_engine(broken("sd-app:githubToken", "ghp_verysecret")), set())
    assert "ghp_verysecret" not in str(caught.value)


@pytest.mark.parametrize("stack", ["Prod", "dev-2", "averylongstackname", "1st"])
def test_a_stack_name_that_would_break_physical_names_is_refused(stack: str) -> None:
    with pytest.raises(settings.SettingsError, match="stack name"):
        settings.parse(stack, as_engine(good()), set())


def test_every_group_states_a_sentence_and_every_number_its_unit() -> None:
    for kind in (*settings.SECTIONS.values(), settings.AwsSettings):
        for name, field in kind.model_fields.items():
            assert field.description and field.description.endswith("."), (
                f"{kind.__name__}.{name} lacks its sentence"
            )


@pytest.mark.parametrize("stack", STACKS)
def test_the_stack_files_are_right(stack: str, tmp_path: Path) -> None:
    file = tmp_path / f"Pulumi.{stack}.yaml"
    # The token is never in a file of the repository: `make up` gives the local stack a placeholder.
    file.write_text((ROOT / file.name).read_text() + "  sd-app:githubToken: { secure: v1:abc }\n")
    assert settings.load_file(file).stack == stack


def test_dev_and_prod_keep_their_ranges_and_buckets_apart() -> None:
    dev, prod = (settings.load_file(ROOT / f"Pulumi.{stack}.yaml") for stack in ("dev", "prod"))
    assert dev.network.vpc_cidr in prod.network.reserved_cidrs, "prod must refuse dev's range"
    assert prod.network.vpc_cidr in dev.network.reserved_cidrs, "dev must refuse prod's range"
    assert dev.storage.bucket_name != prod.storage.bucket_name


def test_a_key_is_matched_to_the_nearest_known() -> None:
    assert "did you mean nat?" in rules.unknown_key("sd-app:network.", "natt", {"nat", "zones"})
