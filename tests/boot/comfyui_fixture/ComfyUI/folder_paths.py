"""What node packs ask for folders: ComfyUI's module of that name, as far as the packs here use it."""

import os

base_path = os.path.dirname(os.path.realpath(__file__))
_user_directory = os.path.join(base_path, "user")


def set_user_directory(path: str) -> None:
    global _user_directory
    _user_directory = path


def get_user_directory() -> str:
    return _user_directory


def get_system_user_directory(name: str = "system") -> str:
    return os.path.join(_user_directory, f"__{name}")
