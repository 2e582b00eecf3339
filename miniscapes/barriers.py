"""Walls, fences, crash barriers and bridges."""

from .canvas import Layer, scaled
from .geometry import Point
from .poles import add_pole
from .world import World, distances


def band(world: World, across: float, near: float, far: float, low: float, high: float):
    """The outline of an upright band along the street."""
    stops = distances(near, far)
    return [world.at(across, z, low) for z in stops] + [
        world.at(across, z, high) for z in reversed(stops)
    ]


def add_wall(world: World, across: float, near: float, far: float, tall: float) -> None:
    """A garden or retaining wall along the street, with a coping."""
    dice, air = world.dice, world.air
    color = dice.tint(dice.pick((*world.style.facades, (150, 144, 134), (128, 82, 66))), 14)
    sign = 1 if across > 0 else -1
    light = air.facing(sign)
    courses = dice.chance(0.5)
    tags = dice.chance(0.25)
    outline = band(world, across, near, far, -0.1, tall)
    outline += [world.at(across + sign * 0.35, near, tall), world.at(across + sign * 0.35, near)]

    def paint(layer: Layer) -> None:
        stops = distances(near, far)
        layer.fill(air.shade(color, near, air.front))
        for a, b in zip(stops, stops[1:], strict=False):
            layer.polygon(band(world, across, a, b, -0.1, tall), air.shade(color, a, light))
        foot = band(world, across, near, far, -0.1, 0.35)
        layer.polygon(foot, air.shade(scaled(color, 0.78), near, light))
        if courses:
            dark = air.shade(scaled(color, 0.74), near, light)
            row = 0.3
            while row < tall:
                points = [world.at(across, z, row) for z in stops]
                layer.line(points, dark, world.camera.size(0.025, near), 190)
                row += 0.3
            z = near
            while z < min(far, 45):
                layer.line(
                    [world.at(across, z, 0), world.at(across, z, tall)], dark,
                    world.camera.size(0.03, z), 120,
                )
                z += 1.2
        coping = band(world, across, near, far, tall - 0.12, tall)
        layer.polygon(coping, air.shade(scaled(color, 1.15), near, light))
        if tags:
            for _ in range(3):
                z = layer.dice.uniform(near, far)
                hue = layer.dice.pick(((60, 90, 180), (180, 60, 120), (40, 40, 44), (220, 220, 90)))
                layer.glaze(band(world, across, z, z + 2.4, 0.4, 1.2), hue, 130)
        layer.grain("stains", max(world.camera.size(0.02, near * 1.5), 0.25), 0.6)
        layer.grain("grain", max(world.camera.size(0.01, near), 0.5), 0.3)

    world.add("wall", outline, far, paint)


def add_fence(world: World, across: float, near: float, far: float, tall: float) -> None:
    """A fence along the street: pickets, mesh, bars or boards; one sees through most of them."""
    dice, air, camera = world.dice, world.air, world.camera
    kind = dice.weighted({"bars": 3, "picket": 2, "mesh": 2, "boards": 1.2, "hoarding": 0.5})
    colors = {
        "bars": (52, 58, 58), "picket": (206, 202, 192), "mesh": (112, 122, 116),
        "boards": (122, 96, 70), "hoarding": (184, 178, 166),
    }
    color = dice.tint(colors[kind], 16)
    if kind == "hoarding":
        tall = max(tall, 2.0)
    sign = 1 if across > 0 else -1
    light = air.facing(sign)
    outline = band(world, across, near, far, 0.0, tall)

    def paint(layer: Layer) -> None:
        stops = distances(near, far)
        solid = kind in ("boards", "hoarding")
        if solid:
            for a, b in zip(stops, stops[1:], strict=False):
                layer.polygon(band(world, across, a, b, 0, tall), air.shade(color, a, light))
        else:
            veil = {"bars": 60, "picket": 120, "mesh": 70}[kind]
            layer.glaze(outline, air.shade(color, (near + far) / 2, light), veil)
        gaps = {"bars": 0.16, "picket": 0.2, "mesh": 0.3, "boards": 0.24, "hoarding": 2.4}
        widths = {"bars": 0.035, "picket": 0.11, "mesh": 0.02, "boards": 0.03, "hoarding": 0.06}
        gap, thick = gaps[kind], widths[kind]
        z = near
        dark = scaled(color, 0.62)
        while z < far:
            line = [world.at(across, z, 0), world.at(across, z, tall * 0.98)]
            ink = air.shade(dark if solid else color, z, light)
            layer.line(line, ink, camera.size(thick, z), 220)
            # Further away, single bars are finer than a pixel: draw fewer, the veil does the rest.
            z += max(gap, 0.55 * z / camera.focal * 2)
        rails = {"mesh": (0.04, 0.98), "boards": (0.15, 0.85), "hoarding": (0.02, 0.97)}
        for share in rails.get(kind, (0.14, 0.88)):
            points = [world.at(across, z, tall * share) for z in stops]
            layer.line(points, air.shade(color, near, light), camera.size(0.05, near * 1.3))
        z = near
        while z < far:
            post = [world.at(across, z, 0), world.at(across, z, tall)]
            layer.line(post, air.shade(color, z, light * 0.9), camera.size(0.09, z))
            z += 2.4

    world.add("fence", outline, far, paint)


def add_guard_rail(world: World, across: float, near: float, far: float) -> None:
    """A steel crash barrier on posts."""
    air, camera = world.air, world.camera
    outline = band(world, across, near, far, 0.35, 0.78)

    def paint(layer: Layer) -> None:
        layer.fill(air.shade((166, 170, 172), (near + far) / 2))
        points = [world.at(across, z, 0.56) for z in distances(near, far)]
        layer.line(points, air.shade((96, 100, 104), near), camera.size(0.09, near * 1.2))

    world.add("guard rail", outline, far, paint)
    z = near
    while z < min(far, 60):
        add_pole(world, across, z, 0.4, 0.1, label="guard rail")
        z += 4.0


def add_bridge(world: World, z: float) -> None:
    """A bridge across the street, with its pillars."""
    dice, air, camera = world.dice, world.air, world.camera
    color = dice.tint((146, 142, 136), 16)
    low, high = dice.uniform(4.6, 5.6), dice.uniform(6.6, 7.6)
    half = world.style.half_road[1] + 4
    for across in (-half, half):
        left, right = world.at(across - 0.8, z), world.at(across + 0.8, z)
        top = world.at(across, z, low)[1]
        pillar = [left, (left[0], top), (right[0], top), right]
        world.add("bridge", pillar, z + 4, lambda layer: layer.fill(air.shade(color, z, 0.8)))

    def beam(bottom: float, top: float) -> list[Point]:
        return [
            world.at(-70, z, bottom), world.at(-70, z, top), world.at(70, z, top),
            world.at(70, z, bottom),
        ]

    def paint(layer: Layer) -> None:
        layer.fill(air.shade(color, z, 0.95))
        for share, tone in ((0.0, 0.7), (0.14, 0.86), (0.7, 1.1)):
            y = low + (high - low) * share
            layer.polygon(beam(y, y + 0.22), air.shade(scaled(color, tone), z))
        layer.grain("stains", max(camera.size(0.03, z), 0.3), 0.6)

    world.add("bridge", beam(low, high), z + 3, paint)
    deep = [
        world.at(-70, z + 9, low), world.at(70, z + 9, low), world.at(70, z, low),
        world.at(-70, z, low),
    ]
    world.add("bridge", deep, z + 3.5, lambda layer: layer.fill(air.shade((70, 68, 66), z)))
