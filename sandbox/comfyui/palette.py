"""Colours of a room: from the style, from what the text says, and a little by chance."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, fields, replace
from random import Random

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class Palette:
    """What is painted how."""

    wall: Colour
    floor: Colour
    wood: Colour
    textile: Colour
    accent: Colour
    leaf: Colour
    sky: Colour


def _palette(wall: str, floor: str, wood: str, textile: str, accent: str, leaf: str, sky: str) -> Palette:
    return Palette(
        wall=_colour(wall),
        floor=_colour(floor),
        wood=_colour(wood),
        textile=_colour(textile),
        accent=_colour(accent),
        leaf=_colour(leaf),
        sky=_colour(sky),
    )


def _colour(text: str) -> Colour:
    red, green, blue = bytes.fromhex(text)
    return red, green, blue


NEUTRAL = _palette("e6dfd3", "b78f68", "8a6142", "8f9ba3", "c9764a", "5f7f57", "bcd7e6")
"""Of a picture without a style."""

_STYLES = {
    "indochine": _palette("d9cfa8", "9c4f32", "5a3420", "2f6156", "c79a3b", "3f6b3f", "cfe0c9"),
    "minimal": _palette("f1efeb", "d9c4a5", "c3a67f", "d4d2cd", "4b4f54", "8a9c86", "dfe9ee"),
    "scandi": _palette("eef0ee", "d3b58e", "b98d5f", "9fb2b7", "e0b25b", "6d8c6b", "d3e4ec"),
    "japandi": _palette("e3d8c7", "a88765", "6b4d38", "8e8a7c", "7b3f2e", "6c7d5a", "d8dfd9"),
    "industrial": _palette("8e8781", "6f6259", "4a3a30", "5b6167", "b5652b", "5d7055", "b6c2c9"),
    "boho": _palette("efe0cd", "bd8a5e", "8d5a37", "c7744d", "d9a441", "6f8a4f", "cbe0e6"),
    "classic": _palette("dcd6c4", "7c5334", "5f3b25", "7a2f3a", "c3a15a", "4f6b4a", "c6d8e6"),
    "coastal": _palette("e9f0f0", "cdb592", "b59a76", "5f93a8", "e3d6b8", "7fa08a", "b4dcee"),
}
"""By a word in the LoRA's name."""

_OTHER_STYLES = (
    _palette("d5dde0", "a98b72", "76553d", "49626f", "e08e6d", "5c7f6b", "c3dbe8"),
    _palette("e8d9d3", "b99273", "8b5f49", "a0606a", "4f7b78", "708b62", "d7e2e6"),
    _palette("cfd6c4", "9d7f5b", "6a4c33", "6f7f52", "d8b04f", "4f7146", "c9e0e3"),
    _palette("dcd5e3", "a48d83", "6f5650", "6d5f8d", "d3a06a", "6b8466", "cfd9ec"),
)

_NAMED: dict[str, Colour] = {
    "white": (240, 238, 233),
    "black": (52, 52, 56),
    "grey": (142, 146, 150),
    "gray": (142, 146, 150),
    "beige": (219, 203, 176),
    "cream": (238, 228, 206),
    "brown": (122, 86, 60),
    "red": (176, 60, 54),
    "terracotta": (190, 104, 72),
    "orange": (216, 130, 62),
    "yellow": (224, 186, 84),
    "gold": (200, 160, 76),
    "green": (96, 132, 92),
    "olive": (122, 124, 76),
    "teal": (58, 124, 124),
    "blue": (78, 118, 166),
    "navy": (50, 66, 104),
    "purple": (120, 92, 146),
    "pink": (214, 148, 156),
}
_WALL_WORDS = ("wall", "walls", "room", "interior")


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return re.findall(r"[a-z]+", text.lower())


def choose(style: str | None, strength: float, text: list[str], chance: Random) -> Palette:
    """Colours of a room in a style, drawn towards it as strongly as the LoRA is, with the colours that a text names."""
    chosen = NEUTRAL if style is None else mix_palettes(NEUTRAL, _of_style(style), min(abs(strength), 1.2))
    for word, after in zip(text, [*text[1:], ""], strict=True):
        if word in _NAMED:
            place = "wall" if after in _WALL_WORDS else "floor" if after == "floor" else "accent"
            if place == "accent" and after in ("sofa", "couch", "bed", "chair", "armchair", "textiles"):
                place = "textile"
            chosen = replace(chosen, **{place: mix(getattr(chosen, place), _NAMED[word], 0.85)})
    if {"dark", "moody", "night", "evening"} & set(text):
        chosen = replace(
            chosen,
            wall=mix(chosen.wall, (38, 40, 50), 0.45),
            floor=shade(chosen.floor, 0.75),
            sky=(44, 58, 92),
        )
    elif {"sunset", "sunrise", "warm", "cosy", "cozy"} & set(text):
        chosen = replace(chosen, wall=mix(chosen.wall, (244, 208, 160), 0.25), sky=(246, 196, 150))
    moved = {one.name: _near(getattr(chosen, one.name), chance) for one in fields(chosen)}
    return Palette(**moved)


def _of_style(name: str) -> Palette:
    for word, palette in _STYLES.items():
        if word in name.lower():
            return palette
    return _OTHER_STYLES[hashlib.sha256(name.encode()).digest()[0] % len(_OTHER_STYLES)]


def _near(colour: Colour, chance: Random) -> Colour:
    return rounded(*(part + chance.uniform(-5, 5) for part in colour))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """So much of the other in the one; above 1, beyond the other."""
    return rounded(*(a + (b - a) * share for a, b in zip(one, other, strict=True)))


def mix_palettes(one: Palette, other: Palette, share: float) -> Palette:
    """Each colour mixed."""
    return Palette(
        **{
            part.name: mix(getattr(one, part.name), getattr(other, part.name), share)
            for part in fields(Palette)
        }
    )


def shade(colour: Colour, light: float) -> Colour:
    """Darker below 1, lighter above: 2 is white."""
    if light <= 1:
        return rounded(*(part * light for part in colour))
    return mix(colour, (255, 255, 255), light - 1)


def rounded(red: float, green: float, blue: float) -> Colour:
    """A colour that there is."""
    return _part(red), _part(green), _part(blue)


def _part(value: float) -> int:
    return min(255, max(0, round(value)))
