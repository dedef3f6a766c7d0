"""The guardrails as a policy pack of Pulumi's: `pulumi preview --policy-pack policy`.

Runs in policy/.venv, from whatever folder the CLI starts it in.
"""

import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
# The CLI runs this folder, not the package: its own modules would be found by their bare names alone.
sys.path[0] = str(HOME.parent)

from policy import pack  # noqa: E402  # after the path that leads to it

pack.serve()
