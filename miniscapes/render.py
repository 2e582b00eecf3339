"""From a scene's place in the dataset to its picture and its annotations."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from .canvas import Canvas
from .coarse import coarse_objects
from .dice import Dice
from .light import cast_shadows, develop, lamp_glow, wet_ground
from .masks import draw_instance_ids
from .scene import build_scene
from .styles import STYLES
from .world import GROUND, World

LARGEST = (1024, 2048)
# Two streams of random numbers: painting may draw more or fewer without moving any object.
SHAPES, PIXELS = 0, 1


@dataclass(frozen=True)
class RenderedScene:
    """A picture and its annotations.

    `image` is uint8 (H, W, 3); `polygons` and `coarse_polygons` are what `polygons.json` holds.
    """

    image: np.ndarray
    polygons: dict[str, Any]
    coarse_polygons: dict[str, Any]


def check_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) as integers; ValueError if it is not within 1 x 1 .. 1024 x 2048."""
    try:
        height, width = (int(side) for side in size)
        whole = all(int(side) == side for side in size)
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole or not (1 <= height <= LARGEST[0] and 1 <= width <= LARGEST[1]):
        raise ValueError(
            f"size {size!r} does not work: give height and width from 1x1 to "
            f"{LARGEST[0]}x{LARGEST[1]}"
        )
    return height, width


def render_scene(
    seed: int, split: str, city: str, index: int, size: tuple[int, int] = (256, 512)
) -> RenderedScene:
    """Draw one scene; another size gives another scene, not the same one finer or coarser.

    Args:
        seed: of the dataset, >= 0.
        split: "train", "val" or "test".
        city: one of the split's cities.
        index: of the scene within its city, >= 0.
        size: (height, width) in pixels, up to 1024 x 2048.

    Raises:
        ValueError: an unknown split or city, a negative seed or index, a size out of range.
    """
    world = lay_out(seed, split, city, index, size)
    fine, coarse = annotate(world)
    image = _paint(world, Dice(seed, split, city, index, PIXELS))
    return RenderedScene(image, fine, coarse)


def lay_out(seed: int, split: str, city: str, index: int, size: tuple[int, int]) -> World:
    """Everything about a scene but its pixels; arguments and errors as `render_scene`."""
    height, width = check_size(size)
    if split not in STYLES:
        raise ValueError(f"unknown split '{split}'; valid: {', '.join(STYLES)}")
    if city not in STYLES[split]:
        raise ValueError(f"unknown city '{city}'; {split} has {', '.join(STYLES[split])}")
    if seed < 0 or index < 0:
        raise ValueError(f"seed {seed} and index {index} must not be negative")
    style = STYLES[split][city]
    return build_scene(Dice(seed, split, city, index, SHAPES), style, index, height, width)


def annotate(world: World) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fine and the coarse annotation of a scene, as `polygons.json` holds them."""
    height, width = world.camera.height, world.camera.width
    objects = [
        {"label": item.label, "polygon": [list(point) for point in item.polygon]}
        for item in world.ordered()
    ]
    fine = {"imgHeight": height, "imgWidth": width, "objects": objects}
    rough = coarse_objects(draw_instance_ids(fine), objects)
    return fine, {"imgHeight": height, "imgWidth": width, "objects": rough}


def _paint(world: World, pixels: Dice) -> np.ndarray:
    camera = world.camera
    canvas = Canvas(camera.width, camera.height, pixels)
    items = world.ordered()
    flat = [item for item in items if item.tier == GROUND]
    for item in flat:
        canvas.paint(item.polygon, item.paint)
    cast_shadows(canvas, world.shadows)
    for item in items[len(flat) :]:
        canvas.paint(item.polygon, item.paint)
    lamp_glow(canvas, world.lamps)
    if world.air.wet:
        ground = Image.new("L", (camera.width, camera.height))
        pen = ImageDraw.Draw(ground)
        for item in items:
            mirrors = item.label in ("road", "sidewalk", "parking", "rail track")
            pen.polygon(item.polygon, fill=255 if mirrors else 0)
        wet_ground(canvas, camera.horizon, ground)
    return develop(canvas, world.air, world.style, pixels)
