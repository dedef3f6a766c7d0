"""Uploads, and the files that can be looked at."""

from __future__ import annotations

import asyncio
import errno
import hashlib
import io
import json
import mimetypes
import os
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import web
from PIL import Image

from sandbox.comfyui.faults import Faults
from sandbox.comfyui.folders import Folders

_ONLY_DOWNLOADED = {
    "text/html",
    "text/html-sandboxed",
    "application/xhtml+xml",
    "text/javascript",
    "text/css",
    "image/svg+xml",
}
"""Types that a browser would run or draw: given as bytes without a type."""

_LONGEST_HEADER = 100 * 1024 * 1024


class Files:
    """Handlers of the routes about files."""

    def __init__(self, folders: Folders, faults: Faults) -> None:
        self._folders = folders
        self._faults = faults

    def routes(self) -> list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]]:
        """Method, path and handler of each."""
        return [
            ("POST", "/upload/image", self.upload),
            ("GET", "/view", self.view),
            ("GET", "/view_metadata/{folder}", self.view_metadata),
        ]

    async def upload(self, request: web.Request) -> web.Response:
        """Keeps a file, whatever is in it. Another file of the same name stays, and this one is called otherwise."""
        form: Any = await request.post()
        image, kind, subfolder = form.get("image"), form.get("type") or "input", form.get("subfolder", "")
        directory = self._folders.directory(kind)
        if directory is None:
            raise ValueError(f"type {kind!r}")  # ComfyUI doesn't expect it either, and answers 500
        if not image:
            return web.Response(status=400)
        name: str = image.filename  # a text has none, and is answered 500, as by ComfyUI
        inside = os.path.abspath(directory)
        path = os.path.abspath(os.path.join(inside, os.path.normpath(subfolder), name))
        if os.path.commonpath((inside, path)) != inside:
            return web.Response(status=400)
        if self._faults.take("fill_up", where="upload"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
        overwrite = form.get("overwrite") in ("true", "1")
        name = await asyncio.to_thread(_keep, Path(path), name, image.file.read(), overwrite)
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})

    async def view(self, request: web.Request) -> web.StreamResponse:
        """Answers with a file, or with a picture of it in another form."""
        if "filename" not in request.query:
            return web.Response(status=404)
        name, directory = self._folders.split_annotation(request.query["filename"])
        if not name or name[0] == "/" or ".." in name:
            return web.Response(status=400)
        directory = directory or self._folders.directory(request.query.get("type", "output"))
        if directory is None:
            return web.Response(status=400)
        inside = os.path.abspath(directory)
        folder = os.path.abspath(os.path.join(inside, request.query.get("subfolder", "")))
        if os.path.commonpath((folder, inside)) != inside:
            return web.Response(status=403)
        path = Path(folder) / os.path.basename(name)
        if not path.is_file():
            return web.Response(status=404)
        return await _shown(path, request)

    async def view_metadata(self, request: web.Request) -> web.Response:
        """Answers with the metadata in a model file's header."""
        name = request.query.get("filename")
        if name is None or not name.endswith(".safetensors"):
            return web.Response(status=404)
        path = self._folders.model(request.match_info["folder"], name)
        header = path and _safetensors_header(path)
        if not header or "__metadata__" not in header:
            return web.Response(status=404)
        return web.json_response(header["__metadata__"])


def _keep(path: Path, name: str, content: bytes, overwrite: bool) -> str:
    """Write a file and say what it is called now."""
    path.parent.mkdir(parents=True, exist_ok=True)
    stem, suffix = os.path.splitext(name)
    number = 1
    while not overwrite and path.exists():
        if hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(content).digest():
            return name
        name = f"{stem} ({number}){suffix}"
        path = path.parent / os.path.basename(name)
        number += 1
    path.write_bytes(content)
    return name


async def _shown(path: Path, request: web.Request) -> web.StreamResponse:
    headers = {"Content-Disposition": f'filename="{path.name}"'}
    channel = request.query.get("channel", "rgba")
    if "preview" in request.query:
        form, *rest = request.query["preview"].split(";")
        if form not in ("webp", "jpeg") or "a" in request.query.get("channel", ""):
            form = "webp"
        quality = int(rest[-1]) if rest and rest[-1].isdigit() else 90
        to_rgb = form == "jpeg" or channel == "rgb"
        body = await asyncio.to_thread(_as_preview, path, form, quality, to_rgb)
        return web.Response(body=body, content_type=f"image/{form}", headers=headers)
    if channel in ("rgb", "a"):
        body = await asyncio.to_thread(_channel, path, channel)
        return web.Response(body=body, content_type="image/png", headers=headers)
    kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    if kind in _ONLY_DOWNLOADED:
        kind = "application/octet-stream"
    return web.FileResponse(path, headers={**headers, "Content-Type": kind})


def _as_preview(path: Path, form: str, quality: int, to_rgb: bool) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        (image.convert("RGB") if to_rgb else image).save(buffer, form, quality=quality)
    return buffer.getvalue()


def _channel(path: Path, channel: str) -> bytes:
    buffer = io.BytesIO()
    with Image.open(path) as image:
        if channel == "rgb":
            shown = image.convert("RGB")
        else:
            alpha = image.getchannel("A") if image.mode == "RGBA" else Image.new("L", image.size, 255)
            shown = Image.new("RGBA", image.size)
            shown.putalpha(alpha)
        shown.save(buffer, "PNG")
    return buffer.getvalue()


def _safetensors_header(path: Path) -> dict[str, Any] | None:
    with path.open("rb") as file:
        head = file.read(8)
        if len(head) < 8 or (length := struct.unpack("<Q", head)[0]) > _LONGEST_HEADER:
            return None
        try:
            return json.loads(file.read(length))
        except ValueError:
            return None
