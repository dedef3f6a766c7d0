"""Writes the page's config from a stack's output `frontendConfig` (`make frontend-config STACK=dev`)."""

import argparse
import json
import sys
from typing import Any

from sandbox import daemon
from tools import page_config, stack
from tools.progress import say

TARGET = page_config.FRONTEND / "public" / "config.json"


def config_of(name: str) -> Any:
    """The page's config of a stack; None when the stack isn't up. The local one's has this machine's addresses."""
    if name == stack.LOCAL:
        published = daemon.page_config(stack.ROOT / ".sandbox", name)
        return json.loads(published.read_text()) if published.is_file() else None
    return stack.outputs_of(name).get(page_config.OUTPUT)


def main() -> int:
    """Exit status 1, with what is wrong, when the stack isn't up or its output isn't what the page needs."""
    options = argparse.ArgumentParser(prog="python -m tools.frontend_config", description=__doc__)
    options.add_argument("--stack", default=stack.LOCAL)
    name = str(options.parse_args().stack)
    try:
        config = config_of(name)
        if config is None:
            say(f"make: stack {name} has no {page_config.OUTPUT}; `make up STACK={name}` makes it")
            return 1
        changed = page_config.write(config, json.loads(page_config.SCHEMA.read_text()), TARGET)
    except (page_config.ConfigRefused, *stack.FAULTS) as error:
        say(f"make: {error}")
        return 1
    print(f"{TARGET.relative_to(stack.ROOT)}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
