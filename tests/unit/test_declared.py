"""What a stack declares is known from its files alone: no engine, no account, no secret."""

import pytest

from declared import program


@pytest.mark.parametrize("stack", ["local", "dev", "prod"])
def test_every_stack_tells_what_it_declares(stack: str) -> None:
    declared = program.declare(stack)
    assert declared.named(f"sd-app-{stack}-backend", "aws:ec2/instance:Instance")


def test_a_page_is_declared_though_its_token_is_not_known_here() -> None:
    page = program.declare("local").only("aws:amplify/app:App")
    assert page.inputs["accessToken"] == program.UNSEEN
    assert page.secret_inputs == {"accessToken"}


def test_a_secret_of_the_stack_file_stays_encrypted() -> None:
    config = {program.GITHUB_TOKEN: {"secure": "v1:abc"}, "sd-app:frontend": {"enabled": True}}
    page = program.declare("dev", config=config).only("aws:amplify/app:App")
    assert page.inputs["accessToken"] == program.UNSEEN


def test_another_region_has_zones_of_its_own() -> None:
    config = {"aws:region": "eu-west-1", "sd-app:network": {"zoneCount": 6, "vpcCidr": "172.16.0.0/16"}}
    subnets = program.declare("dev", config=config).inputs_of("aws:ec2/subnet:Subnet")
    assert {one["availabilityZone"] for one in subnets} == {f"eu-west-1{letter}" for letter in "abcdef"}


def test_a_stack_without_a_file_is_told_by_the_files_name() -> None:
    with pytest.raises(FileNotFoundError, match=r"Pulumi\.nowhere\.yaml"):
        program.declare("nowhere")
