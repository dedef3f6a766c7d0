"""Draws docs/architecture-<stack>.svg from what each stack's program declares (`make picture`)."""

import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from ops.stack import known_stacks
from tools import picture_graph
from tools.picture_graph import BELL, CLOCK, LOCK, Graph, Room
from tools.picture_plan import HEIGHT, LEGEND, PLACES, WAYS, WIDTH, ZONES, Place, Way

DOCS = Path(__file__).parents[1] / "docs"
LINE = 21
MOST_RANGES = 2
"""Of a zone's subnets; the arrow beside them leaves no room for more."""
STYLE = """
  svg { --page: #fff; --ink: #17303f; --soft: #4a6374; --line: #7a93a3; --ground: #f3f7fa; --zone: #fff; --room: #fff;
    --work: #e6f4e8; --work-line: #2f7440; --data: #fff4dc; --data-line: #8a6414; --person: #e8eefc; --person-line: #3f5fae }
  @media (prefers-color-scheme: dark) { svg { --page: #0d1419; --ink: #e4edf3; --soft: #a9bcc9; --line: #61798a;
    --ground: #131d24; --zone: #18252e; --room: #1f2f3a; --work: #17351f; --work-line: #64b278; --data: #3a2e12;
    --data-line: #d2a548; --person: #202c4d; --person-line: #8fa8ea } }
  text { fill: var(--ink); font: 15px system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif }
  .title { font-size: 22px; font-weight: 600 } .name { font-size: 17px; font-weight: 600 } .small { font-size: 13px } .soft { fill: var(--soft) }
  .page { fill: var(--page) } .network { fill: var(--ground); stroke: var(--line) }
  .zone { fill: var(--zone); stroke: var(--line); stroke-dasharray: 5 4 }
  .room { fill: var(--room); stroke: var(--ink) } .work { fill: var(--work); stroke: var(--work-line) }
  .data { fill: var(--data); stroke: var(--data-line) } .person { fill: var(--person); stroke: var(--person-line) }
  .absent { fill: none; stroke: var(--line); stroke-dasharray: 3 5 } .absent-text { fill: var(--soft) }
  .way { fill: none; stroke: var(--ink); stroke-width: 1.8 } .out { fill: none; stroke: var(--soft); stroke-width: 1.8; stroke-dasharray: 6 5 }
  .tip { fill: var(--ink) } .halo { paint-order: stroke; stroke: var(--page); stroke-width: 5px; stroke-linejoin: round }
  .halo-in { paint-order: stroke; stroke: var(--ground); stroke-width: 5px; stroke-linejoin: round }
  .sign { fill: none; stroke: var(--soft); stroke-width: 1.6; stroke-linecap: round; stroke-linejoin: round }
"""
SIGNS = {
    CLOCK: "M8 1a7 7 0 1 0 .01 0M8 4v4l3 2",
    BELL: "M3 11V7a5 5 0 0 1 10 0v4l1.5 2h-13zM6.5 15h3",
    LOCK: "M3 7h10v8H3zM5 7V5a3 3 0 0 1 6 0v2",
}
WORDS = (
    (CLOCK, "runs by a schedule"),
    (BELL, "watched by alarms"),
    (LOCK, "kept when the stack goes"),
)


def draw(graph: Graph) -> str:
    """The picture of a stack as SVG."""
    title = f"sd-app, stack {graph.stack}, in {graph.region}"
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(told(graph))}</desc>",
        f"<style>{STYLE}</style>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="8" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="tip" d="M0 0 10 5 0 10z"/></marker></defs>',
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        _text(12, 36, title, "title"),
        _text(12, 60, "Drawn from what the program declares (make picture).", "soft"),
        *_ground(graph),
        *(_room(PLACES[name], room) for name, room in graph.rooms.items()),
        *(_person(PLACES[name]) for name in ("designer", "operator")),
        *_ways(graph),
        *_legend(graph),
        "</svg>",
        "",
    ]
    return "\n".join(body)


def told(graph: Graph) -> str:
    """The picture in words, for who can't see it."""
    rooms = (
        f"{PLACES[name].title}: {', '.join(line.rstrip(',') for line in room.lines)}."
        for name, room in graph.rooms.items()
    )
    talks = (
        f"{PLACES[source].title} to {PLACES[target].title}{f' ({words})' if words else ''}."
        for (source, target), words in graph.talks.items()
    )
    return " ".join([f"{graph.network} in {graph.zones}.", *rooms, *talks])


def _ground(graph: Graph) -> Iterator[str]:
    for name, zone in ZONES.items():
        yield _box(zone, "network" if name == "network" else "zone")
    network, private = ZONES["network"], ZONES["private"]
    yield _text(network.x + 16, network.y + 28, graph.network, "name")
    yield _text(private.x, network.y + 28, graph.zones, "soft")
    for name, ranges in graph.ranges.items():
        zone = ZONES[name]
        yield _text(zone.x + 14, zone.y + 26, zone.title, "name soft")
        more = f" and {len(ranges) - MOST_RANGES} more" if len(ranges) > MOST_RANGES else ""
        yield _text(zone.x + 14, zone.y + 46, ", ".join(ranges[:MOST_RANGES]) + more, "small soft")


def _room(place: Place, room: Room) -> str:
    look = "absent" if room.left_out else place.look
    ink = " absent-text" if room.left_out else ""
    parts = [_box(place, look), _text(place.x + 12, place.y + 27, place.title, f"name{ink}")]
    parts += [
        _text(place.x + 12, place.y + 27 + LINE * at, line, f"soft{ink}")
        for at, line in enumerate(room.lines, 1)
    ]
    for at, sign in enumerate(reversed(room.signs), 1):
        parts.append(_sign(sign, place.x + place.width - 2 - 22 * at, place.y + 12))
    return "".join(parts)


def _person(place: Place) -> str:
    middle = place.x + place.width // 2
    box = f'<rect class="person" x="{place.x}" y="{place.y}" width="{place.width}" height="{place.height}" rx="{place.height // 2}"/>'
    return box + _text(middle, place.y + 28, place.title, "name", "middle")


def _ways(graph: Graph) -> Iterator[str]:
    for pair, words in graph.talks.items():
        if pair not in WAYS:
            raise LookupError(
                f"{pair[0]} talks to {pair[1]}, and has no way: give it one in tools/picture_plan.py"
            )
        way = WAYS[pair]
        yield f'<path class="{way.look}" d="{way.line}" marker-end="url(#tip)"/>'
        if words:
            yield from _words(way, words)


def _words(way: Way, words: str) -> Iterator[str]:
    x, y = way.at
    for at, part in enumerate(words.split("; ")):
        ground = "halo-in" if y > ZONES["network"].y and y < PLACES["jobs"].y else "halo"
        yield _text(x, y + at * 28, part, ground, way.anchor)


def _legend(graph: Graph) -> Iterator[str]:
    x, y = LEGEND
    for at, (name, words) in enumerate(WORDS):
        yield _sign(name, x + 190 * at, y - 13)
        yield _text(x + 190 * at + 24, y, words, "soft")
    yield f'<path class="way" d="M{x} {y + 23} h48" marker-end="url(#tip)"/>'
    yield _text(x + 60, y + 28, "talks to", "soft")
    past = f" ({' and '.join(graph.endpoints)} have endpoints)" if graph.endpoints else ""
    yield f'<path class="out" d="M{x + 190} {y + 23} h48" marker-end="url(#tip)"/>'
    yield _text(x + 250, y + 28, f"the way out{past}", "soft")


def _sign(name: str, x: int, y: int) -> str:
    return f'<path class="sign" transform="translate({x} {y})" d="{SIGNS[name]}"/>'


def _box(place: Place, look: str) -> str:
    return f'<rect class="{look}" x="{place.x}" y="{place.y}" width="{place.width}" height="{place.height}" rx="8"/>'


def _text(x: int, y: int, words: str, look: str, anchor: str = "start") -> str:
    side = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{look}" x="{x}" y="{y}"{side}>{escape(words)}</text>'


def file_of(stack: str) -> Path:
    """Where the picture of a stack lies."""
    return DOCS / f"architecture-{stack}.svg"


def main() -> int:
    """Draw every stack that has a file, and say which picture changed."""
    for stack in known_stacks():
        path, text = file_of(stack), draw(picture_graph.of_stack(stack))
        changed = not path.exists() or path.read_text() != text
        path.write_text(text)
        print(f"docs/{path.name}: {'written' if changed else 'unchanged'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
