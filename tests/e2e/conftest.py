"""A stack with its page for all of the browser's tests."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

from tests.e2e import ground
from tools import pulumi_cli


# Of the module that all of them are in, and not of the session: its environment is no other test's.
@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Generator[dict[str, str]]:
    """Environment of a browser's test; a stack of its own runs meanwhile."""
    if ground.CHROMIUM is None:
        pytest.skip("without a browser (tools/browser.sh gets one) the page is not tried in it")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ground.SANDBOX.items():
            patch.setenv(name, value)
        patch.setenv("SANDBOX_BOOT_SECONDS", "4")
        folder: Path = tmp_path_factory.mktemp("e2e")
        with ground.page(pulumi_cli.find().directory, folder) as environment:
            yield environment
