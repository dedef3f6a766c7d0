"""The ML server's machine boots for real, from the user data that the program rendered, until both ComfyUI have drawn."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from ml_server_machine import READY_LIMIT_S, MlServerMachine, ml_server

from tests.boot.account import Account

STAGES = ["network", "tools", "code", "dependencies", "packs", "server", "models", "warm-up"]


@pytest.fixture(scope="module")
def machine(account: Account, tmp_path_factory: pytest.TempPathFactory) -> Generator[MlServerMachine]:
    """An ML server that has booted once and is ready."""
    with ml_server(account, tmp_path_factory.mktemp("ml-server")) as made:
        made.boot()
        made.wait("ready", READY_LIMIT_S)
        yield made


def test_every_stage_is_run_and_told_and_both_servers_have_drawn(machine: MlServerMachine) -> None:
    stages = machine.stages()
    print(f"stages, seconds: {stages}")
    assert list(stages) == STAGES
    print(machine.record()["message"])
