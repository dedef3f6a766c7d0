"""CloudFront's stand-in: an HTTP proxy on this machine before each stack's backend.

It adds the header that the emulated distribution declares for its origin, and passes on everything but Host, as the
distribution's policies say; answers are streamed. No TLS, no cache: browsers trust 127.0.0.1 as they trust HTTPS.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import aiohttp
import boto3.session
from aiohttp import web

import contract
from sandbox.machines.addresses import LOOPBACK

READ_TIMEOUT_S = 60.0
"""As the distribution's origin read timeout (components/edge.py): a silent answer is given up after it."""
CONNECT_TIMEOUT_S = 5.0
HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization"),
        *("te", "trailer", "transfer-encoding", "upgrade", "host"),
    )
)


@dataclass(frozen=True)
class Edge:
    """The proxy of one stack: listens on `port`, passes on to `backend_port` with `headers` added."""

    stack: str
    port: int
    backend_port: int
    headers: dict[str, str]


class Edges:
    """All proxies of one emulator, on one event loop in a thread."""

    def __init__(self, endpoint: str, region: str, port_of: Callable[[str], int]) -> None:
        self._cloudfront: Any = boto3.session.Session(region_name=region).client(
            "cloudfront", endpoint_url=endpoint
        )
        self._port_of = port_of
        self._running: dict[str, tuple[Edge, web.AppRunner]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="edges", daemon=True).start()

    def follow(self) -> None:
        """Make the proxies those of the distributions that there are now."""
        wanted = {edge.stack: edge for edge in self._declared()}
        for stack in [stack for stack, (edge, _) in self._running.items() if wanted.get(stack) != edge]:
            self._wait(self._running.pop(stack)[1].cleanup())
        for stack, edge in wanted.items():
            if stack not in self._running:
                self._running[stack] = (edge, self._wait(_listen(edge)))

    def _declared(self) -> list[Edge]:
        listed = self._cloudfront.list_distributions()["DistributionList"].get("Items", [])
        return [edge for one in listed if (edge := self._edge(one))]

    def _edge(self, summary: dict[str, Any]) -> Edge | None:
        tags = self._cloudfront.list_tags_for_resource(Resource=summary["ARN"])["Tags"]["Items"]
        stack = {tag["Key"]: tag["Value"] for tag in tags}.get(contract.TAG_STACK)
        if not stack or not summary.get("Enabled"):
            return None
        origin = summary["Origins"]["Items"][0]
        added = origin.get("CustomHeaders", {}).get("Items", [])
        return Edge(
            stack,
            self._port_of(f"{stack}/edge"),
            self._port_of(f"{stack}/backend"),
            {one["HeaderName"]: one["HeaderValue"] for one in added},
        )

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)


async def _listen(edge: Edge) -> web.AppRunner:
    app = web.Application(client_max_size=1 << 30)
    app.cleanup_ctx.append(_session)
    app["edge"] = edge
    app.router.add_route("*", "/{path:.*}", _pass_on)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, edge.port, reuse_address=True).start()
    return runner


async def _session(app: web.Application) -> AsyncIterator[None]:
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=READ_TIMEOUT_S)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(timeout=timeout, connector=connector, auto_decompress=False) as session:
        app["session"] = session
        yield


async def _pass_on(request: web.Request) -> web.StreamResponse:
    edge: Edge = request.app["edge"]
    session: aiohttp.ClientSession = request.app["session"]
    headers = [(name, value) for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP]
    body = request.content if request.body_exists else None
    try:
        async with session.request(
            request.method,
            f"http://{LOOPBACK}:{edge.backend_port}{request.raw_path}",
            headers=[*headers, *edge.headers.items()],
            data=body,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Content-Type"),
        ) as answer:
            return await _stream(request, answer)
    except aiohttp.ServerTimeoutError:
        return _failed(504, "the backend does not answer in time")
    except aiohttp.ClientConnectorError:
        return _failed(502, "the backend is not there")
    except (aiohttp.ClientError, ConnectionError):
        return _failed(502, "the backend broke the connection off")


async def _stream(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    response = web.StreamResponse(status=answer.status, reason=answer.reason)
    for name, value in answer.headers.items():
        if name.lower() not in HOP_BY_HOP:
            response.headers.add(name, value)
    await response.prepare(request)
    try:
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
    except (aiohttp.ClientError, ConnectionError, TimeoutError):
        # The head is out: all that can be told is that the rest is missing.
        if request.transport:
            request.transport.abort()
    return response


def _failed(status: int, detail: str) -> web.Response:
    body = {
        "type": "about:blank",
        "title": "The edge",
        "status": status,
        "detail": f"{detail} (CloudFront's stand-in)",
    }
    return web.json_response(body, status=status, content_type="application/problem+json")
