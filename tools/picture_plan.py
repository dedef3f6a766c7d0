"""Where each room of the picture stands, and which way each arrow goes. What is drawn there, the program's graph tells."""

from dataclasses import dataclass

WIDTH, HEIGHT = 720, 1150


@dataclass(frozen=True)
class Place:
    """A room's place and title. `look` chooses its colours."""

    x: int
    y: int
    width: int
    height: int
    title: str
    look: str = "room"


@dataclass(frozen=True)
class Way:
    """An arrow's line, and where its words stand. `anchor` as SVG has it."""

    line: str
    at: tuple[int, int] = (0, 0)
    anchor: str = "start"
    look: str = "way"


ZONES = {
    "network": Place(12, 318, 696, 364, ""),
    "public": Place(28, 360, 280, 306, "public subnets"),
    "private": Place(392, 360, 300, 306, "private subnets"),
}
PLACES = {
    "designer": Place(260, 78, 200, 44, "Designer", "person"),
    "frontend": Place(12, 186, 212, 88, "Frontend"),
    "edge": Place(254, 186, 212, 88, "Edge"),
    "identity": Place(496, 186, 212, 88, "Identity"),
    "backend": Place(42, 418, 252, 88, "Backend", "work"),
    "nat": Place(134, 564, 160, 88, "Way out"),
    "ml-server": Place(402, 418, 280, 88, "ML server", "work"),
    "notebook": Place(402, 564, 132, 88, "Notebook", "work"),
    "training": Place(550, 564, 132, 88, "Training", "work"),
    "jobs": Place(12, 736, 276, 112, "Jobs", "data"),
    "storage": Place(308, 736, 400, 154, "Storage", "data"),
    "operations": Place(12, 914, 472, 154, "Operations"),
    "operator": Place(588, 954, 120, 44, "Operator", "person"),
}
WAYS = {
    ("designer", "frontend"): Way("M260 100 H118 V182", (126, 150)),
    ("designer", "edge"): Way("M360 122 V182", (368, 158)),
    ("designer", "identity"): Way("M460 100 H602 V182", (610, 150)),
    ("edge", "backend"): Way("M280 274 V414", (288, 302)),
    ("backend", "ml-server"): Way("M294 452 H398", (346, 442), "middle"),
    ("backend", "jobs"): Way("M84 506 V732"),
    ("backend", "storage"): Way("M294 488 H340 V732"),
    ("ml-server", "storage"): Way("M542 506 V732"),
    ("notebook", "storage"): Way("M468 652 V732"),
    ("training", "storage"): Way("M616 652 V732"),
    ("ml-server", "nat"): Way("M392 608 H298", look="out"),
    ("operations", "operator"): Way("M484 976 H584", (534, 966), "middle"),
}
LEGEND = (12, 1100)
