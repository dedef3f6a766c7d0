"""The emulator's own control: `/_emulator/faults`. No ComfyUI has it."""

from __future__ import annotations

from aiohttp import web

from sandbox.comfyui import NAME
from sandbox.comfyui.faults import Faults, WrongFault
from sandbox.comfyui.prompt_queue import PromptQueue

PATH = "/_emulator/faults"


def add_routes(app: web.Application, faults: Faults, queue: PromptQueue) -> None:
    """GET shows the faults that are set, POST sets some, DELETE clears all, or the one named by `?name=`."""

    def told() -> web.Response:
        return web.json_response({"emulator": NAME, "faults": faults.told()})

    async def show(_: web.Request) -> web.Response:
        return told()

    async def change(request: web.Request) -> web.Response:
        try:
            faults.set(await request.json())
        except (WrongFault, ValueError) as error:
            return web.json_response({"error": str(error)}, status=400)
        if faults.options("forget_history") is not None:
            queue.forget()
        return told()

    async def clear(request: web.Request) -> web.Response:
        try:
            faults.clear(request.query.get("name"))
        except WrongFault as error:
            return web.json_response({"error": str(error)}, status=400)
        return told()

    app.router.add_get(PATH, show)
    app.router.add_post(PATH, change)
    app.router.add_delete(PATH, clear)
