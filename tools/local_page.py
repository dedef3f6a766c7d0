"""The local stack's page: its config, from the stack's outputs and where all of it lies on this machine."""

import json
from pathlib import Path
from typing import Any

from sandbox import daemon
from tools import page_config


class NoPage(Exception):
    """The page cannot be served; the message tells why."""


def publish(folder: Path, stack: str, endpoint: str, outputs: dict[str, Any]) -> str:
    """Write the config that the page reads at start; the page's address. Raises NoPage.

    folder: the sandbox's; endpoint: the AWS emulator's, where the page's users sign in.
    """
    api, page = daemon.edge_url(folder, stack), daemon.page_url(folder, stack)
    if api is None or page is None:
        raise NoPage(f"the sandbox has no address for the page: see {folder / 'daemon.log'}")
    config = {**outputs[page_config.OUTPUT], "backendUrl": api, "cognitoEndpoint": endpoint}
    try:
        page_config.write(
            config, json.loads(page_config.SCHEMA.read_text()), daemon.page_config(folder, stack)
        )
    except page_config.ConfigRefused as error:
        raise NoPage(str(error)) from error
    return page
