"""How `ops report` looks: 80 columns, a comment that GitHub takes and nothing breaks, a page that fetches nothing."""

import argparse
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ops import cli_report, report_html, report_markdown, report_text
from ops.report import page, report
from ops.report_changes import read
from ops.report_page import DANGER, Alert, Page, Section, Table
from tests.unit.test_ops_report import of, step, text_of

EVIL = "@everyone <img src=x onerror=alert(1)> [a](https://evil.example) | `x` ```\n# big"


def evil(digest: dict[str, Any]) -> None:
    """A pull request whose bucket has a name that wants to be more than a name."""
    bucket = step(digest, "aws:s3/bucket:Bucket::sd-app-local-storage")
    bucket["newState"]["inputs"]["bucket"] = EVIL[:38]
    digest["diagnostics"] = [{"severity": "error", "message": EVIL}]


def test_the_terminal_has_80_columns_and_the_loss_is_on_top(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    report_text.show(page(of("changed"), ["A remark."]))
    lines = capsys.readouterr().out.splitlines()
    assert max(len(line) for line in lines) <= 80
    assert next(line for line in lines if line.startswith("!!!")) == "!!! DATA IS LOST"
    assert lines.index("!!! DATA IS LOST") < 6
    assert lines[-1] == "A remark."
    for part in ("backend", "network", "storage"):
        assert part in lines, "a branch of the tree for each part"


@pytest.mark.parametrize("name", ["changed", "weaker", "refused", "wrong"])
def test_every_report_can_be_shown_in_every_way(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    shown = page(of(name))
    report_text.show(shown)
    for text in (capsys.readouterr().out, report_markdown.render(shown), report_html.render(shown)):
        assert "None" not in text and "04da6b54" not in text, text


def test_the_comment_bears_its_mark_first_and_github_takes_it() -> None:
    text = report_markdown.render(page(of("changed")))
    assert text.startswith("<!-- sd-app report: local -->\n")
    assert text.index("DATA IS LOST") < text.index("MACHINES GO AWAY") < text.index("### Dollars")
    assert text.count("<details>") == text.count("</details>") == 1
    assert not re.search(r'(\["|<br>)[-+~±] ', text), "Mermaid takes it for a list, and draws none"
    assert text.count("```") == 2 and "```mermaid\nflowchart LR\n" in text


def test_what_a_pull_request_says_is_text_in_the_comment() -> None:
    text = report_markdown.render(page(of("changed", evil)))
    assert "@everyone" not in text and "<img" not in text and "](https" not in text and "://evil" not in text
    assert text.count("```") == 2
    assert not re.search(r"^# big", text, re.MULTILINE)


def test_nor_is_it_more_than_text_in_the_page() -> None:
    text = report_html.render(page(of("changed", evil)))
    assert "<img" not in text and "<script" not in text


@pytest.mark.parametrize("rows", [10, 5000])
def test_two_comments_fit_into_what_github_takes_and_tell_what_they_left_out(rows: int) -> None:
    table = Table(("Resource", "Dollars"), tuple((f"resource {at} <&>" * 5, "1.00") for at in range(rows)))
    alert = Alert(DANGER, "DATA IS LOST", tuple(f"bucket {at} " * 60 for at in range(rows)))
    text = report_markdown.render(Page("dev", "Preview of dev", "Much.", [Section("All", [alert, table])]))
    assert len(text.encode()) < 65_536 / 2
    assert ("more" in text or "Cut here" in text) == (rows > 10)
    assert "DATA IS LOST" in text


def test_alerts_too_long_for_any_comment_are_cut_and_say_so() -> None:
    alert = Alert(DANGER, "DATA IS LOST", tuple("<" * 990 for _ in range(40)))
    text = report_markdown.render(Page("dev", "Preview of dev", "Much.", [Section("All", [alert] * 9)]))
    assert len(text.encode()) < 65_536 / 2 and "make report STACK=dev" in text[-200:]


class Tags(HTMLParser):
    """Checks that tags are closed in order, and collects what would be fetched."""

    EMPTY = frozenset({"meta", "br"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.fetched: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.fetched += [str(value) for key, value in attrs if key in ("src", "href", "xlink:href")]
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """One that is closed where it opens."""

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.mark.parametrize("name", ["changed", "refused", "wrong"])
def test_the_page_is_whole_and_fetches_nothing(name: str) -> None:
    text = report_html.render(page(of(name)))
    tags = Tags()
    tags.feed(text)
    assert tags.open == [] and tags.fetched == []
    assert "url(" not in text and "@import" not in text
    assert "prefers-color-scheme: dark" in text


def test_the_drawing_has_a_card_for_every_part_changed_or_not() -> None:
    text = report_html.render(page(of("changed")))
    drawn = text[text.index("<svg") : text.index("</svg>")]
    for part in (
        "backend",
        "edge",
        "frontend",
        "identity",
        "jobs",
        "ml-server",
        "network",
        "notebook",
        "storage",
    ):
        assert f">{part}</text>" in drawn, part
    assert "- sagemaker notebookInstance" in drawn


def test_files_are_written_beside_what_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = argparse.Namespace(
        base="HEAD", html=tmp_path / "r.html", markdown=tmp_path / "r.md", note=["Where."]
    )
    assert cli_report.deliver(text_of("changed"), {}, options, json=True) == 0
    assert json.loads(capsys.readouterr().out)["stack"] == "local"
    for file in (options.html, options.markdown):
        assert "Where." in file.read_text()


def test_nothing_that_changes_is_a_short_report() -> None:
    digest = json.loads(text_of("changed"))
    digest["steps"] = [one for one in digest["steps"] if one["op"] == "same"]
    shown = page(report(read(json.dumps({**digest, "changeSummary": {"same": 90}}))))
    assert [one.title for one in shown.sections] == ["What is lost", "Guardrails", "Dollars a month"]
    assert shown.verdict.startswith("nothing changes, 90 unchanged")
