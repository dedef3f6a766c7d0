"""Records what the engine says of a few changes, for the tests of `ops report`: `python -m tests.stack.record_previews`.

The local stack is made on an emulator of its own, as `make up` makes it, and previewed with other settings. What the report
doesn't read is left out (positions in the source, outputs, times), and long texts are cut: a few KB each, a resource a line.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parent))

from platform_stack import Overrides, Platform, PlatformStack  # pytest finds it by its bare name

from tools import pulumi_cli

FOLDER = Path(__file__).parents[1] / "unit" / "report_recorded"
CHANGED: Overrides = {
    "mlServer": {"diskGib": 200, "instanceType": "g6.xlarge"},
    "notebook": {"enabled": False},
    "jobs": {"visibilityTimeoutSeconds": 240},
    "network": {"zoneCount": 3},
    "storage": {"bucketName": "another-bucket-local"},
}
"""A replacement with lost data, machines replaced, deletions, changes in place, and new resources."""
WEAKER: Overrides = {
    "storage": {"outputsRetentionDays": 7, "protectData": False, "forceDestroy": True},
    "jobs": {"pointInTimeRecovery": False},
    "operations": {"logRetentionDays": 7},
    "mlServer": {"instanceType": "g6.xlarge"},
}
"""From PROTECTED: nothing is replaced, and yet data and its protection are lost."""
PROTECTED: Overrides = {
    "storage": {"protectData": True, "forceDestroy": False},
    "jobs": {"pointInTimeRecovery": True},
}
REFUSED: Overrides = {**PROTECTED, "storage": {**PROTECTED["storage"], "bucketName": "another-bucket-local"}}
"""The protected bucket would be replaced: the engine refuses."""
WRONG: Overrides = {"mlServer": {"instanceType": "g5.tiny"}}
"""The program stops: no resource is declared."""
LEFT_OUT = ("sourcePosition", "stackTrace", "propertyDependencies", "created", "modified", "outputs", "additionalSecretOutputs", "parent", "tagsAll", "dashboardBody", "assumeRolePolicy")  # fmt: skip
LONGEST = 200


def preview(stack: PlatformStack, overrides: Overrides, *words: str) -> str:
    """What `pulumi preview --json` says of the stack with other settings."""
    engine = stack.configured(overrides)
    command = [*engine.command("preview", "--json", *words), "--non-interactive", *engine.config]
    return subprocess.run(
        command, cwd=engine.cwd, env=dict(engine.env), capture_output=True, text=True, timeout=240
    ).stdout


def small(text: str) -> str:
    """The preview without what nobody reads, a step a line."""
    digest: dict[str, Any] = json.loads(text)
    steps = [json.dumps(_step(step), separators=(",", ":")) for step in digest.pop("steps", [])]
    head = json.dumps(digest, indent=1).rstrip("}").rstrip()
    return head + ',\n "steps": [\n' + ",\n".join(steps) + "\n ]\n}\n" if steps else f"{head}\n}}\n"


def _step(step: Mapping[str, Any]) -> Any:
    """What stays as it is needs no dependencies: they only lead from what is replaced."""
    cut = _cut(step)
    for key in ("oldState", "newState") if step["op"] == "same" else ():
        cut[key].pop("dependencies", None)
    return cut


def _cut(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _cut(one) for key, one in cast(Mapping[str, Any], value).items() if key not in LEFT_OUT}
    if isinstance(value, list):
        return [_cut(one) for one in cast(list[Any], value)]
    if isinstance(value, str) and len(value) > LONGEST and not value.startswith("{"):
        return f"{value[:40]}… {len(value)} characters"
    return value


def main() -> None:
    """Write all of them."""
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        platform = Platform.start(pulumi_cli.find().directory, Path(name))
        try:
            stack = platform.stack("local")
            stack.up()
            recorded = {
                "changed": preview(stack, CHANGED, "--show-sames"),
                "wrong": preview(stack, WRONG),
                "history": stack.engine.ask("stack", "history", "--json", "--page-size", "10"),
            }
            stack.up(PROTECTED)
            recorded |= {"weaker": preview(stack, WEAKER), "refused": preview(stack, REFUSED)}
        finally:
            platform.stop()
    for what, text in recorded.items():
        file = FOLDER / f"{what}.json"
        file.write_text(_history(text) if what == "history" else small(text))
        print(f"{file.name}: {file.stat().st_size:,} bytes")


def _history(text: str) -> str:
    """Of each deployment what it was and its config; not who made it, and where."""
    kept = ("kind", "result", "config")
    return json.dumps([{key: one[key] for key in kept} for one in json.loads(text)], indent=1) + "\n"


if __name__ == "__main__":
    main()
