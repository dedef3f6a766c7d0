"""The boundary is on every role of a stack, or on none."""

import pytest

from tests.unit.engine import run_program

ROLE = "aws:iam/role:Role"
POLICY = "arn:aws:iam::123456789012:policy/sd-app-boundary-dev"


@pytest.mark.parametrize("stack", ["dev", "prod"])
def test_every_role_has_the_boundary_that_the_stack_file_names(stack: str) -> None:
    owner = {"owner": "studio", "costCentre": "x", "roleBoundary": POLICY}
    roles = run_program(stack, config={"sd-app:ownership": owner}).of(ROLE)
    assert len(roles) >= 5
    assert {one.inputs.get("permissionsBoundary") for one in roles} == {POLICY}


def test_without_the_setting_no_role_has_one() -> None:
    assert not any("permissionsBoundary" in one.inputs for one in run_program("dev").of(ROLE))
