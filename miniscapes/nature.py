"""Trees, hedges, bushes and what closes the view at the end of the street."""

from functools import cache

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .canvas import Color, Layer, scaled
from .dice import Dice
from .geometry import Point, on_ellipse, sine
from .textures import window
from .world import GROUND, World, distances

# One full turn in 512 steps.
_SINES = [sine(6.283185307 * step / 512) for step in range(512)]


def crown_outline(dice: Dice, x: float, y: float, rx: float, ry: float, steps: int) -> list[Point]:
    """A closed outline like the edge of a leafy crown: a few big lobes and many small ones."""
    lobes = dice.integer(3, 6)
    phase, other = dice.integer(0, 511), dice.integer(0, 511)
    strength = dice.uniform(0.06, 0.16)
    outline = []
    for step in range(steps):
        turn = step * 512 // steps
        radius = 1.0 + strength * _SINES[(lobes * turn + phase) & 511]
        radius += 0.5 * strength * _SINES[((2 * lobes + 1) * turn + other) & 511]
        radius += dice.around(0.0, 0.085)
        outline.append(
            (x + rx * radius * _SINES[(turn + 128) & 511], y + ry * radius * _SINES[turn])
        )
    return outline


def leaf_colors(world: World, leaf: Color, z: float, light: float) -> tuple[Color, ...]:
    """Dark and bright colour of foliage at a distance."""
    air = world.air
    dark = scaled(leaf, 0.3)
    bright = (
        min(255, int(leaf[0] * 1.58 + 18)), min(255, int(leaf[1] * 1.52 + 16)),
        int(leaf[2] * 1.4 + 8),
    )
    return air.shade(dark, z, light), air.shade(bright, z, light)


@cache
def _crown_light(number: int, side: int, contrast: float) -> Image.Image:
    """Large-scale light and shade of a crown: clumps of leaves, each lit from above."""
    dice = Dice(815, number)
    image = Image.new("L", (64, 64), 112)
    pen = ImageDraw.Draw(image)
    for index in range(26):
        x, y = dice.uniform(-4, 60), dice.uniform(0, 66) * (0.4 + 0.6 * index / 26)
        r = dice.uniform(7, 15)
        level = int(128 + (30 - y) * 0.75 + side * (x - 32) * (0.5 + contrast) + dice.around(0, 14))
        pen.ellipse((x - r, y - r + 3, x + r, y + r + 3), fill=max(0, level - 34))
        pen.ellipse((x - r * 0.85, y - r, x + r * 0.85, y + r * 0.7), fill=max(0, min(255, level)))
        pen.ellipse(
            (x - r * 0.55, y - r * 0.9, x + r * 0.5, y + r * 0.1), fill=min(255, level + 20)
        )
    return image.filter(ImageFilter.GaussianBlur(1.4))


def leafy(world: World, leaf: Color, z: float, gaps: int, light: float = 1.0):
    """A painter that covers a crown, hedge or bush with leaves; `gaps` show what is behind."""

    def paint(layer: Layer) -> None:
        before = layer.image
        number = layer.dice.integer(0, 15)
        shades = _crown_light(number, world.air.side, world.air.contrast)
        pixels = world.camera.size(0.0115, z)
        layer.foliage(leaf_colors(world, leaf, z, light), max(pixels, 0.07), shades)
        if gaps and z < 60:
            x, y = layer.dice.uniform(0, 512), layer.dice.uniform(0, 512)
            width, height = layer.image.size
            holes = window("leaves", width, height, max(pixels * 2.6, 0.2), x, y)
            # Thresholding by a steep contrast is cheaper than a table.
            solid = ImageChops.add(holes, holes, 0.125, -16 * gaps)
            layer.replace(Image.composite(layer.image, before, solid))

    return paint


def add_tree(world: World, across: float, z: float, height: float, leaf: Color, bare: bool) -> None:
    """A tree of some metres' height: its trunk and its crown, both `vegetation`."""
    dice, camera = world.dice, world.camera
    trunk = height * dice.uniform(0.25, 0.38)
    wide = 0.035 * height * dice.uniform(0.7, 1.3) + 0.06
    lean = dice.around(0, 0.3)
    slim = dice.uniform(0.75, 1.15) if not dice.chance(0.12) else 0.4
    foot = world.at(across, z)
    top = world.at(across + lean, z, trunk + 0.3 * (height - trunk))
    half = camera.size(wide / 2, z)
    bark = dice.tint((98, 84, 70), 16)
    world.cast(across, z, height * 0.42, height * 0.9, height * 0.34)

    def paint_trunk(layer: Layer) -> None:
        layer.fill(world.air.shade(bark, z, 0.9))
        side = world.air.side
        x = foot[0]
        edge, middle = x - side * half * 2, x - side * half * 0.1
        shaded = [
            (edge, foot[1] + half), (edge, top[1]), (middle, top[1]), (middle, foot[1] + half),
        ]
        layer.glaze(shaded, (20, 16, 14), 90)
        layer.grain("stains", max(half / 14, 0.15), 0.7)

    outline = [
        (foot[0] - half * 1.35, foot[1]), (foot[0] - half * 0.9, foot[1] - half * 2.5),
        (top[0] - half * 0.7, top[1]), (top[0] + half * 0.7, top[1]),
        (foot[0] + half * 0.9, foot[1] - half * 2.5), (foot[0] + half * 1.35, foot[1]),
    ]
    world.add("vegetation", outline, z + 0.02, paint_trunk)
    middle = world.at(across + lean, z, (trunk + height) / 2 + 0.1 * height)
    ry = camera.size((height - trunk) / 2 * 1.05, z)
    rx = ry * slim
    steps = 16 + int(min(ry, 200) / 2.2)
    crown = crown_outline(dice, middle[0], middle[1], rx, ry, steps)
    if bare:
        branches = _branches(dice, foot[0] * 0.2 + top[0] * 0.8, top[1], middle[1], rx, ry)

        def paint_crown(layer: Layer) -> None:
            color = world.air.shade(bark, z, 0.85)
            for points, thick in branches:
                layer.line(points, color, max(half * thick, 0.25), 230)
            layer.glaze(crown, world.air.shade((112, 98, 84), z), 46)
    else:
        paint_crown = leafy(world, leaf, z, gaps=dice.integer(38, 74))
    world.add("vegetation", crown, z, paint_crown)


def _branches(dice: Dice, x: float, y: float, middle: float, rx: float, ry: float):
    """Line segments of a leafless crown: limbs from the trunk's top, twigs from the limbs."""
    found = []
    for _ in range(11):
        angle = dice.uniform(3.3, 6.1)
        end = on_ellipse(x, middle, rx * 0.95, ry * 0.95, angle)
        bend = ((x + end[0]) / 2 + dice.around(0, rx * 0.15), (y + end[1]) / 2)
        found.append(([(x, y), bend, end], 0.6))
        for _ in range(8):
            share = dice.uniform(0.2, 1.0)
            root = (bend[0] + (end[0] - bend[0]) * share, bend[1] + (end[1] - bend[1]) * share)
            turn = angle + dice.around(0, 1.3)
            reach = dice.uniform(0.15, 0.42)
            tip = on_ellipse(*root, rx * reach, ry * reach, turn)
            found.append(([root, tip], 0.24))
    return found


def add_bush(world: World, across: float, z: float, wide: float, tall: float) -> None:
    """A round bush."""
    dice = world.dice
    leaf = dice.tint(dice.pick(world.style.leaves), 12)
    x, y = world.at(across, z, tall * 0.42)
    rx, ry = world.camera.size(wide / 2, z), world.camera.size(tall * 0.55, z)
    outline = crown_outline(dice, x, y, rx, ry, 14 + int(min(rx, 60) / 4))
    floor = world.at(across, z)[1]
    outline = [(px, min(py, floor + 1)) for px, py in outline]
    world.cast(across, z, wide * 0.9, tall * 0.6, wide * 0.8)
    world.add("vegetation", outline, z, leafy(world, leaf, z, gaps=0, light=0.95))


def add_hedge(world: World, across: float, near: float, far: float, tall: float) -> None:
    """A hedge along the street with an uneven top."""
    dice = world.dice
    leaf = dice.tint(dice.pick(world.style.leaves), 10)
    stops = distances(near, far)
    fine = []
    for a, b in zip(stops, stops[1:], strict=False):
        fine += [a, a + (b - a) / 3, a + (b - a) * 2 / 3]
    fine.append(stops[-1])
    outline = [world.at(across, z) for z in fine]
    outline += [world.at(across, z, tall * dice.around(1.0, 0.12)) for z in reversed(fine)]
    sign = 1 if across > 0 else -1
    back = world.at(across + sign * 1.2, near, tall)
    foot = world.at(across + sign * 1.2, near)
    outline += [back, foot]
    light = world.air.facing(sign)
    world.add("vegetation", outline, far, leafy(world, leaf, (near * 2 + far) / 3, 0, light))


def add_backdrop(world: World) -> None:
    """What closes the street far away: hills with trees, or a row of distant houses."""
    dice, camera = world.dice, world.camera
    z = 190.0
    base = camera.horizon + 0.03 * camera.height
    town = dice.chance(0.5)
    for layer_index in range(2):
        trees = layer_index == 1 or not town
        tall = camera.size(dice.uniform(9, 16) if trees else dice.uniform(14, 30), z)
        if trees:
            outline: list[Point] = []
            x = -10.0
            while x < camera.width + 10:
                step = camera.width * dice.uniform(0.008, 0.03)
                outline.append((x, camera.horizon - tall * dice.uniform(0.4, 1.0)))
                x += step
            outline += [(camera.width + 10, base), (-10, base)]
            leaf = dice.tint(dice.pick(world.style.leaves), 10)
            world.add("vegetation", outline, 0, leafy(world, leaf, z * 0.8, 0), GROUND)
            continue
        x = -10.0
        while x < camera.width + 10:
            step = camera.width * dice.uniform(0.02, 0.07)
            high = camera.horizon - tall * dice.uniform(0.3, 1.0)
            color = dice.tint(dice.pick(world.style.facades), 12)
            outline = [(x, base), (x, high), (x + step, high), (x + step, base)]
            world.add("building", outline, 0, _far_house(world, color, z), GROUND)
            x += step


def _far_house(world: World, color: Color, z: float):
    def paint(layer: Layer) -> None:
        layer.fill(world.air.shade(color, z, 0.9))
        width, height = layer.image.size
        dark = world.air.shade((80, 84, 92), z)
        pen = ImageDraw.Draw(layer.image)
        for x in range(2, width, 5):
            for y in range(3, height, 6):
                pen.rectangle((x, y, x + 1, y + 2), fill=dark)

    return paint
