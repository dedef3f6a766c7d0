"""The whole program for each stack: what must hold for every resource of it."""

import json
import re
from functools import cache
from typing import Any

import pytest

import contract
import outputs
from tests.unit.engine import Recorded, Recording, run_program, user_data_of

STACKS = ("local", "dev", "prod")
WORLD = ("0.0.0.0/0", "::/0")
TOKEN = {"sd-app:githubToken": "github_pat_top-secret"}


@cache
def program(stack: str) -> Recording[Any]:
    """The stack as its file says, with the page switched on, so that every part is there."""
    return run_program(
        stack,
        config={**TOKEN, "sd-app:frontend": {"enabled": True, "domainName": f"{stack}.example.com"}},
        secret_keys=["sd-app:githubToken"],
    )


def custom(stack: str) -> list[Recorded]:
    """All resources that exist in AWS."""
    return [one for one in program(stack).all if one.token.startswith("aws:")]


@pytest.mark.parametrize("stack", STACKS)
def test_every_resource_has_the_stacks_own_provider_and_a_component_around_it(stack: str) -> None:
    for one in custom(stack):
        assert one.provider == "aws", f"{one.name} lost the provider, and with it region and tags"
        if one.name != f"sd-app-{stack}-outputs":
            assert one.parent.startswith(f"sd-app-{stack}-"), f"{one.name} stands outside every component"


@pytest.mark.parametrize("stack", STACKS)
def test_the_provider_tags_everything(stack: str) -> None:
    tags = program(stack).only("pulumi:providers:aws").inputs["defaultTags"]
    tags = json.loads(tags)
    assert tags["tags"].items() >= {"Project": "sd-app", "Stack": stack, "ManagedBy": "pulumi"}.items()
    assert {"Owner", "CostCentre"} <= set(tags["tags"])


def test_the_allowed_accounts_reach_the_provider() -> None:
    made = run_program("dev", config={"aws:allowedAccountIds": ["111111111111"]})
    accounts = made.only("pulumi:providers:aws").inputs["allowedAccountIds"]
    assert json.loads(accounts) == ["111111111111"], "the SDK hands the provider's lists over as JSON"


@pytest.mark.parametrize("stack", STACKS)
def test_nothing_is_open_to_the_world_but_the_way_out(stack: str) -> None:
    for one in custom(stack):
        if "Ingress" in one.token:
            assert one.inputs.get("cidrIpv4") not in WORLD, f"{one.name} lets everybody in"
            assert one.inputs.get("cidrIpv6") not in WORLD, f"{one.name} lets everybody in"
        if one.token.endswith(":SecurityGroup"):
            assert "ingress" not in one.inputs, f"{one.name}: rules are resources of their own"


@pytest.mark.parametrize("stack", STACKS)
def test_every_machine_has_imdsv2_and_an_encrypted_disk(stack: str) -> None:
    machines = program(stack).of("aws:ec2/instance:Instance")
    assert len(machines) >= 2
    for one in machines:
        assert one.inputs["metadataOptions"]["httpTokens"] == "required", one.name
        assert one.inputs["rootBlockDevice"]["encrypted"] is True, one.name


@pytest.mark.parametrize("stack", STACKS)
def test_a_star_as_resource_stands_only_where_the_action_knows_no_resource(stack: str) -> None:
    allowed = {"SessionManager", "OwnMetrics", "SeeTheMlServer", "ImageLogin", "SeeTheNetwork"}
    for role, statement in statements(stack):
        if "*" in statement["Resource"]:
            assert statement["Sid"] in allowed, f"{role}: {statement}"
        assert not any("*" in action for action in statement["Action"]), f"{role}: {statement}"


@pytest.mark.parametrize("stack", STACKS)
def test_no_secret_is_seen_in_any_input_user_data_or_output(stack: str) -> None:
    made = program(stack)
    for one in made.all:
        plain = {
            k: v
            for k, v in one.inputs.items()
            if not any(k == re.split(r"[.\[]", s)[0] for s in one.secret_inputs)
        }
        told = json.dumps(plain)
        assert "github_pat_top-secret" not in told, f"{one.name} shows the GitHub token"
        assert f"stdout-of-sd-app-{stack}-edge-origin-secret" not in told, (
            f"{one.name} shows the origin's secret"
        )
    for machine in made.of("aws:ec2/instance:Instance"):
        text = user_data_of(machine)
        assert "github_pat" not in text and "stdout-of" not in text, (
            f"{machine.name}: a secret in its user data"
        )
    shown = {k: v for k, v in made.exports.items() if k not in made.secret_exports}
    assert "github_pat" not in json.dumps(shown) and "stdout-of" not in json.dumps(shown)


@pytest.mark.parametrize("stack", STACKS)
def test_the_outputs_are_those_that_are_documented_and_ops_reads_the_same(stack: str) -> None:
    made = program(stack)
    named = {entry for entry in outputs.Outputs.__dataclass_fields__}
    assert set(made.exports) == named
    kept = made.named(f"sd-app-{stack}-outputs").inputs
    assert kept["name"] == contract.outputs_parameter(stack)
    assert json.loads(kept["value"]) == made.exports


def test_a_stack_without_a_token_says_why_it_has_no_page() -> None:
    made = run_program("dev")
    assert made.exports["frontendUrl"] is None and made.exports["amplifyAppId"] is None
    assert "sd-app:githubToken" in made.exports["leftOut"]["frontend"]


def statements(stack: str) -> list[tuple[str, dict[str, Any]]]:
    """Every statement of every role's own policies, with the role's name."""
    found: list[tuple[str, dict[str, Any]]] = []
    for one in program(stack).of("aws:iam/rolePolicy:RolePolicy"):
        found += [(one.inputs["role"], s) for s in json.loads(one.inputs["policy"])["Statement"]]
    return found
