"""Bins, cabinets and bus stops."""

from .barriers import band
from .canvas import Color, Layer, scaled
from .geometry import convex_hull
from .poles import add_pole
from .signs import add_sign_face
from .world import World


def add_box(world: World, across, z, wide, tall, color: Color, label: str) -> None:
    """A bin, cabinet, crate or block: a box seen from the front with its top and one side."""
    air, camera = world.air, world.camera
    ground, center = world.street.ground(z), world.x(across, z)
    deep = wide * 0.7
    left, right = center - wide / 2, center + wide / 2
    top, back = ground + tall, z + deep
    project = camera.project
    corners = [project(x, y, q) for x in (left, right) for y in (ground, top) for q in (z, back)]
    world.cast(across, z + deep / 2, wide, tall, deep)

    def paint(layer: Layer) -> None:
        layer.fill(air.shade(color, z, 0.75))
        face = [
            project(left, ground, z), project(left, top, z), project(right, top, z),
            project(right, ground, z),
        ]
        layer.polygon(face, air.shade(color, z, air.front))
        lid = [
            project(left, top, z), project(left, top, back), project(right, top, back),
            project(right, top, z),
        ]
        layer.polygon(lid, air.shade(scaled(color, 1.2), z))
        rim = [project(x, ground + tall * 0.86, z) for x in (left, right)]
        layer.line(rim, air.shade(scaled(color, 0.5), z), camera.size(0.04, z))

    world.add(label, convex_hull(corners), z, paint)


def add_shelter(world: World, across: float, z: float) -> None:
    """A bus stop: a glass shelter (static) and its sign."""
    air, camera = world.air, world.camera
    sign = 1 if across > 0 else -1
    outline = band(world, across + sign * 1.2, z, z + 4.0, 0.0, 2.4)
    roof = [world.at(across, z, 2.4), world.at(across + sign * 1.4, z, 2.5)]
    hull = convex_hull([*outline, *roof])

    def paint(layer: Layer) -> None:
        layer.glaze(hull, air.shade((150, 166, 176), z), 90)
        layer.polygon(
            convex_hull(
                [*roof, world.at(across, z + 4, 2.4), world.at(across + sign * 1.4, z + 4, 2.6)]
            ),
            air.shade((70, 74, 80), z),
        )
        for q in (z, z + 2, z + 4):
            ends = [world.at(across + sign * 1.2, q), world.at(across + sign * 1.2, q, 2.4)]
            layer.line(ends, air.shade((64, 68, 74), z), camera.size(0.08, q))
        bench = band(world, across + sign * 1.1, z + 0.6, z + 3.2, 0.4, 0.55)
        layer.polygon(bench, air.shade((110, 82, 60), z))

    world.add("static", hull, z + 0.5, paint)
    add_sign_face(world, across - sign * 0.2, z - 0.6, 2.5, "square", False, 0.8)
    add_pole(world, across - sign * 0.2, z - 0.5, 2.6, 0.08)
