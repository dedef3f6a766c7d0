"""The policy pack under the real engine: dev is without a fault, a bad program is stopped, and its rules are those of the tests.

The Python language host that can be built from modules (tools/pulumi_build.py) starts the program where it should start the
pack, so here a script of the engine's other way starts it: `pulumi-analyzer-policy-<runtime>`. Official CLIs need none.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest
from platform_stack import Platform

from policy.rules import GUARDS
from tests.stack.conftest import Ground
from tests.unit.fakes import script
from tools.engine import Engine

ROOT = Path(__file__).parents[2]
PYTHON = ROOT / "policy" / ".venv" / "bin" / "python"
pytestmark = pytest.mark.skipif(not PYTHON.exists(), reason="no policy/.venv: run make policy-pack")
OPEN_TO_ALL = """
    on = pulumi.ResourceOptions(provider=aws.Provider("on", region="us-east-1"))
    vpc = aws.ec2.Vpc("v", cidr_block="10.0.0.0/16", opts=on)
    group = aws.ec2.SecurityGroup("g", vpc_id=vpc.id, opts=on)
    aws.vpc.SecurityGroupIngressRule(
        "r", security_group_id=group.id, cidr_ipv4="0.0.0.0/0", ip_protocol="tcp", from_port=22, to_port=22, opts=on
    )
    allow = {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}
    aws.iam.RolePolicy("p", role="x", policy=json.dumps({"Version": "2012-10-17", "Statement": [allow]}), opts=on)
"""


@dataclass(frozen=True)
class Pack:
    """A folder that the engine takes for the pack, and the script that starts the real one."""

    folder: Path

    def preview(self, engine: Engine) -> tuple[int, str]:
        """Exit status of a preview with the pack, and what was said."""
        path = f"{self.folder / 'bin'}:{engine.env['PATH']}"
        done = subprocess.run(
            [
                *engine.command("preview", "--policy-pack", str(self.folder)),
                *("--non-interactive", "--color", "never"),
                *engine.config,
            ],
            cwd=engine.cwd,
            env={**engine.env, "PATH": path},
            capture_output=True,
            text=True,
            timeout=240,
        )
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def pack(tmp_path: Path) -> Pack:
    folder = tmp_path / "pack"
    folder.mkdir()
    (folder / "PulumiPolicy.yaml").write_text("runtime: guardrails\n")
    script(folder / "bin" / "pulumi-analyzer-policy-guardrails", f'exec {PYTHON} {ROOT / "policy"} "$@"')
    return Pack(folder)


@pytest.fixture
def platform(cli: Path, tmp_path: Path) -> Generator[Platform]:
    made = Platform.start(cli, tmp_path)
    yield made
    made.stop()


def test_the_pack_has_every_guardrail_and_no_other() -> None:
    listed = "import json; from policy import pack; print(json.dumps([one.name for one in pack.policies()]))"
    done = subprocess.run([PYTHON, "-c", listed], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        *(guard.name for guard in GUARDS),
        "every-bucket-locked",
        "within-budget",
    ]


def test_dev_passes_and_a_budget_that_is_too_small_is_told(pack: Pack, platform: Platform) -> None:
    stack = platform.stack("dev")
    status, said = pack.preview(stack.configured({}))
    assert status == 0 and "sd-app-guardrails" in said, said
    assert "[mandatory]" not in said and "[advisory]" not in said, said
    status, said = pack.preview(stack.configured({"operations": {"monthlyBudgetUsd": 1}}))
    assert status == 0 and "within-budget" in said, "it is told, and no more"


def test_a_bad_program_is_stopped_before_anything_is_made(pack: Pack, ground: Ground) -> None:
    status, said = pack.preview(ground.stack(OPEN_TO_ALL).engine)
    assert status != 0
    for fault in (
        "r: lets 0.0.0.0/0 in",
        "p: statement without a name allows s3:*",
        "g: has not the stack's own provider",
    ):
        assert fault in said, said
