"""What the browser's tests stand on: a running local stack with its page, and a door by which they work on it.

The tests are JavaScript (playwright-core drives Chromium). What only Python can do, such as making users or stopping
the GPU, they ask for over HTTP.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from ops import machines, train
from tests.stack.studio import PASSWORD, ROOT, Studio, call, studio, until
from tests.training.ground import PICTURES, room
from tools import local_page
from tools.api_client import Api
from tools.first_pictures import draw_room

HERE = Path(__file__).parent
NODE = ROOT / ".venv" / "bin" / "node"
SANDBOX = {
    # A sampling step takes so long: slow enough that a browser can be seen following it.
    "SANDBOX_SECONDS_PER_STEP": "0.08",
    # moto takes any code of an authenticator app unless it is told to check it.
    "MOTO_COGNITO_IDP_USER_POOL_ENABLE_TOTP": "true",
}
"""Environment that the stack is brought up in."""


def browser() -> str | None:
    """Chromium: the system's, else Playwright's own (tools/browser.sh gets one); None without any."""
    if found := shutil.which("chromium") or shutil.which("chromium-browser"):
        return found
    told = subprocess.run(
        [NODE, "--print", "require('playwright-core').chromium.executablePath()"],
        cwd=ROOT / "app" / "frontend",
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return told if told and Path(told).is_file() else None


CHROMIUM = browser()


@dataclass
class Door:
    """Does for the tests what they cannot do themselves; one method an action, with the request's JSON."""

    running: Studio
    endpoint: str

    def designer(self, said: dict[str, Any]) -> dict[str, Any]:
        """Make a user. temporary: with a password that has to be changed at the first sign-in."""
        name = str(said["name"])
        email = f"{name}@example.com"
        if not said.get("temporary"):
            self.running.designer(name)
            return {"email": email, "password": PASSWORD}
        first = "Temporary-pass-1"
        self.running.stack.client("cognito-idp").admin_create_user(
            UserPoolId=self.running.outputs["userPoolId"],
            Username=email,
            TemporaryPassword=first,
            MessageAction="SUPPRESS",
        )
        return {"email": email, "password": first}

    def pictures(self, said: dict[str, Any]) -> list[str]:
        """Make pictures for a user, one for each wish, and wait for them unless `begun` is enough; their ids."""
        api = self._api(str(said["email"]))
        small = {"width": 256, "height": 256, "steps": 2}
        ids = [api.generate({**small, **wish}) for wish in said["wishes"]]
        for one in [] if said.get("begun") else ids:
            assert api.follow(one, lambda name, data: None, 120)["state"] == "succeeded"
        return ids

    def drawn_picture(self, said: dict[str, Any]) -> list[str]:
        """Make a picture that follows a drawing of a room."""
        sketch = self._api(str(said["email"])).upload(draw_room())
        wish = {"prompt": said["prompt"], "sketchId": sketch, "width": 512, "height": 512, "steps": 12}
        return self.pictures({"email": said["email"], "wishes": [wish]})

    def train(self, said: dict[str, Any]) -> dict[str, Any]:
        """Train a style, as `ops loras train` does, and publish it; its sidecar."""
        name = str(said["name"])
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            for at in range(PICTURES):
                room(at, 640, 520).save(folder / f"{at}.png")
            args = train.TrainArgs(
                name=name,
                images=folder,
                settings={"trigger": str(said["trigger"]), "steps": "18", "epochs": "2"},
                title=str(said["title"]),
                out=folder / "trained",
                publish=True,
                poll_s=0.5,
            )
            assert train.run(self.running.stack, args, json=True) == 0
        bucket = self.running.outputs["bucketName"]
        key = f"loras/{name}-v1.json"
        return json.loads(self.running.stack.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())

    def share(self, said: dict[str, Any]) -> str:
        """Token of a link to a picture for so many seconds."""
        return self._api(str(said["email"])).share(str(said["id"]), int(said["seconds"]))

    def put_to_sleep(self, said: dict[str, Any]) -> None:
        """Stop the GPU machine, as an operator does, until the API tells that it sleeps."""
        api = self._api(str(said["email"]))
        machines.run(self.running.stack, machines.SwitchArgs(role="ml-server", goal="stopped"), json=False)
        until(
            "the API tells that the GPU sleeps",
            lambda: json.loads(api.fetch("/api/status"))["gpu"]["state"] == "asleep",
            60,
        )

    def lack_memory(self, said: dict[str, Any]) -> None:
        """Let ComfyUI run out of memory so many times."""
        url = f"{self.running.comfyui('text')}/_emulator/faults"
        call("POST", url, {"out_of_memory": {"count": said["count"]}})

    def hang(self, said: dict[str, Any]) -> None:
        """Let ComfyUI stand still at a step, or go on."""
        url = f"{self.running.comfyui('text')}/_emulator/faults"
        if said["on"]:
            call("POST", url, {"hang": {"step": said["step"], "count": 1}})
        else:
            call("DELETE", url)

    def kill(self, said: dict[str, Any]) -> int:
        """kill -9 a program of a machine by what its command line has."""
        return self.running.kill(str(said["mark"]))

    def require_authenticator(self, said: dict[str, Any]) -> None:
        """Let the user pool ask everybody for an authenticator app at the first sign-in, or let it be as it was."""
        self.running.stack.client("cognito-idp").set_user_pool_mfa_config(
            UserPoolId=self.running.outputs["userPoolId"],
            SoftwareTokenMfaConfiguration={"Enabled": True},
            MfaConfiguration="ON" if said["on"] else "OPTIONAL",
        )

    def _api(self, email: str) -> Api:
        answer = self.running.stack.client("cognito-idp").initiate_auth(
            AuthFlow="USER_PASSWORD_AUTH",
            ClientId=self.running.outputs["userPoolClientId"],
            AuthParameters={"USERNAME": email, "PASSWORD": PASSWORD},
        )
        return Api(self.running.made.url, answer["AuthenticationResult"]["AccessToken"])


@contextmanager
def open_door(door: Door) -> Generator[str]:
    """Serve it on this machine; its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            said = json.loads(self.rfile.read(length) or b"{}")
            try:
                action: Callable[[dict[str, Any]], Any] = getattr(door, self.path.strip("/"))
                status, answer = 200, action(said)
            except Exception as error:  # told to the test, which fails with it
                status, answer = 500, f"{type(error).__name__}: {error}"
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()


@contextmanager
def page(cli: Path, folder: Path) -> Generator[dict[str, str]]:
    """Bring a stack up with its page; the environment that the JavaScript needs."""
    subprocess.run([ROOT / "tools" / "node.sh", "frontend"], check=True)
    subprocess.run([ROOT / "tools" / "page.sh"], check=True)
    with studio(cli, folder) as running:
        endpoint = str(running.stack.endpoint)
        address = local_page.publish(folder, "local", endpoint, running.outputs)
        with open_door(Door(running, endpoint)) as door:
            yield {
                "PAGE_URL": address,
                "API_URL": running.made.url,
                "DOOR_URL": door,
                "CHROMIUM": str(CHROMIUM),
            }


def run(script: list[str], environment: dict[str, str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """Node.js in this folder, with what it said."""
    return subprocess.run(
        [str(NODE), *script],
        cwd=HERE,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=limit_s,
        check=False,
    )
