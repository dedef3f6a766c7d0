"""Instance types that the settings allow, with what the platform must know of each (EC2 DescribeInstanceTypes)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class InstanceType:
    """Size of a machine. Memory in GiB; `arm` selects the machine image's architecture."""

    vcpus: int
    memory_gib: float
    gpu: str | None = None
    gpu_memory_gib: int = 0
    arm: bool = False


_GPU_SIZES = {"xlarge": (4, 16), "2xlarge": (8, 32), "4xlarge": (16, 64)}
_GPU_FAMILIES = {"g4dn": ("T4", 16), "g5": ("A10G", 22), "g6": ("L4", 22)}

GPU_TYPES: dict[str, InstanceType] = {
    f"{family}.{size}": InstanceType(vcpus, memory, gpu, gpu_memory)
    for family, (gpu, gpu_memory) in _GPU_FAMILIES.items()
    for size, (vcpus, memory) in _GPU_SIZES.items()
}
"""One GPU each: a second GPU would idle, since ComfyUI runs one prompt at a time on one GPU."""

BACKEND_TYPES: dict[str, InstanceType] = {
    **{f"t2.{s}": InstanceType(v, m) for s, v, m in (("small", 1, 2), ("medium", 2, 4), ("large", 2, 8))},
    **{
        f"{family}.{size}": InstanceType(2, memory, arm=family == "t4g")
        for family in ("t3", "t3a", "t4g")
        for size, memory in (("small", 2), ("medium", 4), ("large", 8))
    },
}

NOTEBOOK_TYPES: tuple[str, ...] = (
    "ml.t3.medium",
    *(f"ml.{family}.{size}" for family in _GPU_FAMILIES for size in ("xlarge", "2xlarge", "4xlarge")),
)
"""GPU types of `notebook-al2023-v1`, and the small one for looking at pictures and captions."""

TRAINING_TYPES: tuple[str, ...] = tuple(
    f"ml.{family}.{size}" for family in _GPU_FAMILIES for size in ("xlarge", "2xlarge")
)
"""GPU types of a training job: one GPU each, for a LoRA of Stable Diffusion 1.5 needs 8 GB of its memory."""

TRAINING_DOLLARS_PER_HOUR: dict[str, float] = {
    "ml.g4dn.xlarge": 0.7364,
    "ml.g5.xlarge": 1.408,
    "ml.g6.xlarge": 1.127,
}
"""US dollars an hour on demand in us-east-1, as the AWS Price List had them in August 2026; spot is some 60 % less."""

NAT_INSTANCE_TYPE = "t4g.nano"
"""Up to 5 Gb/s in bursts: enough for one ML server's installs, at about a tenth of a NAT gateway's price."""
