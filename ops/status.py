"""`ops status`: every part of the system, its state, address and age."""

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict

from rich.text import Text

from ops.errors import BAD
from ops.part import TROUBLE, Health, Part
from ops.parts import READERS
from ops.show import age, as_json, console, counted, table
from ops.stack import Stack

COLOURS: dict[Health, str] = {
    "ok": "green",
    "resting": "cyan",
    "changing": "yellow",
    "left out": "dim",
    "broken": "bold red",
    "unread": "red",
}


def run(stack: Stack, *, json: bool) -> int:
    """Show all parts; exit status 1 when one of them is broken or can't be read."""
    parts = read(stack)
    trouble = [part for part in parts if part.health in TROUBLE]
    if json:
        as_json(
            {
                "stack": stack.name,
                "region": stack.region,
                "healthy": not trouble,
                "parts": [_plain(part) for part in parts],
            }
        )
    else:
        _show(stack, parts)
    return BAD if trouble else 0


def read(stack: Stack) -> list[Part]:
    """All parts as they are now, asked side by side."""
    outputs = stack.outputs()
    with ThreadPoolExecutor(max_workers=len(READERS)) as pool:
        found: list[Future[list[Part]]] = [pool.submit(reader.read, stack, outputs) for reader in READERS]
        return [part for one in found for part in one.result()]


def _plain(part: Part) -> dict[str, object]:
    return {
        key: value.strip() if key == "part" else value
        for key, value in asdict(part).items()
        if key != "shown"
    }


def _show(stack: Stack, parts: Sequence[Part]) -> None:
    where = f"{stack.region}, emulated at {stack.endpoint}" if stack.endpoint else stack.region
    out = console()
    out.print(f"Stack {stack.name} in {where}\n")
    rows = table("Part", "State", "Age", "Address")
    rows.columns[0].no_wrap = rows.columns[2].no_wrap = True
    for part in parts:
        state = Text(part.state, style=COLOURS[part.health])
        rows.add_row(part.part, state, age(part.since), part.shown or part.address)
    out.print(rows)
    out.print()
    # Below the table, where a sentence has the whole width and a long address stays in one piece.
    for part in parts:
        for told in (part.note, part.address if part.shown and part.address.startswith("https:") else ""):
            if told:
                out.print(f"{part.part.strip()}: {told}", soft_wrap=True)
    trouble = [part.part for part in parts if part.health in TROUBLE and not part.part.startswith(" ")]
    if trouble:
        needs = counted(len(trouble), "part needs", "parts need")
        out.print(f"\n{needs} a look: {', '.join(trouble)}", style="bold red")
    else:
        out.print("\nNothing is broken.", style="green")
