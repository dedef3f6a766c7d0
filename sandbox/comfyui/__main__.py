"""`python -m sandbox.comfyui`: the emulator, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import logging
import shutil
import signal
import sys
from collections.abc import Sequence

from aiohttp import web

from sandbox.comfyui import VERSION
from sandbox.comfyui.arguments import Arguments, parse
from sandbox.comfyui.server import Server

SHUTDOWN_S = 2.0
"""How long a request that runs may take to end."""


def main(argv: Sequence[str]) -> int:
    """Run it; 0 after a signal, 1 when it can't listen."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = parse(argv)
    try:
        return asyncio.run(_serve(arguments))
    except OSError as error:
        print(f"ComfyUI emulator: cannot start: {error}", file=sys.stderr)
        return 1


async def _serve(arguments: Arguments) -> int:
    shutil.rmtree(arguments.temp_directory, ignore_errors=True)
    server = Server(arguments)
    app = server.app()
    app.on_shutdown.append(server.close_sockets)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    try:
        for address in arguments.listen:
            await web.TCPSite(runner, address, arguments.port).start()
        for host, port, *_ in runner.addresses:
            print(
                f"ComfyUI emulator (not ComfyUI; answers as {VERSION}) listens on http://{host}:{port}",
                flush=True,
            )
        await ended.wait()
    finally:
        await runner.cleanup()
        shutil.rmtree(arguments.temp_directory, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
