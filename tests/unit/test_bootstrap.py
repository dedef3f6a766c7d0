"""The bootstrap program: a state that can't be lost or read by others, and who may take which role."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pulumi
import pytest
import yaml

from bootstrap.configuration import ConfigurationError, parse
from tests.unit.bootstrap_ground import CONFIG, STATE_BUCKET, account, run
from tests.unit.engine import Recorded

ROOT = Path(__file__).parents[2]
ISSUER = "token.actions.githubusercontent.com"
NAMES, IDS = "repo:your-studio/sd-app", "repo:your-studio@123456/sd-app@789012"


def of_bucket(part: str) -> dict[str, Any]:
    [found] = [one for one in account().all if one.token.startswith(f"aws:s3/{part}:")]
    return found.inputs


def role(kind: str, stack: str, made: Any = None) -> Recorded:
    return (made or account()).named(f"sd-app-github-{kind}-{stack}", "aws:iam/role:Role")


def subjects(found: Recorded) -> set[str]:
    [statement] = json.loads(found.inputs["assumeRolePolicy"])["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert set(statement["Condition"]) == {"StringEquals"}, "a pattern could match another repository"
    condition = statement["Condition"]["StringEquals"]
    assert condition[f"{ISSUER}:aud"] == "sts.amazonaws.com"
    return set(condition[f"{ISSUER}:sub"])


def test_the_state_keeps_what_was_replaced_and_is_closed_to_all_others() -> None:
    assert of_bucket("bucket")["bucket"] == STATE_BUCKET
    assert of_bucket("bucketVersioning")["versioningConfiguration"]["status"] == "Enabled"
    [rule] = of_bucket("bucketServerSideEncryptionConfiguration")["rules"]
    assert rule["applyServerSideEncryptionByDefault"]["sseAlgorithm"] == "AES256"
    block = of_bucket("bucketPublicAccessBlock")
    assert all(
        block[k] is True
        for k in ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")
    )
    tls, tls12 = json.loads(of_bucket("bucketPolicy")["policy"])["Statement"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})
    assert tls12["Effect"] == "Deny"
    [lifecycle] = of_bucket("bucketLifecycleConfiguration")["rules"]
    assert lifecycle["noncurrentVersionExpiration"] == {"noncurrentDays": 90}
    assert "expiration" not in lifecycle, "the state itself never expires"


def test_neither_state_nor_keys_are_deleted_by_an_engine() -> None:
    kept = [*account().of("aws:s3/bucket:Bucket"), *account().of("aws:kms/key:Key")]
    assert len(kept) == 3
    for one in kept:
        assert one.protect and one.retain_on_delete, one.name
    for one in account().all:
        if one.token.startswith("aws:s3/bucket"):
            assert one.retain_on_delete, f"{one.name}: a kept bucket keeps its locks"


def test_each_stack_has_a_key_of_its_own_that_rotates() -> None:
    keys = account().of("aws:kms/key:Key")
    assert {one.inputs["tags"]["Stack"] for one in keys} == {"dev", "prod"}
    assert all(one.inputs["enableKeyRotation"] is True for one in keys)
    assert all(one.inputs["deletionWindowInDays"] == 30 for one in keys)
    aliases = {one.inputs["name"]: one.inputs["targetKeyId"] for one in account().of("aws:kms/alias:Alias")}
    assert set(aliases) == {"alias/sd-app-dev", "alias/sd-app-prod"} and len(set(aliases.values())) == 2


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_only_the_environment_of_its_name_deploys_in_both_forms_of_sub(stack: str) -> None:
    assert subjects(role("deploy", stack)) == {f"{NAMES}:environment:{stack}", f"{IDS}:environment:{stack}"}


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_pull_requests_and_main_preview(stack: str) -> None:
    who = {f"{begin}:{what}" for begin in (NAMES, IDS) for what in ("pull_request", "ref:refs/heads/main")}
    assert subjects(role("preview", stack)) == who


def test_a_repository_without_ids_has_the_older_form_alone() -> None:
    plain = {key: value for key, value in CONFIG.items() if not key.endswith("Id")}
    assert subjects(role("deploy", "dev", run(plain))) == {f"{NAMES}:environment:dev"}


def test_another_main_branch_can_be_named() -> None:
    made = run({**CONFIG, "sd-app-bootstrap:branch": "trunk"})
    assert f"{NAMES}:ref:refs/heads/trunk" in subjects(role("preview", "dev", made))


def test_sessions_are_short_and_names_say_whose_they_are() -> None:
    hours = {
        one.inputs["name"]: one.inputs["maxSessionDuration"] // 3600
        for one in account().of("aws:iam/role:Role")
    }
    assert hours == {
        "sd-app-github-preview-dev": 1,
        "sd-app-github-deploy-dev": 3,
        "sd-app-github-preview-prod": 1,
        "sd-app-github-deploy-prod": 3,
    }


def test_the_outputs_are_what_the_stacks_and_github_are_told() -> None:
    made = account().exports
    assert made["backend"] == f"s3://{STATE_BUCKET}?region=us-east-1"
    assert made["secretsProviders"]["dev"] == "awskms://alias/sd-app-dev?region=us-east-1"
    assert (
        set(made["deployRoles"])
        == set(made["previewRoles"])
        == set(made["roleBoundaries"])
        == {"dev", "prod"}
    )
    assert not account().secret_exports, "nothing in it is secret, so its state needs no key"


def test_everything_has_the_programs_own_provider() -> None:
    for one in account().all:
        if one.token.startswith("aws:"):
            assert one.provider == "aws", one.name


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("stateBucket", "Bad_Name", "not a bucket's name"),
        ("repository", "https://github.com/a/b", "not OWNER/NAME"),
        ("ownerId", "", "not GitHub's number"),
        ("repositoryId", "0", "not GitHub's number"),
        ("environments", "[]", "list of different stacks"),
        ("environments", '["dev", "dev"]', "list of different stacks"),
        ("environments", "dev", "list of different stacks"),
        ("environments", '["Dev"]', "no legal name"),
        ("environments", '["github"]', "no legal name"),
        ("environments", '["staging"]', "no file Pulumi.staging.yaml"),
        ("owner", "x", "is not known"),
        ("branch", "a b", "not a branch"),
    ],
)
def test_a_wrong_setting_is_told_before_anything_is_made(key: str, value: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        parse({**CONFIG, f"sd-app-bootstrap:{key}": value})


def test_one_id_alone_is_refused_with_how_to_find_both() -> None:
    alone = {key: value for key, value in CONFIG.items() if not key.endswith("ownerId")}
    with pytest.raises(ConfigurationError, match="gh api repos/your-studio/sd-app"):
        parse(alone)


def test_a_stack_in_another_region_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"us-east-1 in Pulumi\.dev\.yaml"):
        parse({**CONFIG, "aws:region": "eu-west-1"})


def test_a_fault_ends_the_program_with_its_message() -> None:
    with pytest.raises(pulumi.RunError, match="nothing was created or changed"):
        run({**CONFIG, "sd-app-bootstrap:stateBucket": ""})


def test_the_committed_configuration_is_right() -> None:
    document = yaml.safe_load((ROOT / "bootstrap" / "Pulumi.account.yaml").read_text())
    raw = {k: v if isinstance(v, str) else json.dumps(v) for k, v in document["config"].items()}
    assert [one.name for one in parse(raw).environments] == ["dev", "prod"]
