"""An emulator of ComfyUI: its API, its messages and its errors, for the nodes that our workflows use; it draws, and doesn't diffuse."""

VERSION = "0.3.64"
"""The ComfyUI whose recorded answers it is held against."""

HEADER = "X-Emulator"
NAME = "sd-app"
"""Every answer carries the header `X-Emulator: sd-app`, which no real ComfyUI sends."""
