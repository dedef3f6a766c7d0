"""What the boot tests share: an account with the local stack, and the hosts that stand in. Skipped where none can boot."""

from __future__ import annotations

from collections.abc import Generator

import pytest
from ml_server_machine import READY_LIMIT_S, MlServerMachine, ml_server

from tests.boot import machine_root, stand_ins
from tests.boot.account import Account
from tools import pulumi_cli


@pytest.fixture(scope="session", autouse=True)
def bootable() -> None:
    """Without systemd-nspawn nothing here can be run: skipped, with the reason."""
    if reason := machine_root.missing():
        pytest.skip(f"no machine can boot here: {reason}")


@pytest.fixture(scope="session")
def account(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[Account]:
    """The emulated account with the whole stack in it, and no stand-ins of machines."""
    account = Account.start(pulumi_cli.find().directory, tmp_path_factory.mktemp("account"))
    yield account
    account.platform.stop()


@pytest.fixture(scope="session")
def node(bootable: None, tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """What lets a machine fetch Node.js from this computer."""
    folder = tmp_path_factory.mktemp("node")
    checksum = stand_ins.node_dist(folder)
    with stand_ins.served(folder) as url:
        yield {"NODE_DIST_URL": url, **checksum}


@pytest.fixture(scope="session")
def ml_server_machine(
    account: Account, tmp_path_factory: pytest.TempPathFactory
) -> Generator[MlServerMachine]:
    """An ML server that has booted once and is ready."""
    with ml_server(account, tmp_path_factory.mktemp("ml-server")) as made:
        made.boot()
        made.wait("ready", READY_LIMIT_S)
        yield made
