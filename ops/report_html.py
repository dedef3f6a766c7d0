"""A report as a page of its own: no script, nothing fetched, light and dark."""

from collections.abc import Iterator
from html import escape

from ops.report_changes import SIGNS, WORDS, differences
from ops.report_drawing import svg
from ops.report_page import Alert, Block, Changes, Drawing, Page, Section, Table, Text

STYLE = """\
:root {
  color-scheme: light dark;
  --page: #fbfbfa; --card: #ffffff; --ink: #1c1d1f; --quiet: #5d6167; --line: #dfe1e4;
  --danger: #b42318; --danger-page: #fef3f2; --warning: #8a5a00; --warning-page: #fff8e6; --good: #1a7043; --good-page: #effaf3;
  --create: #1a7043; --update: #8a5a00; --replace: #7a3fb5; --delete: #b42318;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #151618; --card: #1e2023; --ink: #eceded; --quiet: #a3a8ae; --line: #34373c;
    --danger: #ff8f86; --danger-page: #3a1714; --warning: #f1c04f; --warning-page: #33270b; --good: #6fd39b; --good-page: #12301f;
    --create: #6fd39b; --update: #f1c04f; --replace: #cda2ff; --delete: #ff8f86;
  }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 64rem; padding: 2rem 1.25rem 4rem; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; }
h2 { font-size: 1.1rem; margin: 2.25rem 0 .75rem; }
h3 { font-size: 1rem; margin: 1.25rem 0 .5rem; }
.verdict { margin: 0; font-size: 1.05rem; }
.alert { border: 1px solid; border-left-width: 6px; border-radius: 6px; padding: .7rem 1rem; margin: .6rem 0; }
.alert strong { display: block; }
.alert ul { margin: .4rem 0 0; padding-left: 1.2rem; color: var(--ink); }
.danger { color: var(--danger); border-color: var(--danger); background: var(--danger-page); }
.danger strong { font-size: 1.15rem; letter-spacing: .02em; }
.warning { color: var(--warning); border-color: var(--warning); background: var(--warning-page); }
.good { color: var(--good); border-color: var(--good); background: var(--good-page); }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--line); border-radius: 6px; margin: .75rem 0; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; padding: .4rem .75rem; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--quiet); font-weight: 600; white-space: nowrap; }
.numbers td:not(:first-child), .numbers th:not(:first-child) { text-align: right; font-variant-numeric: tabular-nums;
  white-space: nowrap; }
tr.sum td { font-weight: 700; }
.changes td { overflow-wrap: anywhere; }
.changes td:nth-child(1) { width: 7.5rem; white-space: nowrap; font-weight: 600; }
.changes td:nth-child(2) { width: 45%; }
.create { color: var(--create); } .update { color: var(--update); } .replace { color: var(--replace); }
.delete { color: var(--delete); }
.notes { color: var(--quiet); font-size: .9rem; margin-top: 2rem; }
svg { display: block; max-width: 100%; height: auto; margin: .75rem 0; }
svg .box { fill: var(--card); stroke: var(--line); }
svg text { fill: var(--ink); font: 13px system-ui, sans-serif; }
svg .name { font-weight: 700; font-size: 14px; } svg .still { fill: var(--quiet); }
svg text.create { fill: var(--create); } svg text.update { fill: var(--update); }
svg text.replace { fill: var(--replace); } svg text.delete { fill: var(--delete); }
svg .bar.create { fill: var(--create); } svg .bar.update { fill: var(--update); }
svg .bar.replace { fill: var(--replace); } svg .bar.delete { fill: var(--delete); } svg .bar.same { fill: var(--line); }
"""


def render(page: Page) -> str:
    """The whole page."""
    title = escape(page.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{title}</title>\n<style>\n{STYLE}</style></head><body>",
        f'<header><h1>{title}</h1>\n<p class="verdict">{escape(page.verdict)}</p></header>',
        *(line for section in page.sections for line in _section(section)),
    ]
    if page.notes:
        parts += ['<div class="notes">', *(f"<p>{escape(note)}</p>" for note in page.notes), "</div>"]
    return "\n".join([*parts, "</body></html>\n"])


def _section(section: Section) -> Iterator[str]:
    yield f"<section><h2>{escape(section.title)}</h2>"
    for block in section.blocks:
        yield from _block(block)
    yield "</section>"


def _block(block: Block) -> Iterator[str]:
    match block:
        case Alert(level, title, lines):
            yield f'<div class="alert {level}" role="note"><strong>{escape(title)}</strong>'
            if lines:
                yield f"<ul>{''.join(f'<li>{escape(line)}</li>' for line in lines)}</ul>"
            yield "</div>"
        case Text(text):
            yield f"<p>{escape(text)}</p>"
        case Table(headings, rows, strong):
            yield '<div class="scroll"><table class="numbers"><thead><tr>'
            yield "".join(f'<th scope="col">{escape(one)}</th>' for one in headings) + "</tr></thead><tbody>"
            for at, row in enumerate(rows):
                cells = "".join(f"<td>{escape(cell)}</td>" for cell in row)
                kind = ' class="sum"' if at in strong else ""
                yield f"<tr{kind}>{cells}</tr>"
            yield "</tbody></table></div>"
        case Changes():
            yield from _changes(block)
        case Drawing():
            yield svg(block)


def _changes(block: Changes) -> Iterator[str]:
    for name, changes in block.parts:
        yield f'<h3>{escape(name)}</h3><div class="scroll"><table class="changes"><tbody>'
        for one in changes:
            what = escape("; ".join(differences(one)))
            yield (
                f'<tr><td class="{one.op}">{SIGNS[one.op]} {WORDS[one.op]}</td>'
                f"<td>{escape(one.kind)} {escape(one.name)}</td><td>{what}</td></tr>"
            )
        yield "</tbody></table></div>"
