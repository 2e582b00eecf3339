"""The road: asphalt or cobbles, wear, and markings."""

from .canvas import Layer, scaled
from .plan import FAR, Plan
from .surface import GroundDetail, ground_painter
from .world import GROUND, World


def build_road(world: World, plan: Plan, detail: GroundDetail) -> None:
    """Add the road with its wear and its markings."""
    dice, style = world.dice, world.style
    color = dice.tint(style.asphalt, 12)
    cobbles = dice.chance(style.cobbles)
    markings = not (cobbles and dice.chance(0.7))
    center_dashed = dice.chance(0.7)
    edges = dice.chance(0.3)
    worn = dice.uniform(0.35, 1.0)
    half = plan.half_road
    patches = [
        (
            dice.uniform(-half, half), dice.uniform(4, 40), dice.uniform(0.5, 2.4),
            dice.uniform(1.0, 9.0), dice.uniform(-1, 1),
        )
        for _ in range(dice.integer(1, 7))
    ]
    covers = [
        (dice.uniform(-half * 0.8, half * 0.8), dice.uniform(5, 30))
        for _ in range(dice.integer(0, 3))
    ]
    tracks = dice.uniform(0.0, 0.22)
    arrow = dice.uniform(9, 24) if plan.lanes == 2 and dice.chance(0.5) else None
    cracks = [
        (
            dice.uniform(-half, half), dice.uniform(4, 14),
            [(dice.uniform(-0.5, 0.5), dice.uniform(0.4, 1.4)) for _ in range(5)],
        )
        for _ in range(dice.integer(0, 4))
    ]
    white = (226, 226, 220)

    def mark(layer: Layer, left: float, right: float, near: float, far: float) -> None:
        shade = world.air.shade(white, (near + far) / 2)
        layer.glaze(world.strip(left, right, near, far), shade, int(235 * worn))

    def surface(layer: Layer) -> None:
        shade = world.air.shade
        for across, z, wide, long, tone in patches:
            dark = scaled(color, 1 + 0.22 * tone)
            outline = world.strip(across - wide / 2, across + wide / 2, z, z + long)
            layer.glaze(outline, shade(dark, z), 150)
        for lane in range(-plan.lanes, plan.lanes):
            middle = (lane + 0.5) * half / plan.lanes
            for wheel in (-0.8, 0.8):
                band = world.strip(middle + wheel - 0.3, middle + wheel + 0.3, 3, 70)
                layer.glaze(band, shade((60, 60, 62), 20), int(255 * tracks * 0.4))
        for across, z, steps in cracks:
            points = [world.at(across, z)]
            for dx, dz in steps:
                across, z = across + dx, z + dz
                points.append(world.at(across, z))
            layer.line(points, shade((58, 56, 56), z), world.camera.size(0.05, z), 150)
        for across, z in covers:
            x, y = world.at(across, z)
            wide = world.camera.size(0.36, z)
            flat = wide * world.camera.elevation / z
            layer.disc(x, y, wide, flat, shade((78, 76, 76), z))
            layer.disc(x, y, wide * 0.8, flat * 0.8, shade((96, 94, 92), z))
        gutter = scaled(color, 0.82)
        for sign in (-1, 1):
            band = world.strip(sign * (half - 0.45), sign * half, 3, 90)
            layer.glaze(band, shade(gutter, 15), 130)
        if markings:
            _markings(layer)

    def _markings(layer: Layer) -> None:
        stops = [*plan.crossings, *(plan.junction or ())]
        limit = min(stops) - 2 if stops else FAR
        lines = [(0.0, center_dashed)]
        if plan.lanes == 2:
            lines = [(0.0, False), (half / 2, True), (-half / 2, True)]
        for across, dashed in lines:
            if not dashed:
                mark(layer, across - 0.07, across + 0.07, 3, limit)
                if limit < 90:
                    mark(layer, across - 0.07, across + 0.07, limit + 18, 140)
                continue
            z = 2.0 + worn * 3
            while z < 110:
                if not any(abs(z - stop) < 6 for stop in stops):
                    mark(layer, across - 0.07, across + 0.07, z, z + 3.0)
                z += 8.0
        if edges:
            for sign in (-1, 1):
                mark(layer, sign * (half - 0.5), sign * (half - 0.38), 3, min(limit, 110))
        for z in plan.crossings:
            across = -half + 0.4
            while across < half - 0.5:
                mark(layer, across, across + 0.5, z, z + 3.2)
                across += 1.0
            mark(layer, 0.2, half - 0.4, z - 1.6, z - 1.2)
        if arrow is not None:
            middle = half / 4
            mark(layer, middle - 0.08, middle + 0.08, arrow, arrow + 2.6)
            tip = [
                world.at(middle - 0.4, arrow + 2.4), world.at(middle + 0.4, arrow + 2.4),
                world.at(middle, arrow + 4.2),
            ]
            layer.glaze(tip, world.air.shade(white, arrow), int(230 * worn))

    rough = dice.uniform(0.2, 0.5)
    grains = [
        ("grain", 60, rough), ("stains", 3, dice.uniform(0.15, 0.5)), ("stains", 8, rough * 0.7),
    ]
    if cobbles:
        color = dice.tint((122, 116, 110), 10)
        grains = [("leaves", 60, 0.22), ("grain", 60, 0.35), ("stains", 3, 0.4)]
    painter = ground_painter(world, detail, color, grains, surface)
    world.add("road", world.strip(-half, half, 2.0, FAR), 0, painter, GROUND)
