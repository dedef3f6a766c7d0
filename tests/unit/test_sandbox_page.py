"""The page's stand-in server: what Amplify would answer, with the same headers; the stack's config; never another file."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from yarl import URL

import contract
from sandbox.machines.addresses import free_port
from sandbox.page import Page, listen

Ask = Callable[[aiohttp.ClientSession, str], Coroutine[Any, Any, None]]


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    made = tmp_path / "dist"
    (made / "assets").mkdir(parents=True)
    (made / "index.html").write_text("<!doctype html>the page")
    (made / "assets" / "main-1a2b.js").write_text("let x = 1;" * 500)
    (tmp_path / "secret.txt").write_text("secret")
    return made


def served(dist: Path, ask: Ask) -> None:
    """Run `ask(session, the page's address)`."""

    async def run() -> None:
        page = Page(
            dist=dist,
            config=dist.parent / "config" / "local.json",
            port=free_port(),
            backend_url="http://127.0.0.1:1111",
            sign_in_url="http://127.0.0.1:2222",
        )
        runner = await listen(page)
        try:
            async with aiohttp.ClientSession() as session:
                await asyncio.wait_for(ask(session, f"http://127.0.0.1:{page.port}"), 20)
        finally:
            await runner.cleanup()

    asyncio.run(run())


@pytest.mark.parametrize("path", ["/", "/pictures", "/shared/abc_-9"])
def test_every_address_that_is_no_file_is_the_page(dist: Path, path: str) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url + path) as answer:
            assert (answer.status, await answer.text()) == (200, "<!doctype html>the page")
            assert answer.content_type == "text/html"
            assert answer.headers["Cache-Control"] == "no-cache"

    served(dist, ask)


def test_headers_are_those_that_amplify_sends_with_this_machines_addresses(dist: Path) -> None:
    wanted = contract.page_headers("http://127.0.0.1:1111", "http://127.0.0.1:2222")
    assert (
        "connect-src 'self' http://127.0.0.1:1111 http://127.0.0.1:2222;" in wanted["Content-Security-Policy"]
    )

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        for path in ("/", "/assets/main-1a2b.js", "/missing.js"):
            async with session.get(url + path) as answer:
                assert {name: answer.headers.get(name) for name in wanted} == wanted

    served(dist, ask)


def test_assets_are_compressed_and_kept_for_good(dist: Path) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        headers = {"Accept-Encoding": "gzip"}
        async with session.get(f"{url}/assets/main-1a2b.js", headers=headers) as answer:
            assert answer.headers["Content-Encoding"] == "gzip"
            assert int(answer.headers["Content-Length"]) < 500
            assert (await answer.text()).startswith("let x = 1;")
            assert answer.content_type == "text/javascript"
            assert "immutable" in answer.headers["Cache-Control"]

    served(dist, ask)


def test_the_config_is_the_stacks_own_and_missing_until_it_is_written(dist: Path) -> None:
    (dist / "config.json").write_text('{"stack": "of the build"}')

    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(f"{url}/config.json") as answer:
            assert answer.status == 404
        (dist.parent / "config").mkdir()
        (dist.parent / "config" / "local.json").write_text('{"stack": "local"}')
        async with session.get(f"{url}/config.json") as answer:
            assert await answer.json() == {"stack": "local"}

    served(dist, ask)


@pytest.mark.parametrize("path", ["/../secret.txt", "/%2e%2e/secret.txt", "/assets/..%2f..%2fsecret.txt"])
def test_nothing_beside_the_build_is_served(dist: Path, path: str) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(URL(url + path, encoded=True)) as answer:
            assert answer.status == 404 or b"secret" not in await answer.read()

    served(dist, ask)


def test_a_page_that_is_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    async def ask(session: aiohttp.ClientSession, url: str) -> None:
        async with session.get(url) as answer:
            assert answer.status == 404
            assert "make up" in await answer.text()

    served(tmp_path / "nothing", ask)
