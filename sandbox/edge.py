"""CloudFront's stand-in: an HTTP proxy on this machine before each stack's backend, with the stack's page beside it.

It adds the header that the emulated distribution declares for its origin, whatever the viewer sent under that name, and
passes on all else but Host, as the distribution's policies say; answers are streamed. No TLS, no cache: browsers trust
127.0.0.1 as they trust HTTPS.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
import boto3.session
from aiohttp import web
from yarl import URL

import contract
from sandbox import page
from sandbox.machines.addresses import LOOPBACK

START_LIMIT_S = 10.0
"""Longest that a proxy may take to begin or to end."""
DRAIN_S = 0.5
"""How long open streams may go on when a proxy ends."""
HOP_BY_HOP = frozenset(
    (
        *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection"),
        *("te", "trailer", "transfer-encoding", "upgrade", "host"),
    )
)
"""What belongs to one connection and not to the message (RFC 9110, 7.6.1), and Host."""
_Found = TypeVar("_Found")


@dataclass(frozen=True, kw_only=True)
class Edge:
    """The proxy of one stack: listens on `port`, passes on to `backend_port` with `headers` added.

    read_timeout_s: an origin that says nothing for so long is given up; connect_timeout_s: one that doesn't connect.
    """

    stack: str
    port: int
    backend_port: int
    headers: dict[str, str]
    read_timeout_s: float
    connect_timeout_s: float


EDGE = web.AppKey("edge", Edge)
SESSION = web.AppKey("session", aiohttp.ClientSession)


class Edges:
    """All proxies and pages of one emulator, on one event loop in a thread.

    dist: the built page; configs: folder of each stack's config of it.
    """

    def __init__(
        self, endpoint: str, region: str, port_of: Callable[[str], int], *, dist: Path, configs: Path
    ) -> None:
        session: Any = boto3.session.Session(region_name=region)
        self._cloudfront: Any = session.client("cloudfront", endpoint_url=endpoint)
        self._endpoint, self._port_of, self._dist, self._configs = endpoint, port_of, dist, configs
        self._running: dict[str, tuple[Edge, list[web.AppRunner]]] = {}
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="edges", daemon=True).start()

    def follow(self) -> None:
        """Make the proxies those of the distributions that there are now. Raises OSError when one can't listen."""
        wanted = {edge.stack: edge for edge in self._declared()}
        for stack in [stack for stack, (edge, _) in self._running.items() if wanted.get(stack) != edge]:
            self._wait(_end(self._running.pop(stack)[1]))
        for stack, edge in wanted.items():
            if stack not in self._running:
                self._running[stack] = (edge, self._wait(self._begin(edge)))

    def close(self) -> None:
        """End all of them."""
        for _, runners in self._running.values():
            self._wait(_end(runners))
        self._running.clear()
        self._loop.call_soon_threadsafe(self._loop.stop)

    async def _begin(self, edge: Edge) -> list[web.AppRunner]:
        """The proxy and the page beside it: both, or neither."""
        proxy = await listen(edge)
        try:
            served = page.Page(
                dist=self._dist,
                config=self._configs / f"{edge.stack}.json",
                port=self._port_of(f"{edge.stack}/page"),
                backend_url=f"http://{LOOPBACK}:{edge.port}",
                sign_in_url=self._endpoint,
            )
            return [proxy, await page.listen(served)]
        except OSError:
            await proxy.cleanup()
            raise

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
            stack=stack,
            port=self._port_of(f"{stack}/edge"),
            backend_port=self._port_of(f"{stack}/backend"),
            headers={one["HeaderName"]: one["HeaderValue"] for one in added},
            read_timeout_s=float(origin["CustomOriginConfig"]["OriginReadTimeout"]),
            connect_timeout_s=float(origin["ConnectionTimeout"]),
        )

    def _wait(self, work: Coroutine[Any, Any, _Found]) -> _Found:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(START_LIMIT_S)


async def _end(runners: list[web.AppRunner]) -> None:
    for runner in runners:
        await runner.cleanup()


async def listen(edge: Edge) -> web.AppRunner:
    """Start the proxy in the running loop; `cleanup()` ends it. Raises OSError when the port is taken."""
    app = web.Application(client_max_size=0)
    app.cleanup_ctx.append(_session)
    app[EDGE] = edge
    app.router.add_route("*", "/{path:.*}", _pass_on)
    runner = web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,  # a viewer that leaves ends the stream from the backend at once
        shutdown_timeout=DRAIN_S,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, LOOPBACK, edge.port, reuse_address=True).start()
    except OSError:
        await runner.cleanup()
        raise
    return runner


async def _session(app: web.Application) -> AsyncIterator[None]:
    edge = app[EDGE]
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(
            total=None, sock_connect=edge.connect_timeout_s, sock_read=edge.read_timeout_s
        ),
        connector=aiohttp.TCPConnector(limit=0),
        cookie_jar=aiohttp.DummyCookieJar(),  # one viewer's cookies are none of another's
        auto_decompress=False,
    ) as session:
        app[SESSION] = session
        yield


async def _pass_on(request: web.Request) -> web.StreamResponse:
    edge = request.app[EDGE]
    if not request.raw_path.startswith("/"):
        return _failed(400, "the request names no path")
    own = {name.lower() for name in edge.headers}
    headers = [
        (name, value)
        for name, value in request.headers.items()
        if name.lower() not in HOP_BY_HOP and name.lower() not in own
    ]
    try:
        async with request.app[SESSION].request(
            request.method,
            # As the viewer wrote it: what a path means is the backend's to say.
            URL(f"http://{LOOPBACK}:{edge.backend_port}{request.raw_path}", encoded=True),
            headers=[*headers, *edge.headers.items()],
            data=request.content if request.body_exists else None,
            allow_redirects=False,
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
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
    with suppress(aiohttp.ClientError, ConnectionError, TimeoutError):
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response
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
