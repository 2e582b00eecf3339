"""Light on the finished scene: shadows, wet roads, lamps, and what the camera adds."""

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .canvas import SCALE, Canvas
from .dice import Dice
from .geometry import Point
from .styles import CityStyle
from .textures import window
from .weather import Air


def cast_shadows(canvas: Canvas, shadows: list[tuple[list[Point], float]]) -> None:
    """Darken the ground under and beside things; `shadows` are outlines with a strength 0..1."""
    width, height = canvas.image.width // SCALE, canvas.image.height // SCALE
    mask = Image.new("L", (width, height))
    pen = ImageDraw.Draw(mask)
    for outline, strength in sorted(shadows, key=lambda shadow: shadow[1]):
        pen.polygon(outline, fill=int(255 * min(strength, 0.9)))
    mask = mask.filter(ImageFilter.BoxBlur(max(0.6, height / 320)))
    mask = mask.resize(canvas.image.size, Image.Resampling.BILINEAR)
    tables = []
    for factor in (0.22, 0.25, 0.32):
        tables += [int(v * factor) for v in range(256)]
    canvas.image.paste(canvas.image.point(tables), (0, 0), mask)


def wet_ground(canvas: Canvas, horizon: float, ground: Image.Image) -> None:
    """Mirror the street in the wet road; `ground` (L, image size) is 255 where the road is seen."""
    image = canvas.image
    row = int(horizon * SCALE)
    below = image.height - row
    if row < 4 or below < 4:
        return
    upper = image.crop((0, 0, image.width, row)).transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    upper = upper.resize((max(1, image.width // 6), max(1, row // 24)), Image.Resampling.BOX)
    mirror = upper.resize((image.width, int(below * 1.15)), Image.Resampling.BICUBIC)
    mirror = mirror.crop((0, 0, image.width, below))
    clip = ground.crop((0, row // SCALE, ground.width, ground.height))
    clip = clip.resize((image.width, below)).filter(ImageFilter.BoxBlur(1))
    puddles = window("stains", image.width, below, image.width / 300, 17, 91)
    strength = puddles.point([max(50, min(150, v - 60)) for v in range(256)])
    image.paste(mirror, (0, row), ImageChops.multiply(clip, strength))


def lamp_glow(canvas: Canvas, lamps: list[tuple[Point, float]]) -> None:
    """A halo around every lit lamp; `lamps` are image positions with the halo's radius."""
    halo = Image.radial_gradient("L").point([max(0, 181 - v) * 110 // 181 for v in range(256)])
    for (x, y), radius in lamps:
        size = int(2 * radius * SCALE)
        if size < 4 or not 0 <= x < canvas.image.width / SCALE or y < 0:
            continue
        glow = halo.resize((size, size), Image.Resampling.BILINEAR)
        warm = Image.merge(
            "RGB",
            (
                glow, glow.point([v * 220 // 255 for v in range(256)]),
                glow.point([v * 150 // 255 for v in range(256)]),
            ),
        )
        corner = (int(x * SCALE - size / 2), int(y * SCALE - size / 2))
        box = (*corner, corner[0] + size, corner[1] + size)
        canvas.image.paste(ImageChops.add(canvas.image.crop(box), warm), corner)


def develop(canvas: Canvas, air: Air, style: CityStyle, dice: Dice) -> np.ndarray:
    """What the camera makes of the light: uint8 (H, W, 3) with vignette, white balance, noise."""
    small = canvas.image.reduce(SCALE)
    pixels = np.asarray(small, dtype=np.float32)
    height, width = pixels.shape[:2]
    rows = (np.arange(height, dtype=np.float32) / max(height - 1, 1) - 0.5)[:, None]
    columns = (np.arange(width, dtype=np.float32) / max(width - 1, 1) - 0.5)[None, :]
    vignette = 1.0 - dice.uniform(0.1, 0.3) * (rows * rows + columns * columns)
    gain = dice.uniform(0.92, 1.08)
    balance = np.array([b * gain * dice.uniform(0.98, 1.02) for b in style.balance], np.float32)
    pixels = pixels * vignette[..., None] * balance
    # A slight S-curve: cameras deepen shadows a little.
    pixels += (pixels - 118.0) * np.float32(dice.uniform(-0.02, 0.10))
    strength = dice.uniform(1.2, 2.6) * (2.0 if air.dark else 1.0)
    source = np.random.Generator(np.random.PCG64(dice.integer(0, 2**31)))
    grey = source.integers(0, 256, (height, width, 4), dtype=np.uint8).astype(np.float32) - 127.5
    # Sum of uniform bytes: brightness noise shared by the channels, and some of each channel's own.
    pixels += (grey[..., :3] * 0.6 + grey[..., 3:]) * np.float32(strength / 86.0)
    return np.clip(pixels, 0, 255).astype(np.uint8)
