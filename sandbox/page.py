"""Amplify's stand-in: serves the built page on this machine, with the headers that Amplify sends, and the stack's config."""

from __future__ import annotations

import mimetypes
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

import contract
from sandbox.machines.addresses import LOOPBACK

DRAIN_S = 0.5
SINGLE_PAGE = "index.html"
CONFIG = "config.json"
ASSETS = "assets"
"""Folder of files whose names change with their content: kept by browsers for good."""
COMPRESSED = ("text/", "application/json", "application/javascript", "image/svg+xml")
TYPES = {".js": "text/javascript", ".woff2": "font/woff2", ".webp": "image/webp"}
"""Not every machine's list of types has them."""


@dataclass(frozen=True, kw_only=True)
class Page:
    """One stack's page: files of `dist`, and `config`, which `make up` writes.

    backend_url, sign_in_url: what the page may talk to besides itself.
    """

    dist: Path
    config: Path
    port: int
    backend_url: str
    sign_in_url: str


PAGE = web.AppKey("page", Page)


async def listen(page: Page) -> web.AppRunner:
    """Start serving in the running loop; `cleanup()` ends it. Raises OSError when the port is taken."""
    app = web.Application()
    app[PAGE] = page
    app.router.add_get("/{path:.*}", _serve)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=DRAIN_S)
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, page.port, reuse_address=True).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


async def _serve(request: web.Request) -> web.StreamResponse:
    page = request.app[PAGE]
    file = _file(page, request.match_info["path"])
    headers = contract.page_headers(page.backend_url, page.sign_in_url)
    if file is None:
        text = "There is nothing here. The page itself is built by `make up` (tools/page.sh)."
        return web.Response(status=404, text=text, headers=headers)
    is_asset = file.parent == page.dist / ASSETS
    headers["Cache-Control"] = "public, max-age=31536000, immutable" if is_asset else "no-cache"
    kind = TYPES.get(file.suffix) or mimetypes.guess_type(file.name)[0] or "application/octet-stream"
    answer = web.Response(body=file.read_bytes(), content_type=kind, headers=headers)
    if kind.startswith(COMPRESSED):
        answer.enable_compression()
    return answer


def _file(page: Page, path: str) -> Path | None:
    """The file at a path; the page itself at every address that looks like none, as Amplify's rule has it."""
    if path == CONFIG:
        return page.config if page.config.is_file() else None
    wanted = (page.dist / path).resolve()
    if not wanted.is_relative_to(page.dist.resolve()):
        return None
    if wanted.is_file():
        return wanted
    index = page.dist / SINGLE_PAGE
    return index if "." not in path and index.is_file() else None
