"""The designer's page in real Chromium against the running sandbox: nothing of it is mocked. The tests are `*.test.js`."""

import pytest

from tests.e2e import ground

FILES = sorted(path.name for path in ground.HERE.glob("*.test.js"))
LIMIT_S = 400.0


def test_there_are_tests() -> None:
    assert len(FILES) >= 5


@pytest.mark.parametrize("file", FILES)
def test_in_a_browser(file: str, page: dict[str, str]) -> None:
    done = ground.run(["--test", "--test-reporter=spec", file], page, LIMIT_S)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
