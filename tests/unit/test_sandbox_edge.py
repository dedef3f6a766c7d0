"""The edge passes on what CloudFront would, adds the origin's header, streams, and says so when the backend is away."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from sandbox_life import moto_server
from yarl import URL

from sandbox.edge import Edge, Edges, listen
from sandbox.machines.addresses import Addresses, free_port, is_free

SECRET = {"X-Origin-Secret": "the-secret"}
BEATS = 3
Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def edge_to(backend_port: int, read_timeout_s: float = 5.0) -> Edge:
    return Edge(
        stack="test",
        port=free_port(),
        backend_port=backend_port,
        headers=SECRET,
        read_timeout_s=read_timeout_s,
        connect_timeout_s=2.0,
    )


def through_the_edge(
    backend: Handler | None,
    ask: Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]],
    read_timeout_s: float = 5.0,
) -> None:
    """Run `ask(session, url of the edge)` with this backend behind the edge; None: nobody listens there."""

    async def run() -> None:
        port = free_port()
        server = web.ServerRunner(web.Server(backend), shutdown_timeout=0.1) if backend else None
        if server:
            await server.setup()
            await web.TCPSite(server, "127.0.0.1", port).start()
        edge = edge_to(port, read_timeout_s)
        runner = await listen(edge)
        try:
            async with aiohttp.ClientSession(auto_decompress=False) as session:
                await asyncio.wait_for(ask(session, f"http://127.0.0.1:{edge.port}"), 20)
        finally:
            await runner.cleanup()
            if server:
                await server.cleanup()

    asyncio.run(run())


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    """What the backend got, as JSON; header names in small letters, all values of each."""
    headers = {name.lower(): request.headers.getall(name) for name in request.headers}
    body = (await request.read()).decode()
    return web.json_response(
        {"method": request.method, "path": request.raw_path, "headers": headers, "body": body},
        headers={"X-Answered-By": "backend", "Set-Cookie": "a=1"},
    )


def test_the_origins_header_is_added_and_a_viewers_own_is_replaced() -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        for headers in ({}, {"X-Origin-Secret": "guess"}, {"x-origin-secret": "guess"}):
            async with session.get(f"{url}/api/health", headers=headers) as answer:
                assert (await answer.json())["headers"]["x-origin-secret"] == ["the-secret"]

    through_the_edge(echo, ask)


def test_method_path_query_headers_and_body_reach_the_backend_as_sent_but_for_host() -> None:
    path = "/api/a%2Fb/..%2f/%7Euser//x?q=1&q=%20two&e="

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        headers = {"Authorization": "Bearer token", "Idempotency-Key": "k", "X-Twice": "1"}
        async with session.post(URL(url + path, encoded=True), headers=headers, data="wish ☂") as answer:
            got = await answer.json()
            assert answer.headers["X-Answered-By"] == "backend"
        assert (got["method"], got["path"], got["body"]) == ("POST", path, "wish ☂")
        assert got["headers"]["authorization"] == ["Bearer token"]
        assert got["headers"]["idempotency-key"] == ["k"]
        assert url.removeprefix("http://") not in got["headers"]["host"], "CloudFront sends the origin's name"

    through_the_edge(echo, ask)


def test_one_viewers_cookie_is_not_sent_for_the_next() -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            assert answer.headers["Set-Cookie"] == "a=1"
        async with aiohttp.ClientSession() as other, other.get(url) as answer:
            assert "cookie" not in (await answer.json())["headers"]

    through_the_edge(echo, ask)


@pytest.mark.parametrize("status", [204, 302, 304, 404, 429, 500])
def test_statuses_and_empty_bodies_pass(status: int) -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=status, headers={"Retry-After": "7", "Location": "/there"})

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        for method in ("GET", "HEAD", "DELETE", "OPTIONS"):
            async with session.request(method, url, allow_redirects=False) as answer:
                assert (answer.status, answer.headers["Retry-After"]) == (status, "7")
                assert await answer.read() == b""

    through_the_edge(backend, ask)


def test_a_compressed_answer_stays_as_it_is() -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"\x1f\x8bnot unpacked", headers={"Content-Encoding": "gzip"})

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert await answer.read() == b"\x1f\x8bnot unpacked"

    through_the_edge(backend, ask)


def test_events_arrive_one_by_one_while_the_stream_is_open() -> None:
    turn = asyncio.Queue[int]()

    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for beat in range(BEATS):
            await response.write(f"data: {beat}\n\n".encode())
            await turn.get()
        return response

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            for beat in range(BEATS):
                read = await asyncio.wait_for(answer.content.readuntil(b"\n\n"), 2)
                assert read == f"data: {beat}\n\n".encode(), "the edge must not hold events back"
                turn.put_nowait(beat)

    through_the_edge(backend, ask)


def test_a_viewer_that_leaves_ends_the_stream_from_the_backend_at_once() -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            await answer.content.readany()
            answer.close()
        await asyncio.wait_for(left.wait(), 2)

    left = asyncio.Event()

    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"hello")
        while request.transport and not request.transport.is_closing():
            await asyncio.sleep(0.02)
        left.set()
        return response

    through_the_edge(backend, ask)


def test_a_large_upload_streams_through() -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        return web.Response(text=str(size))

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.post(url, data=b"x" * 30_000_000) as answer:
            assert await answer.text() == "30000000"

    through_the_edge(backend, ask)


def test_without_a_backend_it_answers_502_in_json() -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(f"{url}/api/health") as answer:
            assert answer.status == 502
            assert answer.content_type == "application/problem+json"
            assert "the backend is not there" in json.loads(await answer.read())["detail"]

    through_the_edge(None, ask)


def test_a_backend_that_breaks_off_before_its_answer_is_a_502() -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        await asyncio.sleep(1)
        return web.Response()

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            assert answer.status == 502
            assert "broke the connection off" in json.loads(await answer.read())["detail"]

    through_the_edge(backend, ask)


def test_an_answer_cut_short_is_cut_short_for_the_viewer_too() -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport
        request.transport.abort()
        return response

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        with pytest.raises(aiohttp.ClientError):
            async with session.get(url) as answer:
                await answer.read()

    through_the_edge(backend, ask)


def test_a_backend_that_stays_silent_is_a_504() -> None:
    async def backend(request: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(3)
        return web.Response()

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            assert answer.status == 504
            assert "in time" in json.loads(await answer.read())["detail"]

    through_the_edge(backend, ask, read_timeout_s=0.3)


def test_a_request_that_names_no_path_is_refused() -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", URL(url).port)
        writer.write(b"GET http://elsewhere/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()

    through_the_edge(echo, ask)


def _distribution(origin_secret: str) -> dict[str, Any]:
    origin = {
        "Id": "backend",
        "DomainName": "ec2.example",
        "CustomHeaders": {
            "Quantity": 1,
            "Items": [{"HeaderName": "X-Origin-Secret", "HeaderValue": origin_secret}],
        },
        "CustomOriginConfig": {
            "HTTPPort": 3000,
            "HTTPSPort": 443,
            "OriginProtocolPolicy": "http-only",
            "OriginReadTimeout": 60,
            "OriginKeepaliveTimeout": 60,
        },
        "ConnectionTimeout": 5,
    }
    return {
        "CallerReference": "x",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": {"TargetOriginId": "backend", "ViewerProtocolPolicy": "https-only"},
    }


def test_the_proxies_are_those_of_the_distributions_that_there_are(tmp_path: Path) -> None:
    with moto_server(tmp_path) as aws:
        cloudfront = aws.client("cloudfront")
        addresses = Addresses(tmp_path / "addresses.json")
        (tmp_path / "index.html").write_text("the page")
        edges = Edges(aws.endpoint, aws.region, addresses.port, dist=tmp_path, configs=tmp_path / "configs")
        try:
            edges.follow()
            assert is_free(addresses.port("dev/edge")), "nothing is declared yet"
            made = cloudfront.create_distribution_with_tags(
                DistributionConfigWithTags={
                    "DistributionConfig": _distribution("first"),
                    "Tags": {"Items": [{"Key": "Stack", "Value": "dev"}]},
                }
            )
            cloudfront.create_distribution(
                DistributionConfig=_distribution("of no stack") | {"CallerReference": "y"}
            )
            edges.follow()
            edges.follow()
            assert json.loads((tmp_path / "addresses.json").read_text()).keys() == {
                "dev/edge",
                "dev/backend",
                "dev/page",
            }
            for part in ("dev/edge", "dev/page"):
                socket.create_connection(("127.0.0.1", addresses.port(part)), 2).close()
            cloudfront.update_distribution(
                Id=made["Distribution"]["Id"],
                IfMatch=made["ETag"],
                DistributionConfig=_distribution("first") | {"Enabled": False},
            )
            edges.follow()
            assert is_free(addresses.port("dev/edge")), "a distribution that is switched off answers nobody"
            assert is_free(addresses.port("dev/page")), "and has no page"
        finally:
            edges.close()
