"""Names that two parts of the house must agree on, written down once. Pure constants: imports nothing of ours.

What the backend's JavaScript must know too stands in `app/contract.json`, and is read from there.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Any

_SHARED: dict[str, Any] = json.loads((Path(__file__).parent / "app" / "contract.json").read_text())

PROJECT = "sd-app"
STACK_PATTERN = r"[a-z][a-z0-9]{0,11}"
"""Short enough that `sd-app-<stack>-<role>` plus Pulumi's suffix stays inside every service's limit."""

FRONTEND_ROOT = "app/frontend"
"""Folder of the page in the repository (Amplify's monorepo root)."""

FRONTEND_CONFIG_VARIABLE = "SD_APP_FRONTEND_CONFIG"
"""Amplify's environment variable with the page's config, as JSON; the build writes `config.json` of it."""

KINDS: tuple[str, ...] = tuple(_SHARED["kinds"])
"""The kinds of generation: from words, or from a drawing. A queue and a ComfyUI server for each."""

COMFYUI_PORTS: dict[str, int] = _SHARED["comfyUiPorts"]
BACKEND_PORT: int = _SHARED["backendPort"]
ORIGIN_SECRET_HEADER: str = _SHARED["originSecretHeader"]
"""CloudFront adds it to every request; the backend answers nobody who lacks it."""

MODELS_PREFIX: str = _SHARED["prefixes"]["models"]
LORAS_PREFIX: str = _SHARED["prefixes"]["loras"]
DATASETS_PREFIX: str = _SHARED["prefixes"]["datasets"]
OUTPUTS_PREFIX: str = _SHARED["prefixes"]["outputs"]
BUCKET_PREFIXES = (MODELS_PREFIX, LORAS_PREFIX, DATASETS_PREFIX, OUTPUTS_PREFIX)

NOTEBOOK_PACKAGE = f"{DATASETS_PREFIX}.notebook/training.tar.gz"
"""Key of the package `training/` for the notebook, which brings it at each start (cloud_init/jupyter-lab-kohya.sh)."""

ML_SERVER = "ml-server"
BACKEND = "backend"
NOTEBOOK = "notebook"
NAT = "nat"
TRAINING = "training"

READY_STATES = ("pending", "running", "ready", "failed")
"""Values of `state` in a machine's readiness record."""

DISK_METRIC = "DiskUsedPercent"
GPU_MEMORY_METRIC = "GpuMemoryUsedPercent"
ROLE_DIMENSION = "Role"
"""Metrics that each machine sends every minute to its stack's namespace, by its role."""

TAG_PROJECT = "Project"
TAG_STACK = "Stack"

GENERATIONS_OWNER_INDEX: str = _SHARED["indexes"]["byOwner"]
"""Index of the generations table: partition `owner`, sort `createdAt` (ISO 8601)."""
GENERATIONS_QUEUE_INDEX: str = _SHARED["indexes"]["byQueue"]
"""Index of the unfinished ones: partition `queue` (the kind; the attribute goes when the state is final), sort
`createdAt`."""
GENERATIONS_QUEUE_INDEX_ATTRIBUTES: tuple[str, ...] = tuple(_SHARED["byQueueAttributes"])
"""What that index holds besides the keys: all that is asked of it, and no recipe, which would be written anew with every
change of state."""
UNFINISHED_STATES: tuple[str, ...] = tuple(_SHARED["states"]["unfinished"])
FINAL_STATES: tuple[str, ...] = tuple(_SHARED["states"]["final"])


@dataclass(frozen=True)
class Limit:
    """A limit of the API: its default, the bounds of a setting for it (both allowed), its unit and a sentence."""

    default: int
    minimum: int
    maximum: int
    unit: str
    told: str


LIMITS = {name: Limit(**one) for name, one in _SHARED["limits"].items()}
"""By the setting's name; the backend's environment has them by `limit_variable`."""


def limit_variable(name: str) -> str:
    """The environment variable of a limit: `LIMIT_PROMPT_CHARACTERS` of `promptCharacters`."""
    return "LIMIT_" + re.sub(r"(?=[A-Z])", "_", name).upper()


def page_headers(backend_url: str, sign_in_url: str) -> dict[str, str]:
    """Headers that the page is served with, on Amplify and on this machine: it may call itself, the backend and the
    user pool's address, and nobody else."""
    headers: dict[str, str] = json.loads((Path(__file__).parent / FRONTEND_ROOT / "headers.json").read_text())
    origins = {"backend": backend_url, "signIn": sign_in_url}
    return {name: Template(value).substitute(origins) for name, value in headers.items()}


def prefix(stack: str) -> str:
    """Beginning of every name of a stack: `sd-app-dev`."""
    return f"{PROJECT}-{stack}"


def parameter_path(stack: str, *parts: str) -> str:
    """Name of an SSM parameter of the stack: `/sd-app/dev/machines/backend/boot`."""
    return "/" + "/".join((PROJECT, stack, *parts))


def outputs_parameter(stack: str) -> str:
    """Parameter that holds all stack outputs as one JSON object; what `ops` reads first."""
    return parameter_path(stack, "outputs")


def boot_parameter(stack: str, role: str) -> str:
    """Parameter that holds a machine's readiness record."""
    return parameter_path(stack, "machines", role, "boot")


def styles_parameter(stack: str) -> str:
    """Parameter in which the ML server tells which styles lie there and are offered (cloud_init/ml-server/model_sync.py)."""
    return parameter_path(stack, "machines", ML_SERVER, "styles")


def notebook_name(stack: str) -> str:
    """SageMaker's name for the notebook, unique in the account."""
    return f"FineTuneNotebookInstance-{stack}"


def training_job_prefix(stack: str) -> str:
    """Beginning of the names of the stack's training jobs; their role may write no other job's log."""
    return f"{prefix(stack)}-"


def log_group(stack: str, role: str) -> str:
    """CloudWatch log group of a role."""
    return parameter_path(stack, role)


def metric_namespace(stack: str) -> str:
    """CloudWatch namespace of the stack's own metrics; roles may write to no other."""
    return f"{PROJECT}/{stack}"
