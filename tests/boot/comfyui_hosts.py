"""Git repositories that stand in for ComfyUI's and its three node packs', and what a machine's environment says of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from tests.boot.account import GIT_HOSTS
from tests.boot.stand_ins import ROOT, VERSIONS, Repository

FIXTURE = Path(__file__).parent / "comfyui_fixture"
COMFYUI = "ComfyUI"
KEYS = {
    COMFYUI: "COMFYUI",
    "ComfyUI-Manager": "MANAGER",
    "comfyui_controlnet_aux": "CONTROLNET_AUX",
    "ComfyUI_Comfyroll_CustomNodes": "COMFYROLL",
}
"""Beginning of their keys in versions.env, by the repository's name."""
PACKS = tuple(name for name in KEYS if name != COMFYUI)


def _files(name: str) -> dict[str, Path]:
    own = {str(path.relative_to(FIXTURE / name)): path for path in (FIXTURE / name).rglob("*")}
    if name != COMFYUI:
        return own
    emulator = [ROOT / "sandbox/__init__.py", *(ROOT / "sandbox/comfyui").rglob("*")]
    return {
        **own,
        **{str(path.relative_to(ROOT)): path for path in emulator if "__pycache__" not in path.parts},
    }


@dataclass
class ComfyuiHosts:
    """The four repositories, in a folder that a machine is shown."""

    folder: Path
    repositories: dict[str, Repository] = field(init=False)

    def __post_init__(self) -> None:
        self.repositories = {name: Repository(self.folder, name, _files(name)) for name in KEYS}

    def git(self) -> dict[str, str]:
        """Where git finds them, by the addresses in versions.env."""
        return {VERSIONS[f"{key}_URL"]: f"file://{GIT_HOSTS}/{name}.git" for name, key in KEYS.items()}

    def refs(self) -> dict[str, str]:
        """The newest commit of each, by the key that pins it."""
        return {f"{key}_REF": self.repositories[name].head() for name, key in KEYS.items()}

    def change(self, name: str, place: str, text: str) -> dict[str, str]:
        """Another commit of a repository, with a file that says this; the key that pins it, with the commit."""
        repository = self.repositories[name]
        (repository.work / place).write_text(text)
        commit = repository.commit("changed")
        repository.push()
        return {f"{KEYS[name]}_REF": commit}
