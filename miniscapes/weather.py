"""Weather and time of day: the colour of light, haze and the sky."""

from dataclasses import dataclass

from PIL import Image, ImageChops

from .canvas import SCALE, Color, Layer
from .dice import Dice
from .styles import CityStyle
from .textures import window


@dataclass(frozen=True)
class Air:
    """How things look in one scene's weather. Colours are 0..255, factors about 1."""

    kind: str
    light: tuple[float, float, float]  # colour of the light on a surface that faces no way
    haze: Color  # what distance fades into
    density: float  # haze per metre
    zenith: Color
    horizon: Color
    cloud: Color
    cover: int  # share of sky under clouds, 0..255
    side: int  # the sun is on the left (-1) or on the right (1)
    contrast: float  # how much the sunny side is lighter than the shaded one
    front: float  # light on what faces the camera
    shadow: float  # darkness of cast shadows, 0..1
    dark: bool  # lamps and windows are lit
    wet: bool  # the road mirrors

    @property
    def sky(self) -> Color:
        """What a smooth surface mirrors."""
        return tuple((a + b) // 2 for a, b in zip(self.horizon, self.zenith, strict=True))

    def shade(self, color: Color, distance: float, factor: float = 1.0) -> Color:
        """The colour of a surface at a distance, lit by `factor`."""
        fog = distance * self.density
        fog = fog / (1.0 + fog)
        clear = (1.0 - fog) * factor
        haze = self.haze
        light = self.light
        return (
            min(255, int(color[0] * light[0] * clear + haze[0] * fog)),
            min(255, int(color[1] * light[1] * clear + haze[1] * fog)),
            min(255, int(color[2] * light[2] * clear + haze[2] * fog)),
        )

    def glow(self, color: Color, distance: float) -> Color:
        """The colour of something that shines by itself."""
        fog = distance * self.density * 0.5
        fog = fog / (1.0 + fog)
        return tuple(int(a * (1 - fog) + b * fog) for a, b in zip(color, self.haze, strict=True))

    def facing(self, side: int) -> float:
        """Light on a wall on the left (-1) or right (1) side of the street.

        A wall on the right looks left, so it is lit when the sun stands on the left.
        """
        return 1.0 - 0.5 * self.contrast * side * self.side


def random_air(dice: Dice, style: CityStyle) -> Air:
    """The weather of one scene, drawn from its city's climate."""
    kind = dice.weighted(style.weather)
    side = dice.sign()
    wobble = dice.uniform(0.94, 1.08)
    base = {
        # light, haze, density, zenith, horizon, cloud, cover, contrast, front, shadow
        "clear": (
            (1.12, 1.08, 1.0), (196, 208, 218), 0.0014, (74, 124, 184), (190, 208, 222),
            (244, 244, 244), 50, 0.5, 0.92, 0.52,
        ),
        "cloudy": (
            (1.0, 1.0, 1.0), (198, 204, 210), 0.0020, (104, 142, 188), (206, 214, 220),
            (236, 238, 240), 150, 0.26, 0.96, 0.34,
        ),
        "overcast": (
            (0.88, 0.9, 0.93), (190, 196, 200), 0.0026, (172, 180, 188), (214, 218, 220),
            (190, 196, 202), 235, 0.08, 0.98, 0.2,
        ),
        "hazy": (
            (0.98, 0.97, 0.94), (208, 206, 200), 0.0075, (176, 188, 198), (216, 214, 208),
            (214, 214, 212), 120, 0.16, 0.95, 0.24,
        ),
        "dusk": (
            (0.70, 0.65, 0.72), (140, 128, 142), 0.0035, (66, 82, 124), (214, 164, 132),
            (150, 120, 134), 130, 0.16, 0.86, 0.16,
        ),
        "rain": (
            (0.72, 0.75, 0.79), (168, 174, 180), 0.0062, (138, 146, 154), (186, 190, 194),
            (166, 174, 182), 245, 0.04, 0.98, 0.14,
        ),
        "morning": (
            (1.12, 1.03, 0.90), (222, 206, 182), 0.0034, (118, 150, 190), (240, 220, 186),
            (248, 232, 210), 90, 0.46, 0.86, 0.46,
        ),
    }[kind]
    light, haze, density, zenith, horizon, cloud, cover, contrast, front, shadow = base
    return Air(
        kind=kind, light=tuple(channel * wobble for channel in light), haze=dice.tint(haze, 8),
        density=density * dice.uniform(0.6, 1.5), zenith=dice.tint(zenith, 12),
        horizon=dice.tint(horizon, 8), cloud=dice.tint(cloud, 8),
        cover=max(0, min(255, int(dice.around(cover, 50)))), side=side, contrast=contrast,
        front=front + (0.12 if dice.chance(0.4) else 0.0), shadow=shadow,
        dark=kind == "dusk" or (kind == "rain" and dice.chance(0.35)), wet=kind == "rain",
    )


def paint_sky(air: Air, horizon: float):
    """A painter of the sky: a gradient, clouds that flatten towards the horizon, a glow."""

    def paint(layer: Layer) -> None:
        # Clouds are soft: they are made at half the canvas's size.
        width, rows = max(2, layer.image.width // SCALE), max(4, int(horizon) + 6)
        ramp = Image.new("RGB", (1, 3))
        middle = tuple((a * 2 + b) // 3 for a, b in zip(air.horizon, air.zenith, strict=True))
        for row, color in enumerate((air.zenith, middle, air.horizon)):
            ramp.putpixel((0, row), color)
        sky = ramp.resize((width, rows), Image.Resampling.BICUBIC)
        x, y = layer.dice.uniform(0, 512), layer.dice.uniform(0, 512)
        unit = width / 512
        cloud = window("clouds", width, rows, 1.7 * unit, x, y)
        low = window("clouds", width, max(rows // 3, 1), 0.8 * unit, y, x)
        low = low.resize((width, max(rows // 2, 1)), Image.Resampling.BILINEAR)
        cloud.paste(low, (0, rows - low.height), Image.linear_gradient("L").resize(low.size))
        edge = 255 - air.cover
        density = cloud.point([max(0, min(225, int((v - edge) * 2.6))) for v in range(256)])
        under = cloud.point([max(206, 255 - max(0, v - 110) // 2) for v in range(256)])
        shaded = ImageChops.multiply(
            Image.new("RGB", (width, rows), air.cloud), Image.merge("RGB", (under, under, under))
        )
        sky.paste(shaded, (0, 0), density)
        if air.kind in ("clear", "morning", "dusk", "hazy"):
            size = max(2, int(width * 0.8))
            glow = Image.radial_gradient("L").resize((size, size))
            glow = glow.point([max(0, 181 - v) * 140 // 181 for v in range(256)])
            center = width // 2 + air.side * int(width * layer.dice.uniform(0.1, 0.5))
            warm = (255, 236, 200) if air.kind != "dusk" else (250, 180, 120)
            sky.paste(
                Image.new("RGB", glow.size, warm), (center - size // 2, rows - int(size * 0.62)),
                glow,
            )
        layer.fill(air.horizon)
        layer.image.paste(sky.resize((width * SCALE, rows * SCALE), Image.Resampling.BILINEAR))

    return paint
