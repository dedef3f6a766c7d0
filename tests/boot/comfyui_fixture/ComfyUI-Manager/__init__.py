"""A stand-in for the Manager: reads its settings where the real one does, and says what they are."""

import configparser
import logging
import os

import folder_paths
import toml

VERSION = toml.loads('version = "0"')["version"]
_config = configparser.ConfigParser(strict=False)
_config.read(os.path.join(folder_paths.get_system_user_directory("manager"), "config.ini"))
for name, usual in {"network_mode": "public", "security_level": "normal"}.items():
    logging.info("[ComfyUI-Manager] %s: %s", name, _config.get("default", name, fallback=usual))

NODE_CLASS_MAPPINGS: dict[str, type] = {}
