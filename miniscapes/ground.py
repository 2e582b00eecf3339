"""The street's surface: sidewalk, parking, grass, side streets, tram tracks."""

import numpy as np

from .canvas import Color, Layer, Painter, scaled
from .plan import FAR, Plan
from .road import build_road
from .surface import GroundDetail, ground_painter
from .world import GROUND, World, distances


def build_ground(world: World, plan: Plan, detail: GroundDetail) -> None:
    """Add every flat surface, from the fields beside the street to the markings on the road."""
    dice, style = world.dice, world.style
    grass = dice.tint(
        dice.pick(((104, 118, 62), (120, 122, 70), (92, 112, 58), (134, 124, 80))), 12
    )
    earth = ground_painter(world, detail, grass, (("grass", 60, 0.7), ("stains", 8, 0.7)))
    world.add("terrain", world.strip(-220, 220, 2.0, FAR), 0, earth, GROUND)
    paving = dice.tint(style.paving, 12)
    _build_junction(world, plan, detail, paving)
    for side in (0, 1):
        _build_side(world, plan, detail, side, paving, earth)
    build_road(world, plan, detail)
    if plan.rails is not None:
        _build_rails(world, plan, detail)


def _build_side(
    world: World, plan: Plan, detail: GroundDetail, side: int, paving: Color, earth: Painter
) -> None:
    dice = world.dice
    sign = 1 if side else -1
    slabs = dice.chance(0.7)
    slab = dice.pick((0.5, 0.8, 1.0))
    joint = scaled(paving, 0.78)
    stretches = [(3.0, FAR)]
    if plan.junction:
        stretches = [(3.0, plan.junction[0]), (plan.junction[1], FAR)]
    inner = plan.walk[side]
    outer = plan.front[side] + (dice.uniform(2, 5) if dice.chance(0.5) else 0.3)

    def joints(layer: Layer) -> None:
        air = world.air
        for z in np.arange(4.0, 24.0, slab).tolist():
            a, b = world.at(sign * inner, z, 0.12), world.at(sign * outer, z, 0.12)
            layer.line([a, b], air.shade(joint, z), world.camera.size(0.03, z), 150)
        across = inner + slab
        while across < outer:
            points = [world.at(sign * across, z, 0.12) for z in distances(4.0, 26.0)]
            layer.line(points, air.shade(joint, 9), world.camera.size(0.03, 10), 150)
            across += slab

    def kerbstone(layer: Layer) -> None:
        if slabs:
            joints(layer)
        light = scaled(paving, 1.12)
        for near, far in stretches:
            face = [world.at(sign * inner, z) for z in distances(near, far)]
            lip = [world.at(sign * inner, z, 0.12) for z in distances(near, far)]
            top = [world.at(sign * (inner + 0.14), z, 0.12) for z in distances(near, far)]
            layer.polygon(lip + top[::-1], world.air.shade(light, 12))
            layer.polygon(
                face + lip[::-1], world.air.shade(paving, 12, 0.62 * world.air.facing(sign))
            )

    grains = (("grain", 60, 0.25), ("stains", 8, 0.3))
    for near, far in stretches:
        stops = distances(near, far)
        outline = [world.at(sign * inner, z) for z in stops]
        outline += [world.at(sign * outer, z, 0.12) for z in reversed(stops)]
        painter = ground_painter(world, detail, paving, grains, kerbstone)
        world.add("sidewalk", outline, 0, painter, GROUND)
        band = world.strip(sign * plan.kerb[side], sign * inner, near, far)
        if plan.bays[side] == "verge":
            world.add("terrain", band, 0, earth, GROUND)
        elif plan.bays[side] == "parking":
            color = dice.tint((124, 116, 112), 14)

            def lines(layer: Layer) -> None:
                for z in np.arange(6.0, 60.0, 5.5).tolist():
                    ends = world.at(sign * plan.kerb[side], z), world.at(sign * inner, z)
                    layer.line(ends, world.air.shade((220, 220, 214), z), world.camera.size(0.1, z))

            painter = ground_painter(
                world, detail, color, (("grain", 60, 0.4), ("stains", 8, 0.4)), lines
            )
            world.add("parking", band, 0, painter, GROUND)


def _build_junction(world: World, plan: Plan, detail: GroundDetail, paving: Color) -> None:
    if plan.junction is None:
        return
    near, far = plan.junction
    color = world.dice.tint(world.style.asphalt, 6)
    painter = ground_painter(world, detail, color, (("grain", 60, 0.35), ("stains", 8, 0.4)))
    for sign in (-1, 1):
        for z0, z1 in ((near - 2.2, near), (far, far + 2.2)):
            corner = [
                world.at(sign * plan.half_road, z0), world.at(sign * 60, z0),
                world.at(sign * 60, z1), world.at(sign * plan.half_road, z1),
            ]
            pave = ground_painter(world, detail, paving, (("grain", 60, 0.25),))
            world.add("sidewalk", corner, 0, pave, GROUND)
        band = [
            world.at(sign * plan.half_road * 0.9, near), world.at(sign * 60, near),
            world.at(sign * 60, far), world.at(sign * plan.half_road * 0.9, far),
        ]
        world.add("road", band, 0, painter, GROUND)


def _build_rails(world: World, plan: Plan, detail: GroundDetail) -> None:
    dice = world.dice
    middle = plan.rails
    gravel = dice.chance(0.5)

    def rails(layer: Layer) -> None:
        for offset in (-0.72, 0.72):
            left, right = middle + offset - 0.05, middle + offset + 0.05
            layer.polygon(world.strip(left, right, 3, 120), world.air.shade((70, 66, 64), 14))
            layer.polygon(
                world.strip(left + 0.02, right - 0.03, 3, 60), world.air.shade((168, 166, 164), 14)
            )

    if not plan.rails_apart:
        half, color, grains = 0.95, (98, 94, 94), (("grain", 60, 0.4),)
    elif gravel:
        half, color, grains = 1.7, (116, 106, 96), (("grain", 60, 0.9), ("stains", 8, 0.5))
    else:
        half, color, grains = 1.7, (104, 118, 66), (("grass", 60, 0.9), ("stains", 8, 0.5))
    painter = ground_painter(world, detail, color, grains, rails)
    world.add("rail track", world.strip(middle - half, middle + half, 2, FAR), 0, painter, GROUND)
