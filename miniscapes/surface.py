"""The look of flat surfaces: colour that fades with distance, grain in perspective."""

import numpy as np
from PIL import Image

from .canvas import SCALE, Color, Layer
from .textures import add_grain, tile
from .world import World


class GroundDetail:
    """Grain of the ground in perspective, at canvas size, as something to add around 128."""

    def __init__(self, world: World) -> None:
        camera = world.camera
        self.top = max(0, int(camera.horizon * SCALE) + 2)
        width, height = camera.width * SCALE, camera.height * SCALE
        rows = np.arange(self.top, max(height, self.top + 1), dtype=np.float32)
        columns = np.arange(width, dtype=np.float32)
        depth = camera.focal * SCALE * camera.elevation / (rows - camera.horizon * SCALE + 0.5)
        across = (columns[None, :] - camera.center_x * SCALE) * (
            depth[:, None] / (camera.focal * SCALE)
        )
        self.depth = depth
        self._across = across
        self._images: dict[tuple[str, float], Image.Image] = {}

    def _image(self, name: str, per_meter: float) -> Image.Image:
        """The detail image of one tile, `per_meter` tile pixels to the metre."""
        key = (name, per_meter)
        if key not in self._images:
            pattern = np.asarray(tile(name))[:512, :512]
            column = (self._across * np.float32(per_meter)).astype(np.int32) & 511
            row = ((self.depth * np.float32(per_meter)).astype(np.int32) & 511) * 512
            values = pattern.ravel()[row[:, None] + column]
            grey = Image.fromarray(values)
            # Far away the grain is finer than a pixel and averages out.
            fade = np.minimum(1.0, 700.0 / (per_meter * self.depth + 1e-3))
            fade = Image.fromarray((fade * 255).astype(np.uint8)[:, None]).resize(
                grey.size, Image.Resampling.NEAREST
            )
            self._images[key] = Image.composite(grey, Image.new("L", grey.size, 128), fade)
        return self._images[key]

    def add(self, layer: Layer, name: str, per_meter: float, strength: float) -> None:
        """Put the grain on a layer of the ground."""
        grey = self._image(name, per_meter)
        piece = Image.new("L", layer.image.size, 128)
        piece.paste(grey, (-layer.left, self.top - layer.top))
        layer.replace(add_grain(layer.image, piece, strength))


def ground_painter(world: World, detail: GroundDetail, color: Color, grains, after=None):
    """A painter of one kind of ground: colour fading with distance, grain, then `after(layer)`."""

    def paint(layer: Layer) -> None:
        height = layer.image.height
        camera, shade = world.camera, world.air.shade
        ramp = Image.new("RGB", (1, height))
        ramp.putdata(
            [
                shade(color, camera.ground_distance((layer.top + row) / SCALE))
                for row in range(height)
            ]
        )
        layer.image.paste(ramp.resize(layer.image.size, Image.Resampling.NEAREST), (0, 0))
        for name, per_meter, strength in grains:
            detail.add(layer, name, per_meter, strength)
        if after is not None:
            after(layer)

    return paint
