"""The HTTP side: ComfyUI's routes, with and without `/api`, and the emulator's own control."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import os
import urllib.parse
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from aiohttp import web

from sandbox.comfyui import HEADER, NAME, control
from sandbox.comfyui.arguments import Arguments
from sandbox.comfyui.catalogue import Catalogue
from sandbox.comfyui.execution import Parts, Worker
from sandbox.comfyui.faults import Faults
from sandbox.comfyui.files import Files
from sandbox.comfyui.folders import Folders
from sandbox.comfyui.prompt_queue import PromptQueue
from sandbox.comfyui.sockets import Sockets
from sandbox.comfyui.system import system_stats
from sandbox.comfyui.validation import Validator, fault

_WEB = Path(__file__).parent / "web"
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """The emulator: one worker, one queue, and what answers for them."""

    def __init__(self, arguments: Arguments) -> None:
        self._arguments = arguments
        self._faults = Faults()
        self._folders = Folders(arguments, self._faults.hides)
        self._catalogue = Catalogue(self._folders)
        self._validator = Validator(self._catalogue, self._folders)
        self._features = {
            "supports_preview_metadata": True,
            "max_upload_size": arguments.max_upload_bytes,
        }
        self._sockets = Sockets(self._features, self._queue_info)
        self._queue = PromptQueue(self._sockets.send_status)
        self._worker = Worker(
            Parts(
                arguments=arguments,
                catalogue=self._catalogue,
                folders=self._folders,
                faults=self._faults,
                queue=self._queue,
                sockets=self._sockets,
            )
        )
        self._number = 0
        """Of the next prompt; refused ones count too."""

    def app(self) -> web.Application:
        """The application, to be run by aiohttp."""
        app = web.Application(
            middlewares=[_cors(self._arguments.cors_origin)]
            if self._arguments.cors_origin
            else [_own_origin_only],
            client_max_size=self._arguments.max_upload_bytes,
        )
        files = Files(self._folders, self._faults)
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/prompt", self._get_prompt),
            ("POST", "/prompt", self._post_prompt),
            ("GET", "/queue", self._get_queue),
            ("POST", "/queue", self._post_queue),
            ("GET", "/history", self._get_history),
            ("GET", "/history/{prompt_id}", self._get_history_of),
            ("POST", "/history", self._post_history),
            ("POST", "/interrupt", self._post_interrupt),
            ("POST", "/free", self._post_free),
            ("GET", "/object_info", self._get_object_info),
            ("GET", "/object_info/{node}", self._get_object_info_of),
            ("GET", "/models", self._get_models),
            ("GET", "/models/{folder}", self._get_models_of),
            ("GET", "/embeddings", self._get_embeddings),
            ("GET", "/extensions", self._get_extensions),
            ("GET", "/features", self._get_features),
            ("GET", "/system_stats", self._get_system_stats),
            ("GET", "/ws", self._sockets.serve),
            *files.routes(),
        ]
        for method, path, handler in routes:
            app.router.add_route(method, path, handler)
            app.router.add_route(method, f"/api{path}", handler)
            if method == "GET":
                app.router.add_route("HEAD", path, handler)
                app.router.add_route("HEAD", f"/api{path}", handler)
        control.add_routes(app, self._faults, self._queue)
        app.router.add_get("/", _root)
        app.router.add_static("/", _WEB)
        app.on_response_prepare.append(_say_what_it_is)
        app.cleanup_ctx.append(self._at_work)
        return app

    async def _at_work(self, _: web.Application) -> AsyncIterator[None]:
        """While the server runs, so do the worker and what sends messages."""
        tasks = [asyncio.create_task(self._worker.work()), asyncio.create_task(self._sockets.publish())]
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._worker.stop()

    async def close_sockets(self, _: web.Application) -> None:
        """Say goodbye to everybody who is connected."""
        await self._sockets.close()

    def _queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self._queue.remaining()}}

    async def _get_prompt(self, _: web.Request) -> web.Response:
        return web.json_response(self._queue_info())

    async def _post_prompt(self, request: web.Request) -> web.Response:
        if refusal := self._faults.take("refuse"):
            if refusal["how"] == "close" and request.transport is not None:
                request.transport.abort()
            raise RuntimeError("emulated refusal")
        body = await request.json()
        if "number" in body:
            number = float(body["number"])
        else:
            number = -self._number if body_says_front(body) else self._number
            self._number += 1
        if "prompt" not in body:
            return _refused(fault("no_prompt", "No prompt provided", "No prompt provided"))
        prompt, given_id = body["prompt"], body.get("prompt_id")
        prompt_id = str(uuid.uuid4()) if given_id is None else given_id
        if not _is_canonical_uuid(prompt_id):
            return _refused(fault("invalid_prompt_id", "prompt_id must be a valid UUID"))
        verdict = self._validator.check(prompt, body.get("partial_execution_targets"))
        extra_data: dict[str, Any] = body.get("extra_data", {})
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        if verdict.error is not None:
            self._count_lacking_model(verdict.node_errors)
            return _refused(verdict.error, verdict.node_errors)
        self._queue.put(number, prompt_id, prompt, extra_data, verdict.outputs)
        told = {"prompt_id": prompt_id, "number": number, "node_errors": verdict.node_errors}
        return web.json_response(told)

    def _count_lacking_model(self, node_errors: dict[str, Any]) -> None:
        """A prompt that was refused for a hidden model counts for that fault."""
        for entry in node_errors.values():
            for error in entry["errors"]:
                if self._faults.hides(str(error["extra_info"].get("received_value"))):
                    self._faults.take("lack_model")
                    return

    async def _get_queue(self, _: web.Request) -> web.Response:
        return web.json_response(self._queue.told())

    async def _post_queue(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.clear()
        for prompt_id in body.get("delete", []):
            self._queue.delete(prompt_id)
        return web.Response()

    async def _get_history(self, request: web.Request) -> web.Response:
        most, offset = request.query.get("max_items"), request.query.get("offset")
        text = self._queue.whole_history(
            None if most is None else int(most), -1 if offset is None else int(offset)
        )
        return web.json_response(text=text)

    async def _get_history_of(self, request: web.Request) -> web.Response:
        return web.json_response(text=self._queue.history(request.match_info["prompt_id"]))

    async def _post_history(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            self._queue.forget()
        self._queue.forget(body.get("delete", []))
        return web.Response()

    async def _post_interrupt(self, request: web.Request) -> web.Response:
        body: dict[str, Any] = {}
        with suppress(json.JSONDecodeError):
            body = await request.json()
        wanted = body.get("prompt_id")
        if not wanted or wanted == self._queue.running_id():
            self._worker.interrupt()
        return web.Response()

    async def _post_free(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("free_memory", False):
            self._worker.forget()
        return web.Response()

    async def _get_object_info(self, _: web.Request) -> web.Response:
        return web.json_response(self._catalogue.definitions())

    async def _get_object_info_of(self, request: web.Request) -> web.Response:
        node = request.match_info["node"]
        return web.json_response({node: self._catalogue.definition(node)} if node in self._catalogue else {})

    async def _get_models(self, _: web.Request) -> web.Response:
        return web.json_response(self._folders.model_kinds())

    async def _get_models_of(self, request: web.Request) -> web.Response:
        kind = request.match_info["folder"]
        if kind not in self._folders.model_kinds():
            return web.Response(status=404)
        return web.json_response(self._folders.models(kind))

    async def _get_embeddings(self, _: web.Request) -> web.Response:
        return web.json_response([os.path.splitext(name)[0] for name in self._folders.models("embeddings")])

    async def _get_extensions(self, _: web.Request) -> web.Response:
        return web.json_response([])

    async def _get_features(self, _: web.Request) -> web.Response:
        return web.json_response(self._features)

    async def _get_system_stats(self, _: web.Request) -> web.Response:
        return web.json_response(system_stats(self._arguments.argv))


def body_says_front(body: dict[str, Any]) -> bool:
    """Whether a prompt is to go before all others."""
    return "front" in body and bool(body["front"])


def _refused(error: dict[str, Any], node_errors: dict[str, Any] | None = None) -> web.Response:
    return web.json_response({"error": error, "node_errors": node_errors or {}}, status=400)


def _is_canonical_uuid(text: object) -> bool:
    """Newer than 0.3.64, which took anything (facts.md is where this is from; the tag isn't known)."""
    try:
        return isinstance(text, str) and str(uuid.UUID(text)) == text
    except ValueError:
        return False


async def _root(_: web.Request) -> web.FileResponse:
    return web.FileResponse(
        _WEB / "index.html", headers={"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "0"}
    )


async def _say_what_it_is(_: web.Request, response: web.StreamResponse) -> None:
    response.headers[HEADER] = NAME


@web.middleware
async def _own_origin_only(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuses requests that a browser sends for another site's page, as ComfyUI does on a loopback address."""
    if request.headers.get("Sec-Fetch-Site") == "cross-site" or _is_foreign(request):
        return web.Response(status=403)
    return web.Response() if request.method == "OPTIONS" else await handler(request)


def _is_foreign(request: web.Request) -> bool:
    if "Host" not in request.headers or "Origin" not in request.headers:
        return False
    host = urllib.parse.urlsplit(f"//{request.headers['Host'].lower()}")
    origin = urllib.parse.urlsplit(request.headers["Origin"].lower())
    if not _is_loopback(host.hostname) or not host.hostname or not origin.hostname:
        return False
    if host.port is None or origin.port is None:  # compared only where both tell it
        return host.hostname != origin.hostname
    return host.netloc != origin.netloc


def _is_loopback(host: str | None) -> bool:
    if host is None or host == "localhost":
        return host is not None
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _cors(origin: str) -> Any:
    @web.middleware
    async def allow(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.Response() if request.method == "OPTIONS" else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, PUT, OPTIONS, PATCH"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return allow
