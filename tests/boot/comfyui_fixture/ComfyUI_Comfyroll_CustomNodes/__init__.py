"""A stand-in for Comfyroll, which needs nothing but what ComfyUI brings."""

from PIL import Image


class AspectRatio:
    """A node that is here."""

    colour = Image.new("RGB", (1, 1)).getpixel((0, 0))


NODE_CLASS_MAPPINGS = {"CR Aspect Ratio": AspectRatio}
