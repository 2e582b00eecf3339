"""Grey tiles that give surfaces their grain, made once per process from fixed seeds.

Each tile is a 1024 x 1024 `L` image around 128: a 512 x 512 pattern that repeats without a seam,
twice in each direction, so that any window up to 512 pixels can be cut from it in one piece.
"""

from functools import cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .dice import Dice

TILE = 512


def _repeat(pattern: Image.Image) -> Image.Image:
    return Image.fromarray(np.tile(np.asarray(pattern), (2, 2)))


def _smooth_noise(cells: int, seed: int) -> np.ndarray:
    """Seamless noise with `cells` random values along each side; float32 in -1..1."""
    values = np.random.Generator(np.random.PCG64(seed)).random((cells, cells))
    values = np.pad((values * 255).astype(np.uint8), 4, mode="wrap")
    factor = TILE // cells
    size = (cells + 8) * factor
    large = Image.fromarray(values).resize((size, size), Image.Resampling.BICUBIC)
    inner = large.crop((4 * factor, 4 * factor, 4 * factor + TILE, 4 * factor + TILE))
    return np.asarray(inner, dtype=np.float32) / 127.5 - 1.0


def _to_tile(values: np.ndarray, strength: float) -> Image.Image:
    """Grey values around 128 from an array of mean 0; `strength` is two standard deviations."""
    values = (values - values.mean()) / max(float(values.std()), 1e-6)
    return _repeat(Image.fromarray(np.clip(128 + values * strength / 2, 0, 255).astype(np.uint8)))


def _blobs(seed: int, count: int, radius: tuple[float, float], spread: int, tall: float) -> Image:
    """Many small overlapping blobs, each lit from above: foliage seen from afar."""
    dice = Dice(seed)
    pattern = Image.new("L", (TILE, TILE), 84)
    draw = ImageDraw.Draw(pattern)
    for _ in range(count):
        x, y = dice.uniform(0, TILE), dice.uniform(0, TILE)
        r = dice.uniform(*radius)
        level = int(dice.around(128, spread))
        for dx in (-TILE, 0, TILE):
            for dy in (-TILE, 0, TILE):
                if -r * 3 < x + dx < TILE + r * 3 and -r * 3 < y + dy < TILE + r * 3:
                    for shift, shade in ((0.0, -34), (-0.35, 6), (-0.6, 26)):
                        size = r * (1.0 if shift == 0 else 0.8 if shift > -0.5 else 0.4)
                        cy = y + dy + shift * r * tall
                        box = (x + dx - size, cy - size * tall, x + dx + size, cy + size * tall)
                        draw.ellipse(box, fill=max(0, min(255, level + shade)))
    return pattern


@cache
def tile(name: str) -> Image.Image:
    """One of the tiles: clouds, grain, stains, leaves, grass."""
    if name == "clouds":
        levels = sum(_smooth_noise(4 * 2**k, 10 + k) / 1.75**k for k in range(6))
        return _to_tile(levels, 90)
    if name == "stains":
        levels = sum(_smooth_noise(8 * 2**k, 30 + k) / 1.3**k for k in range(5))
        return _to_tile(levels, 60)
    if name == "grain":
        levels = _smooth_noise(512, 51) + 0.8 * _smooth_noise(256, 52) + 0.5 * _smooth_noise(64, 53)
        return _to_tile(levels, 60)
    if name == "leaves":
        pattern = _blobs(71, 6500, (1.8, 6.5), 84, 0.75)
        return _repeat(pattern.filter(ImageFilter.GaussianBlur(0.5)))
    if name == "grass":
        return _repeat(_blobs(72, 5200, (1.5, 4.0), 70, 2.4))
    raise KeyError(name)


def window(name: str, width: int, height: int, scale: float, x: float, y: float) -> Image.Image:
    """A `width` x `height` piece of a tile, `scale` pixels per tile pixel, from a place in it."""
    source_w, source_h = max(1.0, width / scale), max(1.0, height / scale)
    shrink = max(source_w / TILE, source_h / TILE, 1.0)
    source_w, source_h = source_w / shrink, source_h / shrink
    left, top = x % TILE, y % TILE
    box = (left, top, left + source_w, top + source_h)
    # Reducing first keeps far, strongly shrunk foliage from sparkling.
    return tile(name).resize((width, height), Image.Resampling.BILINEAR, box=box, reducing_gap=1.5)


def add_grain(image: Image.Image, piece: Image.Image, strength: float) -> Image.Image:
    """`image` (RGB) lightened and darkened by a piece of a tile; strength 1 takes it as it is."""
    piece = Image.blend(Image.new("L", piece.size, 128), piece, strength)
    return ImageChops.add(image, Image.merge("RGB", (piece, piece, piece)), 1.0, -128)
