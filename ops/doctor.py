"""Before the first `up`: whether account, names, models and this machine are ready. Reads alone; changes nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import asdict, dataclass, field
from json import dumps as to_json
from pathlib import Path
from typing import Any

import yaml
from rich.text import Text

import contract
from ops import (
    doctor_account,
    doctor_github,
    doctor_machines,
    doctor_models,
    doctor_names,
    doctor_quotas,
    doctor_tools,
)
from ops.doctor_finding import Check, Denied, Finding, Ground, Verdict, bad, good, unneeded, unseen
from ops.doctor_tools import Place
from ops.errors import BAD, AwsError, OpsError, explain
from ops.show import as_json, console, table
from ops.stack import LOCAL, connect, known_stacks
from settings import GITHUB_TOKEN, Settings, SettingsError, load_file, parse

LIMIT_S = 25.0
"""A check that takes longer tells that it could not look."""
MARKS: dict[Verdict, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "bad": ("✗", "bold red"),
    "unseen": ("\N{EN DASH}", "yellow"),
    "unneeded": ("\N{EN DASH}", "bright_black"),
}
ACCOUNT_CHECKS: tuple[Check, ...] = (
    *doctor_account.CHECKS,
    *doctor_machines.CHECKS,
    *doctor_quotas.CHECKS,
    *doctor_names.CHECKS,
    *doctor_models.CHECKS,
)
NOTHING_ELSE = unseen("account", "nothing else of it was looked at: that needs the right credentials")

Work = Callable[[], list[Finding]]


@dataclass(kw_only=True)
class Round:
    """Checks under way, each in a thread of its own: one that hangs holds up neither the others nor the end."""

    limit_s: float = LIMIT_S
    _began: float = field(default_factory=time.monotonic)
    _running: list[tuple[str, Future[list[Finding]]]] = field(
        default_factory=list[tuple[str, Future[list[Finding]]]]
    )

    def begin(self, name: str, work: Work) -> None:
        """Start one; its findings stand in the order in which they were begun."""
        promise: Future[list[Finding]] = Future()
        self._running.append((name, promise))
        threading.Thread(target=_keep, args=(promise, name, work), name=name, daemon=True).start()

    def findings(self) -> list[Finding]:
        """All that was found, when all have ended or their time is up."""
        return [finding for name, promise in self._running for finding in self._of(name, promise)]

    def _of(self, name: str, promise: Future[list[Finding]]) -> list[Finding]:
        left = self._began + self.limit_s - time.monotonic()
        try:
            return promise.result(timeout=max(0.0, left))
        except TooSlow:
            return [unseen(name, f"no answer in {self.limit_s:g} s", "is the network up? Then again")]


def _keep(promise: Future[list[Finding]], name: str, work: Work) -> None:
    try:
        promise.set_result(work())
    except Denied as denied:
        promise.set_result([unseen(name, str(denied), "ask for this right, or use another AWS_PROFILE")])
    except AwsError as error:
        promise.set_result([unseen(name, explain(error))])
    except Exception as error:  # a fault of ours here must not hide what the others found
        promise.set_result([unseen(name, f"the check itself failed: {type(error).__name__}: {error}")])


def run(name: str, region: str | None, *, json: bool, for_up: bool = False) -> int:
    """Look, and show; exit status 1 when something is bad, with `for_up` only when it stops `up`."""
    began = time.monotonic()
    found = look(name, region, Place())
    if json:
        as_json([asdict(finding) for finding in found])
    else:
        _show(name, found, time.monotonic() - began)
    faults = [finding for finding in found if finding.verdict == "bad"]
    stops = any(finding.stops_up for finding in faults)
    if for_up and faults and not stops and not json:
        console().print("Nothing of this stops `up`.")
    return BAD if stops or (faults and not for_up) else 0


def look(name: str, region: str | None, place: Place, limit_s: float = LIMIT_S) -> list[Finding]:
    """Everything that can be looked at, with or without a stack."""
    file = place.root / f"Pulumi.{name}.yaml"
    if not file.is_file():
        raise OpsError(f"--stack {name}: no file {file.name} here; known: {', '.join(known_stacks())}")
    checks = Round(limit_s=limit_s)
    settings = _settings(checks, file)
    _begin_machine(checks, name, place, settings)
    if settings:
        _begin_account(checks, name, region, settings)
    return checks.findings()


def _settings(checks: Round, file: Path) -> Settings | None:
    try:
        settings = _local(file) if file.name == f"Pulumi.{LOCAL}.yaml" else load_file(file)
    except SettingsError as error:
        faults = [bad("settings", fault, f"correct {file.name} (docs/settings.md)") for fault in error.faults]
        left = unseen("account", "nothing of it was looked at: the settings are wrong")
        checks.begin("settings", lambda: [*faults, left])
        return None
    checks.begin("settings", lambda: [good("settings", f"{file.name} is right")])
    return settings


def _local(file: Path) -> Settings:
    """With the placeholder of a GitHub token that `make up` adds (tools/local_stack.py)."""
    document: dict[str, Any] = yaml.safe_load(file.read_text()) or {}
    config: dict[str, Any] = document.get("config") or {}
    raw = {key: value if isinstance(value, str) else to_json(value) for key, value in config.items()}
    token = f"{contract.PROJECT}:{GITHUB_TOKEN}"
    return parse(LOCAL, {token: "", **raw}, {token})


def _begin_machine(checks: Round, name: str, place: Place, settings: Settings | None) -> None:
    checks.begin("Python", doctor_tools.python)
    checks.begin("packages", lambda: doctor_tools.packages(place))
    checks.begin("Node.js", lambda: doctor_tools.node(place))

    def pulumi() -> list[Finding]:
        cli, finding = doctor_tools.find_cli(place)
        return [finding, *doctor_tools.pulumi(place, name, cli)]

    def github() -> list[Finding]:
        assert settings is not None
        if name == LOCAL:
            return [unneeded(doctor_github.TOKEN, "Amplify is emulated")]
        return doctor_github.check(
            settings, lambda: doctor_tools.github_token(place, name, doctor_tools.find_cli(place)[0])
        )

    checks.begin("Pulumi", pulumi)
    if settings:
        checks.begin(doctor_github.TOKEN, github)


def _begin_account(checks: Round, name: str, region: str | None, settings: Settings) -> None:
    try:
        stack = connect(name, region or settings.aws.region)
    except OpsError as error:  # the local stack is not up, and so there is no account
        reason = str(error)
        if name != LOCAL:
            raise
        checks.begin("account", lambda: [unneeded("account", f"emulated, and made by `make up` ({reason})")])
        return
    except AwsError as error:
        fault = bad(doctor_account.CREDENTIALS, explain(error), "name another profile, or make this one")
        checks.begin("credentials", lambda: [fault])
        return
    ground = Ground(stack=stack, settings=settings)
    # Looking on with the wrong credentials would tell of another account.
    gate: Future[Finding] = Future()

    def credentials() -> list[Finding]:
        try:
            gate.set_result(doctor_account.credentials(ground))
        except Exception as error:
            gate.set_exception(error)
        found = gate.result()
        return [found, *([NOTHING_ELSE] if found.verdict == "bad" else [])]

    checks.begin(doctor_account.CREDENTIALS, credentials)
    for check in ACCOUNT_CHECKS:
        checks.begin(check.name, lambda check=check: _behind(gate, check, ground))


def _behind(gate: Future[Finding], check: Check, ground: Ground) -> list[Finding]:
    return [] if gate.result().verdict == "bad" else check.look(ground)


def _show(name: str, found: Sequence[Finding], seconds: float) -> None:
    rows = table("", "Check", "Found")
    rows.columns[1].no_wrap = True
    for finding in found:
        mark, style = MARKS[finding.verdict]
        dim = "bright_black" if finding.verdict == "unneeded" else ""
        rows.add_row(Text(mark, style=style), finding.check, Text(finding.said, style=dim))
    out = console()
    out.print(rows)
    if todo := [finding for finding in found if finding.todo]:
        out.print("\nWhat to do:", style="bold")
    for finding in todo:
        mark, style = MARKS[finding.verdict]
        # Addresses and commands stay whole, to be copied.
        out.print(Text.assemble((mark, style), f" {finding.check}: {finding.todo}"), soft_wrap=True)
    count = {verdict: sum(one.verdict == verdict for one in found) for verdict in MARKS}
    out.print(
        f"\n{name}: {count['ok']} ✓, {count['bad']} ✗, {count['unseen']} not known, "
        f"{count['unneeded']} not needed; {seconds:.1f} s"
    )
