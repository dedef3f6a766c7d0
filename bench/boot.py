"""`python -m bench.boot`: how long a machine with a GPU takes to its first picture, as a model: bytes of each stage over rates.

No GPU and no AWS here, so this is arithmetic, not a measurement: every number has its source beside it, those that were
measured in a booted machine of tests/boot among them. The stages and their order are those of
cloud_init/comfyui-server.sh, which a test compares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

MB = 1e6


@dataclass(frozen=True)
class Number:
    """A quantity, what it may be on a bad day, and where it comes from."""

    usual: float
    bad: float
    source: str

    def of(self, bad: bool) -> float:
        return self.bad if bad else self.usual


MEASURED = "tests/boot, 2 shared CPUs, 2026-11-28"
GUESS = "no published figure was found: an assumption"

LAUNCH_S = Number(
    40,
    80,
    "depot.dev/blog/faster-ec2-boot-time (2024-05): 40 s; hndistilled.com/story/40455208: at times 80 s",
)
"""RunInstances until the machine's own services begin, its root fetched block by block from a snapshot."""
START_S = Number(
    20, 35, "the same articles: a start from a disk that is there takes half and less; a GPU adds some"
)
"""StartInstances of a stopped machine, until the same."""
CLOUD_INIT_S = Number(4, 12, f"{MEASURED}: 2 s")
NETWORK_S = Number(1, 10, f"{MEASURED}: 0.2 s; bad: the NAT instance has just begun too")
TOOLS_S = Number(17, 40, f"{MEASURED}: apt and pip from the real registries")
DRIVER_S = Number(3, 8, GUESS)
CODE_S = Number(6, 20, f"{MEASURED}: 1 s of small repositories; ComfyUI's is some 30 MB at one commit")
COMFYUI_START_S = Number(8, 16, GUESS + "; torch's import alone is some seconds")
"""Of a ComfyUI whose files the disk gives at once."""
WARM_UP_S = Number(6, 12, GUESS + ": 4 steps, kernels compiled, after the model is read")

TORCH_MB = Number(
    3028,
    3400,
    "Content-Length of torch 2.7.1's 29 wheels with CUDA 12.6, PyPI, 2026-11; cu130's aren't there",
)
COMFYUI_MB = Number(
    718, 718, "the same of ComfyUI's requirements: 62 wheels, 420 MB of them media of templates"
)
PACKS_MB = Number(396, 396, "the same of the preprocessors' requirements: 70 wheels")
UNPACKED = Number(2.3, 2.9, "this machine's shared libraries: 503 MB in a zip of 172")
"""Bytes on the disk for each of a wheel."""
DOWNLOAD_MB_S = Number(100, 40, GUESS + ": one stream of pip's from a content network, through the NAT")
UNPACK_MB_S = Number(
    131,
    87,
    "gp3's 125 MiB/s (AWS, EbsBlockDevice.throughput); bad: g5.xlarge's base rate. zip: 176 MB/s here",
)
SNAPSHOT_MB_S = Number(
    105, 50, "AWS promises 100 to 300 MiB/s for money (VolumeInitializationRate), nothing for the default"
)
DISK_MB_S = Number(131, 87, "gp3's 125 MiB/s; bad: g5.xlarge's base rate")
START_READ_MB = Number(1500, 2500, GUESS + ": what torch and CUDA map of their libraries")
"""Read from the disk when ComfyUI starts for the first time after a boot."""
MODELS_MB = Number(2720, 2720, "checkpoint 2.0 GB, ControlNet fp16 0.72 GB (facts of the models' own pages)")
S3_MB_S = Number(400, 150, GUESS + ": eight parts at once and up to 10 Gb/s; the instance store takes more")
MODEL_READ_MB_S = Number(
    800, 400, GUESS + ": g5's instance store; just written, the files are in memory as well"
)

GOALS = {"fresh image": 8 * 60.0, "baked image": 3 * 60.0, "waking": 90.0}
"""Seconds to the first picture."""


@dataclass(frozen=True)
class Stage:
    """Begins when all that it `needs` has ended."""

    name: str
    seconds: float
    needs: tuple[str, ...]


def stages(scenario: str, bad: bool) -> list[Stage]:
    """What happens in a scenario of GOALS, in order. Stages that are done before are not in it."""
    fresh, waking = scenario == "fresh image", scenario == "waking"

    def n(number: Number) -> float:
        return number.of(bad)

    def wheels(size: Number) -> float:
        return n(size) / n(DOWNLOAD_MB_S) + n(size) * n(UNPACKED) / n(UNPACK_MB_S)

    first_read = n(START_READ_MB) / n(SNAPSHOT_MB_S if scenario == "baked image" else DISK_MB_S)
    last = "network"
    made = [
        Stage(
            "start" if waking else "launch",
            n(START_S if waking else LAUNCH_S) + (0 if waking else n(CLOUD_INIT_S)),
            (),
        ),
        Stage("network", n(NETWORK_S), ("start" if waking else "launch",)),
    ]
    if fresh:
        made.append(Stage("tools", n(TOOLS_S), ("network",)))
        last = "tools"
    made.append(Stage("models", n(MODELS_MB) / n(S3_MB_S), (last,)))
    made.append(Stage("driver", n(DRIVER_S), (last,)))
    last = "driver"
    if fresh:
        made += [
            Stage("code", n(CODE_S), (last,)),
            Stage("dependencies", sum(map(wheels, (TORCH_MB, COMFYUI_MB, PACKS_MB))), ("code",)),
            # One start with all packs; what was just unpacked is in memory.
            Stage("packs", n(COMFYUI_START_S), ("dependencies",)),
        ]
        last = "packs"
    made += [
        Stage("server", n(COMFYUI_START_S) + (0 if fresh else first_read), (last,)),
        Stage("warm-up", n(MODELS_MB) / n(MODEL_READ_MB_S) + n(WARM_UP_S), ("server", "models")),
    ]
    return made


def ends(chain: Sequence[Stage]) -> dict[str, float]:
    """Seconds from the beginning to the end of each stage."""
    done: dict[str, float] = {}
    for one in chain:
        done[one.name] = max((done[name] for name in one.needs), default=0.0) + one.seconds
    return done


def critical(chain: Sequence[Stage], done: Mapping[str, float]) -> set[str]:
    """Stages that the last one waited for: to shorten any other helps nobody."""
    by_name = {one.name: one for one in chain}
    found, at = set[str](), chain[-1].name
    while True:
        found.add(at)
        if not by_name[at].needs:
            return found
        at = max(by_name[at].needs, key=lambda name: done[name])


def show(console: Console) -> None:
    """All scenarios, then the sources."""
    for scenario, goal in GOALS.items():
        rows = Table(box=None, pad_edge=False)
        for heading in (
            f"{scenario}: stage",
            "seconds",
            "done at",
            "bad day: seconds",
            "done at",
            "waited for",
        ):
            rows.add_column(heading, justify="left" if heading.endswith(("stage", "for")) else "right")
        usual, bad = stages(scenario, False), stages(scenario, True)
        usual_ends, bad_ends = ends(usual), ends(bad)
        needed = critical(usual, usual_ends)
        for one, other in zip(usual, bad, strict=True):
            rows.add_row(
                one.name,
                f"{one.seconds:.0f}",
                f"{usual_ends[one.name]:.0f}",
                f"{other.seconds:.0f}",
                f"{bad_ends[one.name]:.0f}",
                "yes" if one.name in needed else "",
            )
        console.print(rows)
        total, slow = usual_ends["warm-up"], bad_ends["warm-up"]
        word = "met" if total <= goal else "MISSED"
        console.print(
            f"first picture after {total:.0f} s (a bad day: {slow:.0f} s); goal {goal:.0f} s: {word}\n"
        )
    for name, number in globals().items():
        if isinstance(number, Number):
            console.print(
                f"{name:16} {number.usual:g} (bad: {number.bad:g})  {number.source}", soft_wrap=True
            )


if __name__ == "__main__":
    show(Console(highlight=False, width=100))
