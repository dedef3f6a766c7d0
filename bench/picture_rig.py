"""What the figures of pictures are taken from: backend, worker, ComfyUI's emulator and AWS's, as processes of our own on
free ports of this machine. The sandbox's daemon has no part in it."""

from __future__ import annotations

import base64
import gzip
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import moto
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from joserfc import jwt
from joserfc.jwk import RSAKey

import contract
from bench.measure import cpu_s
from sandbox.machines.backend import NODE, programs
from tests.unit.engine import run_program
from tools import emulated_models

ROOT = Path(__file__).resolve().parents[1]
BACKEND = ROOT / "app" / "backend"
STAND_IN = ROOT / "bench" / "aws_stand_in" / "server.mjs"
MOTO = (
    "import sys, time; from sandbox.emulator import serve; "
    "serve('bench', int(sys.argv[1]), list); time.sleep(10**6)"
)
START_LIMIT_S = 60.0
END_LIMIT_S = 30.0
SECRET = "the bench's origin secret"
POOL, CLIENT, REGION, BUCKET = "us-east-1_Bench0000", "bench", "us-east-1", "bench"
TOKEN_S = 6 * 3600
KEYS = Path(moto.__file__).parent / "cognitoidp" / "resources"
"""Keys of moto's user pools, the same in each installation."""

PARTS = ("backend", "worker", "ComfyUI", "AWS")


@dataclass(frozen=True, kw_only=True)
class RigArgs:
    """aws: `stand-in` or `moto`. seconds: that a picture takes. backend: folder of its code.

    profile: folder for Node's CPU profiles of backend and worker, written when they end; None: not profiled.
    """

    aws: str
    seconds: int
    folder: Path
    backend: Path = BACKEND
    profile: Path | None = None

    @property
    def steps(self) -> int:
        """Of a picture. Few where they take no time, so that it isn't their messages alone that are measured."""
        return 20 if self.seconds else 4


@dataclass(frozen=True)
class Rig:
    """Addresses of what runs, and process ids by part."""

    args: RigArgs
    api: str
    comfyui: str
    aws: str
    pids: Mapping[str, int]

    def cpu(self) -> dict[str, float]:
        """Seconds of CPU that each part took so far, and the bench itself."""
        return {part: cpu_s(pid) for part, pid in {**self.pids, "bench": os.getpid()}.items()}


def token(user: str) -> str:
    """An access token as the pool would give it to this user."""
    key: Any = RSAKey.import_key(json.loads(gzip.decompress((KEYS / "jwks-private.json.gz").read_bytes())))
    now = int(time.time())
    claims = {
        "sub": user,
        "iss": f"https://cognito-idp.{REGION}.amazonaws.com/{POOL}",
        "client_id": CLIENT,
        "token_use": "access",
        "iat": now,
        "exp": now + TOKEN_S,
    }
    return str(jwt.encode({"alg": "RS256", "kid": "dummy"}, claims, key))


def event_key() -> str:
    """The key by which the worker tells the API of progress, as app/backend/config.js derives it."""
    derived = HKDF(SHA256(), 32, b"sd-app", b"events of the worker").derive(SECRET.encode())
    return base64.urlsafe_b64encode(derived).rstrip(b"=").decode()


@contextmanager
def running(args: RigArgs) -> Generator[Rig]:
    """All parts, ready; all ended when left, whatever happens. Raises OSError for one that does not start."""
    args.folder.mkdir(parents=True, exist_ok=True)
    ports = {part: _free_port() for part in ("backend", "ComfyUI", "AWS")}
    urls = {part: f"http://127.0.0.1:{port}" for part, port in ports.items()}
    with ExitStack() as parts:
        pids: dict[str, int] = {}

        def start(part: str, argv: Sequence[str], env: Mapping[str, str], probe: str | None) -> None:
            cwd = args.backend if part in ("backend", "worker") else ROOT
            process = parts.enter_context(_process(argv, cwd, env, args.folder / f"{part}.log"))
            pids[part] = process.pid
            if probe:
                _wait(process, probe, args.folder / f"{part}.log")

        plain = _plain_environment()
        start("AWS", _aws(args, ports["AWS"]), plain, f"{urls['AWS']}/{POOL}/.well-known/jwks.json")
        start("ComfyUI", _comfyui(args, ports["ComfyUI"]), plain, f"{urls['ComfyUI']}/system_stats")
        env = {**plain, **_backend_environment(urls["AWS"], ports)}
        node = [NODE] if args.profile is None else [NODE, "--cpu-prof", f"--cpu-prof-dir={args.profile}"]
        probes = {"backend": f"{urls['backend']}/api/health", "worker": None}
        for (part, probe), one in zip(probes.items(), programs(args.backend), strict=True):
            start(part, [*node, *one["node_args"], one["script"]], {**env, **one["env"]}, probe)
        yield Rig(args, urls["backend"], urls["ComfyUI"], urls["AWS"], pids)


def declared_table() -> dict[str, Any]:
    """The table of generations as components/jobs.py declares it, in the words of CreateTable."""
    declared = run_program(
        "local", config={"sd-app:githubToken": "none"}, secret_keys=["sd-app:githubToken"]
    ).inputs_of("aws:dynamodb/table:Table")[0]

    def keys(of: Mapping[str, Any]) -> list[dict[str, str]]:
        named = {"HASH": of["hashKey"], **({"RANGE": of["rangeKey"]} if "rangeKey" in of else {})}
        return [{"AttributeName": name, "KeyType": kind} for kind, name in named.items()]

    return {
        "BillingMode": declared["billingMode"],
        "KeySchema": keys(declared),
        "AttributeDefinitions": [
            {"AttributeName": one["name"], "AttributeType": one["type"]} for one in declared["attributes"]
        ],
        "GlobalSecondaryIndexes": [
            {
                "IndexName": one["name"],
                "KeySchema": keys(one),
                "Projection": {
                    "ProjectionType": one["projectionType"],
                    **({"NonKeyAttributes": one["nonKeyAttributes"]} if one.get("nonKeyAttributes") else {}),
                },
            }
            for one in declared["globalSecondaryIndexes"]
        ],
    }


def _backend_environment(endpoint: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Make table, queues and bucket; the backend's environment with their names."""

    def client(service: str) -> Any:
        return boto3.client(  # pyright: ignore
            service,
            region_name=REGION,
            endpoint_url=endpoint,
            aws_access_key_id="bench",
            aws_secret_access_key="bench",
        )

    client("dynamodb").create_table(TableName="generations", **declared_table())
    urls = {
        name: client("sqs").create_queue(QueueName=name)["QueueUrl"] for name in (*contract.KINDS, "dead")
    }
    client("s3").create_bucket(Bucket=BUCKET)
    limits = {"pictureMinSide": 64, "unfinishedPerUser": contract.LIMITS["unfinishedPerUser"].maximum}
    return {
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "SD_APP_STACK": "bench",
        "BUCKET_NAME": BUCKET,
        "COMFY_UI_ADDRESS": "127.0.0.1",
        "COMFY_UI_TEXT_PORT": str(ports["ComfyUI"]),
        "COMFY_UI_SKETCH_PORT": str(ports["ComfyUI"]),
        "GENERATIONS_TABLE": "generations",
        "TEXT_QUEUE_URL": urls["text"],
        "SKETCH_QUEUE_URL": urls["sketch"],
        "DEAD_LETTER_QUEUE_URL": urls["dead"],
        "USER_POOL_ID": POOL,
        "USER_POOL_CLIENT_ID": CLIENT,
        "ORIGIN_SECRET": SECRET,
        "ML_SERVER_BOOT_PARAMETER": "/bench/ml-server/boot",
        "BACKEND_URL": f"http://127.0.0.1:{ports['backend']}",
        "PORT": str(ports["backend"]),
        "HOST": "127.0.0.1",
        **{contract.limit_variable(name): str(value) for name, value in limits.items()},
    }


def _aws(args: RigArgs, port: int) -> list[str]:
    if args.aws == "moto":
        return [sys.executable, "-c", MOTO, str(port)]
    keys = args.folder / "jwks.json"
    keys.write_bytes(gzip.decompress((KEYS / "jwks-public.json.gz").read_bytes()))
    # Its own copy of Node.js: backend and worker must not seem smaller for sharing its pages.
    return [str(shutil.copy(NODE, args.folder)), str(STAND_IN), str(port), str(keys)]


def _comfyui(args: RigArgs, port: int) -> list[str]:
    base = args.folder / "comfyui"
    emulated_models.write(base / "models")
    where = ["--port", str(port), "--base-directory", str(base), "--models-directory", str(base / "models")]
    # As cloud_init/versions.env has it.
    flags = ["--preview-method", "latent2rgb", "--cache-lru", "8"]
    speed = ["--emulate-seconds-per-step", str(args.seconds / args.steps)]
    return [sys.executable, "-m", "sandbox.comfyui", *where, *flags, *speed]


def _plain_environment() -> dict[str, str]:
    """This process's, without what would lead to another AWS or through a proxy."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("AWS_") and not key.lower().endswith("_proxy")
    }
    return {**kept, "AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench"}


@contextmanager
def _process(
    argv: Sequence[str], cwd: Path, env: Mapping[str, str], log: Path
) -> Generator[subprocess.Popen[bytes]]:
    with log.open("wb") as out:
        process = subprocess.Popen(
            argv, cwd=cwd, env=dict(env), stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    asked = urllib.request.Request(url, headers={contract.ORIGIN_SECRET_HEADER: SECRET})  # noqa: S310  # our own process
    deadline = time.monotonic() + START_LIMIT_S
    while process.poll() is None and time.monotonic() < deadline:
        try:
            direct.open(asked, timeout=5).close()
            return
        except OSError:
            time.sleep(0.1)
    said = log.read_text(errors="replace")[-2000:]
    raise OSError(f"{' '.join(map(str, process.args))[:200]} does not answer at {url}:\n{said}")  # pyright: ignore[reportArgumentType,reportUnknownArgumentType]


def _free_port() -> int:
    """One that is free now, below those that the kernel gives to outgoing connections: a busy machine's may take it."""
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311  # no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
