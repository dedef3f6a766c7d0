"""`python -m sandbox.comfyui`: the emulator, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from aiohttp import web

from sandbox.comfyui import VERSION
from sandbox.comfyui.arguments import Arguments, parse
from sandbox.comfyui.server import Server

SHUTDOWN_S = 2.0
"""How long a request that runs may take to end."""

LOCK_LIMIT_S = 5.0
"""How long it waits for another server to let go of the database, as ComfyUI does."""


def main(argv: Sequence[str]) -> int:
    """Run it; 0 after a signal, 1 when it can't listen."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    arguments = parse(argv)
    try:
        lock = _lock(arguments.database)
        try:
            return asyncio.run(_serve(arguments))
        finally:
            if lock is not None:
                lock.close()
    except OSError as error:
        print(f"ComfyUI emulator: cannot start: {error}", file=sys.stderr)
        return 1


def _lock(database: Path | None) -> IO[bytes] | None:
    """The lock that keeps a second server from the same database: waited for as long as ComfyUI does.

    Raises OSError, with ComfyUI's word in it, when another holds it.
    """
    if database is None:
        return None
    database.parent.mkdir(parents=True, exist_ok=True)
    file = database.with_name(f"{database.name}.lock").open("wb")
    end = time.monotonic() + LOCK_LIMIT_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                file.close()
                raise OSError(f"ASSETS_STARTUP_FAILED: in_use: another server has {database}") from None
            time.sleep(0.1)
        else:
            return file


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
