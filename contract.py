"""Names that two parts of the house must agree on, written down once. Pure constants: imports nothing of ours."""

PROJECT = "sd-app"
STACK_PATTERN = r"[a-z][a-z0-9]{0,11}"
"""Short enough that `sd-app-<stack>-<role>` plus Pulumi's suffix stays inside every service's limit."""

FRONTEND_ROOT = "app/frontend"
"""Folder of the page in the repository (Amplify's monorepo root)."""

FRONTEND_CONFIG_VARIABLE = "SD_APP_FRONTEND_CONFIG"
"""Amplify's environment variable with the page's config, as JSON; the build writes `config.json` of it."""

KINDS = ("text", "sketch")
"""The kinds of generation: from words, or from a drawing. A queue and a ComfyUI server for each."""

COMFYUI_PORTS = {"text": 8188, "sketch": 8189}
BACKEND_PORT = 3000
ORIGIN_SECRET_HEADER = "X-Origin-Secret"
"""CloudFront adds it to every request; the backend answers nobody who lacks it."""

MODELS_PREFIX = "models/"
LORAS_PREFIX = "loras/"
DATASETS_PREFIX = "datasets/"
OUTPUTS_PREFIX = "outputs/"
BUCKET_PREFIXES = (MODELS_PREFIX, LORAS_PREFIX, DATASETS_PREFIX, OUTPUTS_PREFIX)

ML_SERVER = "ml-server"
BACKEND = "backend"
NOTEBOOK = "notebook"
NAT = "nat"

READY_STATES = ("pending", "running", "ready", "failed")
"""Values of `state` in a machine's readiness record."""

DISK_METRIC = "DiskUsedPercent"
GPU_MEMORY_METRIC = "GpuMemoryUsedPercent"
ROLE_DIMENSION = "Role"
"""Metrics that each machine sends every minute to its stack's namespace, by its role."""

TAG_PROJECT = "Project"
TAG_STACK = "Stack"

GENERATIONS_OWNER_INDEX = "byOwner"
"""Index of the generations table: partition `owner`, sort `createdAt` (ISO 8601)."""


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


def notebook_name(stack: str) -> str:
    """SageMaker's name for the notebook, unique in the account."""
    return f"FineTuneNotebookInstance-{stack}"


def log_group(stack: str, role: str) -> str:
    """CloudWatch log group of a role."""
    return parameter_path(stack, role)


def metric_namespace(stack: str) -> str:
    """CloudWatch namespace of the stack's own metrics; roles may write to no other."""
    return f"{PROJECT}/{stack}"
