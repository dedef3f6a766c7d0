"""Whether the sandbox's tables take whatever the program declares, in every stack."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from sandbox.aws import TYPES
from sandbox.aws.table import Aws, Partial
from tests.unit.engine import run_program
from tests.unit.sandbox_life import moto_server

STACKS = ("local", "dev", "prod")


@pytest.fixture
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Aws]:
    with moto_server(tmp_path_factory.mktemp("moto")) as cloud:
        yield cloud


@pytest.mark.parametrize("stack", STACKS)
def test_every_input_that_the_program_declares_is_known(aws: Aws, stack: str) -> None:
    program = run_program(
        stack,
        config={
            "sd-app:githubToken": "github_pat_top-secret",
            "sd-app:frontend": {"enabled": True, "domainName": f"{stack}.example.com"},
        },
        secret_keys=["sd-app:githubToken"],
    )
    tried: set[str] = set()
    for one in program.all:
        if not one.token.startswith("aws:"):
            continue
        assert one.token in TYPES, f"the sandbox has no table for {one.token}, which {one.name} is"
        resource = TYPES[one.token]
        tried.add(one.token)
        names = {resource.autoname: one.name} if resource.autoname else {}
        try:
            resource.create(aws, {**names, **one.inputs})
        except (BotoCoreError, ClientError, Partial):
            pass  # the mocks' ids belong to nothing that moto has
        except ValueError as error:
            assert "does not know what to do with" not in str(error), one.name
    assert len(tried) >= 40, f"the program uses only {len(tried)} of the tables' types?"
