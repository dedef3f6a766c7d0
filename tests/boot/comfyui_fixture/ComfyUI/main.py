"""A stand-in for ComfyUI's main.py: its command line, its import of node packs and its words about that; then it is the
emulator. It is not ComfyUI."""

import argparse
import importlib.util
import logging
import os
import sys
import time
import traceback

import folder_paths

HERE = os.path.dirname(os.path.realpath(__file__))


def parse(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """What is done here, and the command line that the emulator gets."""
    parser = argparse.ArgumentParser(allow_abbrev=False, add_help=False)
    parser.add_argument("--quick-test-for-ci", action="store_true")
    parser.add_argument("--disable-all-custom-nodes", action="store_true")
    parser.add_argument("--whitelist-custom-nodes", nargs="+", default=[])
    parser.add_argument("--user-directory")
    given, rest = parser.parse_known_args(argv)
    if "--base-directory" not in rest:
        rest += ["--base-directory", HERE]
    if given.user_directory:
        rest += ["--user-directory", given.user_directory]
    return given, rest


def load(path: str) -> bool:
    """Import a pack, as ComfyUI's load_custom_node: what ends the process in it ends ComfyUI."""
    name = os.path.splitext(os.path.basename(path))[0]
    try:
        file = path if os.path.isfile(path) else os.path.join(path, "__init__.py")
        spec = importlib.util.spec_from_file_location(path.replace(".", "_x_"), file)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        if not hasattr(module, "NODE_CLASS_MAPPINGS"):
            raise ImportError(f"{name} has no NODE_CLASS_MAPPINGS")
    except Exception as error:
        logging.warning(traceback.format_exc())
        logging.warning("Cannot import %s module for custom nodes: %s", path, error)
        return False
    return True


def load_all(given: argparse.Namespace) -> None:
    """All packs that are to be had, as ComfyUI's init_external_custom_nodes."""
    folder, times = os.path.join(HERE, "custom_nodes"), []
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        is_module = os.path.isdir(path) or name.endswith(".py")
        if name == "__pycache__" or name.endswith(".disabled") or not is_module:
            continue
        if given.disable_all_custom_nodes and name not in given.whitelist_custom_nodes:
            logging.info("Skipping %s due to disable_all_custom_nodes and whitelist_custom_nodes", name)
            continue
        before = time.perf_counter()
        success = load(path)
        times.append((time.perf_counter() - before, path, success))
    if times:
        logging.info("\nImport times for custom nodes:")
        for seconds, path, success in sorted(times):
            logging.info("%6.1f seconds%s: %s", seconds, "" if success else " (IMPORT FAILED)", path)
        logging.info("")


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    given, rest = parse(sys.argv[1:])
    if given.user_directory:
        folder_paths.set_user_directory(os.path.abspath(given.user_directory))
    from sandbox.comfyui import __main__ as emulator
    from sandbox.comfyui.arguments import parse as check

    check(rest)
    load_all(given)
    if given.quick_test_for_ci:
        return 0
    return emulator.main(rest)


if __name__ == "__main__":
    sys.exit(main())
