"""Which Pulumi CLI is taken: one fake folder a way, and nothing else on PATH."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.fakes import fake_cli, script
from tools import pulumi_build, pulumi_cli

SHELL_TOOLS = ("/usr/bin", "/bin")
FAKE_GO = """case "$1 $2" in
  version*) echo "go version go{version} linux/amd64" ;;
  "mod download") [ "$3" = -json ] && echo '{{"Dir": "{sdk}"}}' || true ;;
  build*) echo built >> {log}
    while [ "$1" != -o ]; do shift; done
    printf '#!/bin/sh\\necho v{cli}\\n' > "$2"; chmod +x "$2" ;;
esac"""


class Machine:
    """A machine with nothing on PATH but what a test puts there, no network, and an empty cache."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.fakes, self.cache, self.sdk = folder / "fakes", folder / "cache", folder / "sdk"
        self.builds = folder / "builds"
        self.fakes.mkdir()
        monkeypatch.setenv("PATH", str(self.fakes))
        monkeypatch.setenv("SD_APP_CACHE", str(self.cache))
        monkeypatch.delenv("SD_APP_PULUMI", raising=False)
        monkeypatch.setattr(pulumi_cli, "INSTALLER_URL", "http://127.0.0.1:9/install.sh")

    def keep(self, way: str, version: str) -> Path:
        """An earlier run's CLI in the cache."""
        root = (
            pulumi_cli.official_directory(self.cache)
            if way == "official"
            else pulumi_build.directory(self.cache)
        )
        return fake_cli(root / "bin", version)

    def install_go(self, version: str = "1.25.11", cli: str = pulumi_build.VERSION) -> None:
        """A fake Go whose builds are scripts that tell `cli` as their version."""
        for name in pulumi_build.SCRIPTS:
            script(self.sdk / name, "exit 0")
        body = FAKE_GO.format(version=version, sdk=self.sdk, log=self.builds, cli=cli)
        script(self.fakes / "go", f"PATH={':'.join(SHELL_TOOLS)}\n{body}")

    def built(self) -> int:
        """How many builds the fake Go made."""
        return len(self.builds.read_text().splitlines()) if self.builds.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


def test_a_recent_cli_on_path_is_taken_before_all_others(machine: Machine):
    fake_cli(machine.fakes, "3.300.0")
    machine.keep("official", "3.272.0")
    machine.keep("build", "3.250.0")
    cli = pulumi_cli.find()
    assert (cli.way, cli.version, cli.directory) == ("path", "3.300.0", machine.fakes)
    assert "recent enough" in cli.reason


def test_the_oldest_version_allowed_is_taken(machine: Machine):
    fake_cli(machine.fakes, ".".join(map(str, pulumi_cli.OLDEST_VERSION)))
    assert pulumi_cli.find().way == "path"


def test_a_development_build_counts_by_its_numbers(machine: Machine):
    fake_cli(machine.fakes, "3.301.0-alpha.x1")
    assert pulumi_cli.find().version == "3.301.0-alpha.x1"


def test_a_kept_official_cli_is_taken_before_a_kept_build(machine: Machine):
    fake_cli(machine.fakes, "3.100.0")
    official = machine.keep("official", "3.272.0")
    machine.keep("build", "3.250.0")
    cli = pulumi_cli.find()
    assert (cli.way, cli.directory) == ("official", official)


def test_a_kept_build_is_taken_without_asking_the_network_or_go(machine: Machine):
    kept = machine.keep("build", "3.250.0")
    machine.install_go()
    cli = pulumi_cli.find()
    assert (cli.way, cli.directory, machine.built()) == ("build", kept, 0)


def test_a_cli_without_its_language_host_is_not_taken(machine: Machine):
    fake_cli(machine.fakes, "3.300.0", host=False)
    machine.keep("build", "3.250.0")
    assert pulumi_cli.find().way == "build"


@pytest.mark.parametrize("way", ["path", "official", "build"])
def test_a_forced_way_is_taken_even_if_another_comes_first(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, way: str
):
    fake_cli(machine.fakes, "3.300.0")
    machine.keep("official", "3.272.0")
    machine.keep("build", "3.250.0")
    monkeypatch.setenv("SD_APP_PULUMI", way)
    assert pulumi_cli.find().way == way


def test_a_forced_way_that_leads_nowhere_is_an_error_and_no_other_is_tried(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
):
    fake_cli(machine.fakes, "3.100.0")
    machine.keep("build", "3.250.0")
    monkeypatch.setenv("SD_APP_PULUMI", "path")
    with pytest.raises(pulumi_cli.NoPulumi) as caught:
        pulumi_cli.find()
    assert "3.100.0, older than 3.250.0" in str(caught.value)
    assert "official" not in str(caught.value).split("Install one of these")[0]


def test_an_unknown_forced_way_is_refused(machine: Machine, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SD_APP_PULUMI", "brew")
    with pytest.raises(pulumi_cli.NoPulumi, match="SD_APP_PULUMI=brew: allowed are path, official, build"):
        pulumi_cli.find()


def test_no_network_and_no_go_tells_what_each_way_met_and_what_to_install(machine: Machine):
    fake_cli(machine.fakes, "3.100.0")
    with pytest.raises(pulumi_cli.NoPulumi) as caught:
        pulumi_cli.find()
    told = str(caught.value)
    assert "path: " in told and "3.100.0, older than 3.250.0" in told
    assert "official: the official installer can't be reached" in told
    assert "build: no Go on PATH" in told
    assert "https://www.pulumi.com/docs/install/" in told
    assert "https://go.dev/doc/install" in told


def test_too_old_a_go_is_told_with_the_version_needed(machine: Machine):
    machine.install_go(version="1.20.3")
    with pytest.raises(pulumi_cli.NoPulumi, match=r"Go 1\.20 .* is too old: 1\.21 or newer"):
        pulumi_cli.find()


def test_it_is_built_when_nothing_else_leads_to_one_and_only_once(machine: Machine):
    machine.install_go()
    first = pulumi_cli.find()
    count = machine.built()
    again = pulumi_cli.find()
    assert first.way == again.way == "build"
    assert first.directory == again.directory == pulumi_build.directory(machine.cache) / "bin"
    assert count == machine.built() == len(pulumi_build.BUILDS), "a second clone must not build again"


def test_a_build_that_does_not_run_is_not_kept(machine: Machine):
    machine.install_go(cli="nonsense")
    with pytest.raises(pulumi_cli.NoPulumi, match="tells no version"):
        pulumi_cli.find()
    assert not pulumi_build.directory(machine.cache).exists()
    assert not list(machine.cache.glob(".pulumi*")), "half a build must not stay in the cache"


def test_a_kept_build_that_broke_is_made_again(machine: Machine):
    kept = machine.keep("build", "3.250.0")
    (kept / "pulumi").write_text("#!/bin/sh\nexit 1\n")
    machine.install_go()
    assert pulumi_cli.find().version == pulumi_build.VERSION
    assert machine.built() == len(pulumi_build.BUILDS)


def test_other_pins_are_another_build(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    before = pulumi_build.directory(machine.cache)
    other = tmp_path / "pins"
    for name, folder, package in pulumi_build.BUILDS:
        (other / name).mkdir(parents=True)
        for file in ("go.mod", "go.sum"):
            (other / name / file).write_text((folder / file).read_text() + "// changed\n")
        assert package
    monkeypatch.setattr(pulumi_build, "BUILDS", [(n, other / n, p) for n, _, p in pulumi_build.BUILDS])
    assert pulumi_build.directory(machine.cache) != before


def test_the_pinned_version_is_the_one_built_and_the_oldest_taken_from_path():
    pins = (pulumi_build.TOOLS / "pulumi-cli" / "go.mod").read_text()
    assert f"github.com/pulumi/pulumi/pkg/v3 v{pulumi_build.VERSION}" in pins
    assert ".".join(map(str, pulumi_cli.OLDEST_VERSION)) == pulumi_build.VERSION


def test_the_command_prints_the_folder_alone_and_tells_the_way_beside(machine: Machine):
    fake_cli(machine.fakes, "3.300.0")
    told = subprocess.run(
        [sys.executable, "-m", "tools.pulumi_cli"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{machine.fakes}\n"
    assert "Pulumi CLI 3.300.0 (path)" in told.stderr
