"""How much a stack is used, and what each use takes of AWS: the numbers that dollars follow from besides prices.

What is not measured says so. Sizes in decimal GB, as AWS bills transfers; of a picture of 512 x 512.
"""

from dataclasses import dataclass, replace

from instance_types import GPU_TYPES
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class Usage:
    """A month of a studio. `market`: spot or on-demand for the ML server, whatever the settings say; None: as they do."""

    pictures_a_day: float = 300
    hours_a_day: float = 8
    """Hours in which the ML server has work before its idle stop comes."""
    days_a_month: int = 22
    loras_a_month: float = 2
    notebook_hours: float = 8
    """Hours a month in which somebody works in the notebook."""
    people: int = 5
    picture_seconds: float | None = None
    """The GPU's time for a picture; None: by its kind."""
    lora_minutes: float = 25
    """Billed minutes of a training job."""
    market: str | None = None

    @property
    def pictures(self) -> float:
        """Pictures a month."""
        return self.pictures_a_day * self.days_a_month


IDLE = Usage(pictures_a_day=0, hours_a_day=0, days_a_month=0, loras_a_month=0, notebook_hours=0, people=0)
"""Nobody works."""

TRIAL = Usage(pictures_a_day=40, hours_a_day=2, days_a_month=10, loras_a_month=1, notebook_hours=0, people=2)
"""Somebody tries things out now and then."""


def usual(settings: Settings) -> Usage:
    """The month that a stack is made for: as its settings say; of what they don't, a studio's where its data is protected,
    else somebody's who tries things out."""
    said = {name: value for name, value in settings.usage.model_dump().items() if value is not None}
    return replace(Usage() if settings.storage.protect_data else TRIAL, **said)


GPU_SECONDS = {"T4": 6.0, "A10G": 4.0, "L4": 4.0}
"""A picture of 512 x 512 in 25 steps with everything around it (decoding, PNG, transport). T4: 4.9 steps a second with
ControlNet (diffusers' documentation, optimization/torch2.0), so 5 s and one for the rest. A10G: 2 to 4.6 s were published
(cerebrium.ai 2022, lightning.ai 2023). L4: taken to be as quick; no figure was found. Not measured here: there is no GPU."""


def picture_seconds(usage: Usage, instance_type: str) -> float:
    """GPU seconds of one picture on a type of machine."""
    if usage.picture_seconds is not None:
        return usage.picture_seconds
    return GPU_SECONDS[GPU_TYPES[instance_type].gpu or ""]


PICTURE_GB = 0.6e-3
"""PNG of 512 x 512, and its preview in WebP."""
VIEWS = 2
"""A picture is loaded through the API so often; a browser keeps it (docs/decisions/0011)."""
MODELS_GB = 5
"""Checkpoint 2.1, two ControlNets 0.7 each, VAE 0.3, styles: what `ops models push` sends."""
LORA_GB = 1
"""What a training job leaves: set, checkpoints, result."""
MODEL_READS = 700
"""Requests to S3 for the models at each wake: parts of 8 MB."""
LISTS_A_LOOK = 2
"""Requests of one look for new styles (cloud_init/ml-server/model_sync.py)."""
PICTURE_S3_READS = 4
"""Views of a picture and its preview; from S3 to the backend nothing is paid for the bytes."""
PICTURE_S3_WRITES = 2
PICTURE_WRITE_UNITS = 40
"""DynamoDB for a generation: five writes, two of them transactions (twice the price), of a record of 3 KB with a full
copy in the index by owner (bench/aws_cost.py has the calls)."""
PICTURE_READ_UNITS = 20
RECORD_GB = 6e-6
"""Record of a generation, with its copy in the index."""
PICTURE_QUEUE_REQUESTS = 5
"""Send, receive, two extensions, delete."""
POLLS_AN_HOUR = 180
"""Requests to SQS of a worker that waits at a queue: a long poll is 20 seconds."""
PICTURE_API_REQUESTS = 20
"""Requests of the page to the API, event stream and lists included."""
API_GB = 5e-6
"""An answer of the API but for pictures."""
METRIC_REQUESTS_AN_HOUR = 60
"""A machine tells its metrics every minute (cloud_init/shared/metrics.py)."""
MACHINE_LOG_GB_AN_HOUR = 1e-3
"""Not measured: a line or two a second."""
FLOW_LOG_GB_AN_HOUR = 1e-3
"""Of each machine that runs; not measured."""
NAT_GB_AN_HOUR = 0.02
"""Logs, metrics and SSM of a machine in a private subnet; models come by the S3 endpoint, past the NAT."""
LORA_NAT_GB = 2
"""Packages that a training job installs; the image comes past the stack's network."""
BUILDS_A_MONTH, BUILD_MINUTES = 10, 3
"""Builds of the page by Amplify, when there is work on it."""
PAGE_GB = 1e-3
"""The page's files, as a browser loads them that has not seen them."""
MAILS_A_MONTH = 10
"""Alarms and ends of alarms, for each address."""
