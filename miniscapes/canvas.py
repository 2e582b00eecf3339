"""Painting inside polygons: what the image shows ends exactly where the mask ends."""

from collections.abc import Callable, Sequence

from PIL import Image, ImageChops, ImageDraw

from .dice import Dice
from .geometry import Pixel, Point
from .textures import add_grain, window

Color = tuple[int, int, int]

# Canvas pixels per image pixel: the image is averaged down, the masks are not touched by this.
SCALE = 2


def scaled(color: Color, factor: float) -> Color:
    """`color` made darker (below 1) or brighter, as far as white."""
    return tuple(min(255, int(channel * factor)) for channel in color)


class Layer:
    """A piece of the canvas that a painter may cover with whatever it likes.

    Coordinates are image pixels (whole numbers are pixel centres); sizes are image pixels too.
    It starts as a copy of what is already painted, so that gaps show what is behind.
    """

    def __init__(self, image: Image.Image, left: int, top: int, dice: Dice) -> None:
        self.left, self.top = left, top
        self.dice = dice
        self.replace(image)

    def replace(self, image: Image.Image) -> None:
        """Go on with another image of the same size."""
        self.image = image
        self._pen = ImageDraw.Draw(image)
        self._translucent_pen = ImageDraw.Draw(image, "RGBA")

    def _points(self, points: Sequence[Point]) -> list[Point]:
        dx, dy = 0.5 * (SCALE - 1) - self.left, 0.5 * (SCALE - 1) - self.top
        return [(SCALE * x + dx, SCALE * y + dy) for x, y in points]

    def fill(self, color: Color) -> None:
        """Cover everything."""
        self._pen.rectangle((0, 0, self.image.width, self.image.height), fill=color)

    def polygon(self, points: Sequence[Point], color: Color) -> None:
        """An opaque polygon."""
        self._pen.polygon(self._points(points), fill=color)

    def glaze(self, points: Sequence[Point], color: Color, alpha: int) -> None:
        """A translucent polygon; alpha 0..255."""
        self._translucent_pen.polygon(self._points(points), fill=(*color, alpha))

    def line(self, points: Sequence[Point], color: Color, width: float, alpha: int = 255) -> None:
        """A line; widths below a canvas pixel become fainter instead of thinner."""
        wide = width * SCALE
        if wide < 1:
            alpha = int(alpha * wide)
        if alpha >= 255:
            self._pen.line(self._points(points), fill=color, width=max(1, int(wide + 0.5)))
        elif alpha > 8:
            self._translucent_pen.line(
                self._points(points), fill=(*color, alpha), width=max(1, int(wide + 0.5))
            )

    def disc(
        self, x: float, y: float, rx: float, ry: float, color: Color, alpha: int = 255
    ) -> None:
        """An ellipse given by its centre and its two radii."""
        if rx <= 0 or ry <= 0:
            return
        cx = SCALE * x + 0.5 * (SCALE - 1) - self.left
        cy = SCALE * y + 0.5 * (SCALE - 1) - self.top
        wide, tall = rx * SCALE, ry * SCALE
        box = (cx - wide, cy - tall, cx + wide, cy + tall)
        if alpha >= 255:
            self._pen.ellipse(box, fill=color)
        else:
            self._translucent_pen.ellipse(box, fill=(*color, alpha))

    def grain(self, name: str, pixels: float, strength: float) -> None:
        """Roughen the surface with a tile, `pixels` image pixels per tile pixel."""
        x, y = self.dice.uniform(0, 512), self.dice.uniform(0, 512)
        piece = window(name, *self.image.size, pixels * SCALE, x, y)
        self.replace(add_grain(self.image, piece, strength))

    def darken(self, factor: float) -> None:
        """Multiply everything by a factor of at most 1."""
        grey = Image.new("RGB", self.image.size, scaled((255, 255, 255), factor))
        self.replace(ImageChops.multiply(self.image, grey))

    def foliage(self, palette: Sequence[Color], pixels: float, light: Image.Image) -> None:
        """Cover everything with leaves, between the dark and the bright colour of `palette`.

        `light` (L, any size) is the large-scale light and shade, around 128.
        """
        size = self.image.size
        scale = max(pixels * SCALE, 0.05)
        x, y = self.dice.uniform(0, 512), self.dice.uniform(0, 512)
        leaves = window("leaves", *size, scale, x, y)
        level = ImageChops.add(leaves, light.resize(size, Image.Resampling.BILINEAR), 1.0, -128)
        dark, bright = palette
        image = Image.new("RGB", size, dark)
        image.paste(bright, (0, 0, *size), level)
        self.replace(image)


Painter = Callable[[Layer], None]


class Canvas:
    """The image while it is painted, `SCALE` times larger in each direction."""

    def __init__(self, width: int, height: int, dice: Dice) -> None:
        self.image = Image.new("RGB", (width * SCALE, height * SCALE))
        self.dice = dice

    def paint(self, polygon: Sequence[Pixel], painter: Painter) -> None:
        """Let `painter` paint, and keep what lies inside `polygon`.

        The outline is widened by half an image pixel, since a mask's polygon includes the pixels
        its corners are in.
        """
        columns = [x for x, _ in polygon]
        rows = [y for _, y in polygon]
        left = max(0, SCALE * min(columns) - 1)
        top = max(0, SCALE * min(rows) - 1)
        right = min(self.image.width, SCALE * (max(columns) + 1) + 1)
        bottom = min(self.image.height, SCALE * (max(rows) + 1) + 1)
        layer = Layer(self.image.crop((left, top, right, bottom)), left, top, self.dice)
        painter(layer)
        clip = Image.new("L", layer.image.size)
        pen = ImageDraw.Draw(clip)
        outline = layer._points(polygon)
        pen.polygon(outline, fill=255)
        pen.line([*outline, outline[0]], fill=255, width=SCALE)
        self.image.paste(layer.image, (left, top), clip)
