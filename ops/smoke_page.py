"""What the smoke test asks of the page: that it is there, knows its stack, and has the headers that keep it safe."""

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import contract

LIMIT_S = 30.0
"""Longest that an answer may take."""
CONFIG = "/config.json"


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where the page is, and what it must know; sign_in_url is the user pool's address, which it may call."""

    url: str
    config: Mapping[str, Any]
    sign_in_url: str


@dataclass(frozen=True)
class Answer:
    """What an address gave. Header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def faults(page: Page) -> list[str]:
    """What is wrong with the page, a line each; none when all is well."""
    try:
        front, config = get(page.url + "/"), get(page.url + CONFIG)
    except OSError as error:
        return [f"{page.url} can't be reached: {getattr(error, 'reason', error)}"]
    found = [*_front_faults(front), *_config_faults(config, page.config)]
    return [*found, *_header_faults(front.headers, str(page.config["backendUrl"]), page.sign_in_url)]


def get(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """What the address gives, whatever its status. Raises OSError when nobody answers."""
    request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310  # the stack's own address
    opener = urllib.request.build_opener(*_no_proxy(url))
    try:
        with opener.open(request, timeout=LIMIT_S) as answer:
            return Answer(answer.status, _small(answer.headers), answer.read())
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, _small(error.headers), error.read())


def _no_proxy(url: str) -> list[urllib.request.BaseHandler]:
    """This machine's own addresses are no proxy's."""
    return [urllib.request.ProxyHandler({})] if url.startswith("http://127.0.0.1") else []


def _small(headers: Any) -> dict[str, str]:
    return {str(name).lower(): str(value) for name, value in headers.items()}


def _front_faults(front: Answer) -> list[str]:
    if front.status != 200:
        return [f"/ answers {front.status}"]
    kind = front.headers.get("content-type", "nothing")
    return [] if kind.startswith("text/html") and b"<script" in front.body else [f"/ is no page but {kind}"]


def _config_faults(answer: Answer, wanted: Mapping[str, Any]) -> list[str]:
    try:
        there = json.loads(answer.body) if answer.status == 200 else None
    except ValueError:
        there = None
    if not isinstance(there, dict):
        return [
            f"{CONFIG} answers {answer.status} and is no JSON object: was the page built with its config?"
        ]
    config = cast("dict[str, Any]", there)
    return [
        f"{CONFIG}: {key} is {json.dumps(config.get(key))}, the stack says {json.dumps(wanted.get(key))}"
        for key in sorted({*config, *wanted})
        if config.get(key) != wanted.get(key)
    ]


def _header_faults(headers: Mapping[str, str], backend_url: str, sign_in_url: str) -> list[str]:
    wanted = contract.page_headers(backend_url, sign_in_url)
    return [
        f"header {name} is {json.dumps(headers.get(name.lower()))}, not {json.dumps(value)}"
        for name, value in wanted.items()
        if headers.get(name.lower()) != value
    ]
