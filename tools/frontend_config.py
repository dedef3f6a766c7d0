"""Writes the page's config from a stack's output `frontendConfig` (`make frontend-config STACK=dev`)."""

import argparse
import json
import sys

from tools import page_config, stack
from tools.progress import say

TARGET = page_config.FRONTEND / "public" / "config.json"
OUTPUT = page_config.OUTPUT


def main() -> int:
    """Exit status 1, with what is wrong, when the stack isn't up or its output isn't what the page needs."""
    options = argparse.ArgumentParser(prog="python -m tools.frontend_config", description=__doc__)
    options.add_argument("--stack", default=stack.LOCAL)
    name = str(options.parse_args().stack)
    try:
        outputs = stack.outputs_of(name)
        if OUTPUT not in outputs:
            say(f"make: stack {name} has no output {OUTPUT}; `make up STACK={name}` makes it")
            return 1
        changed = page_config.write(outputs[OUTPUT], json.loads(page_config.SCHEMA.read_text()), TARGET)
    except (page_config.ConfigRefused, *stack.FAULTS) as error:
        say(f"make: {error}")
        return 1
    print(f"{TARGET.relative_to(stack.ROOT)}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
