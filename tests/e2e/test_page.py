"""The designer's page in real Chromium against the running sandbox: nothing of it is mocked. The tests are `*.test.js`."""

import pytest

from tests.e2e import ground

FILES = [
    "board.test.js",
    "failures.test.js",
    "gallery.test.js",
    "keyboard.test.js",
    "pictures.test.js",
    "sign-in.test.js",
    "training.test.js",
    "trouble.test.js",
    "whole.test.js",
]
LIMIT_S = 400.0


def test_every_file_of_tests_is_run() -> None:
    assert sorted(path.name for path in ground.HERE.glob("*.test.js")) == FILES


@pytest.mark.parametrize("file", FILES)
def test_in_a_browser(file: str, page: dict[str, str]) -> None:
    done = ground.run(["--test", "--test-reporter=spec", file], page, LIMIT_S)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
