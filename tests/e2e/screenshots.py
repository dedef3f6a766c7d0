"""Pictures of every view of the page, to be looked at: light, dark, phone (`make screenshots`)."""

import os
import sys
import tempfile
from pathlib import Path

from tests.e2e import ground
from tools import pulumi_cli

TARGET = ground.ROOT / ".cache" / "screenshots"
LIMIT_S = 600.0


def main() -> int:
    """Exit status 1, with what went wrong, when a view could not be reached."""
    if ground.CHROMIUM is None:
        print("make: this needs a browser; tools/browser.sh says why there is none", file=sys.stderr)
        return 1
    TARGET.mkdir(parents=True, exist_ok=True)
    os.environ.update(ground.SANDBOX)
    with (
        tempfile.TemporaryDirectory() as folder,
        ground.page(pulumi_cli.find().directory, Path(folder) / "stack") as environment,
    ):
        done = ground.run(["screenshots.js"], {**environment, "TARGET": str(TARGET)}, LIMIT_S)
    print(f"{done.stdout}{done.stderr}", end="")
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
