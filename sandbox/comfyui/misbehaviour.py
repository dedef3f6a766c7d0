"""How the faults that are set show while a prompt runs."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from sandbox.comfyui.faults import Faults
from sandbox.comfyui.sockets import Sockets

_LOOK_S = 0.02
"""How often somebody who hangs looks whether he was interrupted or healed."""


class OutOfMemoryError(RuntimeError):
    """Torch's, as far as ComfyUI tells of it."""


OutOfMemoryError.__module__ = "torch"

OUT_OF_MEMORY_TIPS = (
    "This error means you ran out of memory on your GPU.\n\nTIPS: If the workflow worked before you might have "
    "accidentally set the batch_size to a large number."
)
"""What ComfyUI adds to the exception's words."""


async def stumble(step: int, faults: Faults, *, sockets: Sockets, is_interrupted: Callable[[], bool]) -> None:
    """Do wrong what is to go wrong at this step of a sampler; what it said before is heard."""
    if crash := faults.take("crash", step=step):
        await sockets.flush()
        _crash(step, crash["code"])
    if faults.take("drop_socket", step=step):
        await sockets.flush()
        sockets.cut()
    if faults.take("out_of_memory", step=step):
        raise OutOfMemoryError("Allocation on device ")
    if options := faults.take("hang", step=step):
        await _hang(options["seconds"], faults, is_interrupted if options["interruptible"] else lambda: False)


async def _hang(seconds: float | None, faults: Faults, is_interrupted: Callable[[], bool]) -> None:
    """Hang until interrupted, until the fault is cleared, or for so many seconds."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while faults.is_set("hang") and not is_interrupted() and (end is None or loop.time() < end):
        await asyncio.sleep(_LOOK_S)


def _crash(step: int, code: int) -> NoReturn:
    print(f"emulated crash at step {step}: the process ends here", file=sys.stderr, flush=True)
    os._exit(code)
