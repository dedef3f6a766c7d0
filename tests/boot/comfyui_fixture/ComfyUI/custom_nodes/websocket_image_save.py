"""ComfyUI has one pack of its own, which is a file and no folder."""

NODE_CLASS_MAPPINGS: dict[str, type] = {}
