"""The boundary that the stack file names is on every role that the real engine makes."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from platform_stack import Platform

POLICY = "arn:aws:iam::123456789012:policy/sd-app-boundary-dev"


@pytest.fixture
def platform(cli: Path, tmp_path: Path) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path)
    yield made
    made.stop()


def test_every_role_of_a_stack_is_made_with_it(platform: Platform) -> None:
    stack = platform.stack("dev")
    stack.up({"ownership": {"roleBoundary": POLICY}})
    iam: Any = platform.client("iam")
    names = [
        one["RoleName"] for one in iam.list_roles()["Roles"] if one["RoleName"].startswith("sd-app-dev-")
    ]
    assert len(names) >= 5
    for name in names:
        boundary = iam.get_role(RoleName=name)["Role"].get("PermissionsBoundary", {})
        assert boundary.get("PermissionsBoundaryArn") == POLICY, name
