"""SageMaker's notebook instance for a test: Debian with the user, the folders and the tools that Amazon's image has, and the
start hook that the program rendered.

Amazon Linux is not to be had here, so what differs by name (dnf) is left to it: its Python is there from the beginning.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cloud_init.render import ENVIRONMENT_FILE, NOTEBOOK_START
from tests.boot import clients, machine_root
from tests.boot.account import GIT_HOSTS, STAND_INS, Account, name_of
from tests.boot.container import Container, MachineFailed, until
from tests.boot.stand_ins import VERSIONS, Repository

VOLUME = "/home/ec2-user/SageMaker"
STATE = f"{VOLUME}/.sd-app"
HOOK_LIMIT_S = 300
"""SageMaker ends a hook that takes longer (docs.aws.amazon.com/sagemaker/latest/dg/notebook-lifecycle-config.html)."""
READY_LIMIT_S = 150.0
FIXTURE = Path(__file__).parent / "sd_scripts_fixture"
IMAGE = """
id ec2-user >/dev/null 2>&1 || useradd --create-home ec2-user
install --directory --owner=ec2-user --group=ec2-user /home/ec2-user/SageMaker
export DEBIAN_FRONTEND=noninteractive
apt-get --quiet --yes update
apt-get --quiet --yes install --no-install-recommends git python3-venv
[ -x /opt/aws/bin/aws ] || { python3 -m venv /opt/aws && /opt/aws/bin/pip install --quiet awscli; }
ln -sf /opt/aws/bin/aws /usr/local/bin/aws
"""
"""What Amazon's image has, and the scripts take for granted."""


@dataclass
class Notebook:
    """The stack's notebook, off until `power_on`."""

    account: Account
    folder: Path
    repository: Repository
    container: Container = field(init=False)

    def __post_init__(self) -> None:
        shown = {GIT_HOSTS: self.repository.bare.parent}
        self.container = Container(name_of("notebook"), machine_root.kept(), self.folder, shown)
        address = VERSIONS["SD_SCRIPTS_URL"]
        git = f'[url "file://{GIT_HOSTS}/sd-scripts.git"]\n\tinsteadOf = {address}\n[safe]\n\tdirectory = {GIT_HOSTS}/*\n'
        self.container.place("/etc/gitconfig", git)
        self._variables = clients.configure(self.container.disk)

    @property
    def name(self) -> str:
        return str(self.account.outputs["notebookName"])

    def power_on(self) -> None:
        """Boot, with the image's own things there."""
        self.container.power_on()
        until(
            "systemd is up",
            lambda: self.container.run("systemctl", "is-active", "multi-user.target").returncode == 0,
            60,
        )
        exports = "".join(f"export {key}={value!r}\n" for key, value in self._variables.items())
        self.container.shell(exports + IMAGE, limit_s=300)

    def hook(self) -> str:
        """The start hook as SageMaker has it, with one line of ours: what stands in is said after its files are there."""
        sagemaker = self.account.stack.client("sagemaker")
        found = sagemaker.describe_notebook_instance(NotebookInstanceName=self.name)
        config = sagemaker.describe_notebook_instance_lifecycle_config(
            NotebookInstanceLifecycleConfigName=found["NotebookInstanceLifecycleConfigName"]
        )
        script = base64.b64decode(config["OnStart"][0]["Content"]).decode()
        last = f"exec {NOTEBOOK_START}\n"
        assert script.endswith(last)
        return script.removesuffix(last) + f"cat {STAND_INS} >>{ENVIRONMENT_FILE}\n" + last

    def start(self, values: Mapping[str, str]) -> float:
        """What SageMaker does at each start; seconds that the hook took. MachineFailed when it fails."""
        stand_ins = {
            **self.account.stand_ins(),
            "SD_APP_SKIP_TORCH": "1",
            "SD_SCRIPTS_REF": self.repository.head(),
            **values,
        }
        text = "".join(f'{key}="{value}"\n' for key, value in stand_ins.items())
        self.write(STAND_INS, text)
        self.write("/tmp/hook.sh", self.hook())
        begun = time.monotonic()
        # Without a terminal and with nothing of this environment but the ways out, as SageMaker's agent does.
        exports = [f"{key}={value}" for key, value in self._variables.items()]
        self.container.tell("env", *exports, "bash", "/tmp/hook.sh", limit_s=HOOK_LIMIT_S)
        return time.monotonic() - begun

    def write(self, path: str, text: str) -> None:
        """Write a file of the running machine."""
        encoded = base64.b64encode(text.encode()).decode()
        self.container.shell(f"mkdir -p $(dirname {path}); base64 --decode <<<{encoded} >{path}")

    def has(self, path: str) -> bool:
        return self.container.run("test", "-e", path).returncode == 0

    def log(self) -> str:
        """What the preparation said so far."""
        return self.container.run("cat", f"{STATE}/prepare.log").stdout

    def wait_ready(self) -> None:
        """Until the marker is there. MachineFailed with the preparation's last words."""
        try:
            until("ready", lambda: self.has(f"{STATE}/ready"), READY_LIMIT_S)
        except MachineFailed as error:
            raise MachineFailed(f"{error}; it said:\n{self.log()[-3000:]}") from error

    def status(self) -> str:
        """What SageMaker says."""
        sagemaker = self.account.stack.client("sagemaker")
        return sagemaker.describe_notebook_instance(NotebookInstanceName=self.name)["NotebookInstanceStatus"]


@contextmanager
def notebook(account: Account, folder: Path) -> Generator[Notebook]:
    """A notebook that is off, with a small stand-in of sd-scripts' repository; gone at the end."""
    files = {str(path.relative_to(FIXTURE)): path for path in FIXTURE.rglob("*")}
    made = Notebook(account, folder / "machine", Repository(folder / "git-hosts", "sd-scripts", files))
    try:
        yield made
    finally:
        made.container.remove()
