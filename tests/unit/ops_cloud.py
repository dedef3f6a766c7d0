"""AWS in this process for the tests of `ops`: moto behind real HTTP on loopback, which counts and can break off."""

import io
import json
import threading
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, cast
from urllib.request import Request, urlopen

import boto3.session
import botocore.loaders
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

import contract

STACK = "dev"
REGION = "us-east-1"
BUCKET = "sd-app-s3-dev"
KEYS = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
MIB = 1 << 20

MAKE_LOADER = cast(Callable[[str | None], Any], botocore.loaders.create_loader)

Refuse = Callable[[str, str], bool]
"""Method, path with query -> whether the server answers 503 in place of moto."""


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Say nothing."""


@dataclass(kw_only=True)
class Cloud:
    """The emulated account, what was asked of it, and what it refuses."""

    endpoint: str = ""
    requests: list[str] = field(default_factory=list[str])
    refuse: Refuse = lambda method, path: False
    # S3's conditional writes are atomic; moto's threads know no such thing.
    _conditional: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """WSGI: count, then break off or ask moto."""
        query = environ["QUERY_STRING"]
        path = environ["PATH_INFO"] + (f"?{query}" if query else "")
        self.requests.append(f"{environ['REQUEST_METHOD']} {path}")
        if self.refuse(environ["REQUEST_METHOD"], path):
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        if "HTTP_IF_MATCH" in environ or "HTTP_IF_NONE_MATCH" in environ:
            with self._conditional:
                return _application()(environ, start_response)
        return _application()(environ, start_response)

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client of the test's own; what it asks is counted too."""
        return _session().client(service, region_name=region, endpoint_url=self.endpoint)

    def put_outputs(self, outputs: dict[str, Any]) -> None:
        """The parameter that makes a stack exist."""
        self.put_parameter(contract.outputs_parameter(STACK), json.dumps(outputs))

    def put_boot(self, role: str, **record: str) -> None:
        """A machine's readiness record."""
        self.put_parameter(contract.boot_parameter(STACK, role), json.dumps(record))

    def put_parameter(self, name: str, value: str) -> None:
        """A text parameter, new or changed."""
        self.client("ssm").put_parameter(Name=name, Value=value, Type="String", Overwrite=True)

    def make_bucket(self) -> Any:
        """The stack's bucket, versioned as the program makes it; an S3 client for it."""
        s3 = self.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
        return s3

    def make_machine(self) -> str:
        """A running EC2 instance; its id."""
        ec2 = self.client("ec2")
        made = ec2.run_instances(ImageId="ami-12c6146b", InstanceType="t3.micro", MinCount=1, MaxCount=1)
        return str(made["Instances"][0]["InstanceId"])

    def sent(self, method: str) -> list[str]:
        """Requests of a method that were made so far."""
        return [request for request in self.requests if request.startswith(f"{method} ")]


@cache
def _application() -> Any:
    """Moto's application, made once: its state is the process's anyway."""
    return DomainDispatcherApplication(create_backend_app)


@cache
def _session() -> Any:
    """Made once: it reads each service's description once, which takes longer than most tests."""
    return boto3.session.Session(**KEYS)


@contextmanager
def running_cloud() -> Generator[Cloud]:
    """An empty account, for as long as the block lasts."""
    cloud = Cloud()
    server = make_server("127.0.0.1", 0, cloud, threaded=True, request_handler=_Quiet)
    cloud.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        with urlopen(Request(f"{cloud.endpoint}/moto-api/reset", method="POST")) as answer:
            answer.read()
        cloud.requests.clear()
        yield cloud
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def cloud_for_ops(monkeypatch: pytest.MonkeyPatch) -> Generator[Cloud]:
    """An empty account that `ops` in this process finds."""
    # Every run of a command reads the services' descriptions anew; here one reading is enough for all.
    monkeypatch.setattr(botocore.loaders, "create_loader", _loader)
    with running_cloud() as cloud:
        for name, value in environment(cloud).items():
            monkeypatch.setenv(name, value)
        yield cloud


@cache
def _loader(search_path: str | None = None) -> Any:
    return MAKE_LOADER(search_path)


def environment(cloud: Cloud) -> dict[str, str]:
    """What leads `ops` to this account, and to no file of the person who runs the tests."""
    return {
        "AWS_ENDPOINT_URL": cloud.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": REGION,
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
        "COLUMNS": "80",
    }


def safetensors(data: bytes, **changed: Any) -> bytes:
    """A whole file of one U8 tensor with this data; `changed` overwrites parts of the tensor's entry."""
    entry = {"dtype": "U8", "shape": [len(data)], "data_offsets": [0, len(data)], **changed}
    header = json.dumps({"__metadata__": {"format": "pt"}, "weight": entry}).encode()
    return len(header).to_bytes(8, "little") + header + data


def write_model(folder: Path, name: str, size: int, seed: int = 1) -> Path:
    """A whole .safetensors file of about `size` bytes; another seed, other bytes."""
    block = bytes((seed + position * 7) % 251 for position in range(4096))
    data = io.BytesIO()
    while data.tell() < size:
        data.write(block)
    path = folder / name
    path.write_bytes(safetensors(data.getvalue()[:size]))
    return path
