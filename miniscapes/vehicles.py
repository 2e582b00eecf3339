"""Vehicles in the street: their outlines, shadows and license plates."""

from .bodywork import Placed, half_at, paint_vehicle
from .canvas import Layer
from .fleet import Vehicle
from .geometry import Point, column_envelope, convex_hull, rectangle
from .world import World


def add_vehicle(
    world: World,
    vehicle: Vehicle,
    x: float,
    z: float,
    turn: float,
    lamps: bool = False,
    group: bool = False,
) -> None:
    """Add a vehicle as one object and its license plate as another, unless it is too near."""
    place = Placed(world, x, z, turn)
    longest = max(abs(along) for body in vehicle.bodies for along, _ in body.profile)
    width = vehicle.half
    corners = rectangle(-longest, -width, longest, width)
    nearest = min(place.where(*corner)[1] for corner in corners)
    if z < 2.5 or (nearest < 1.2 and longest < 4):
        return
    segments: list[tuple[Point, Point]] = []
    for body in vehicle.bodies:
        left = [place.spot(a, h, -half_at(body, h)) for a, h in body.profile]
        right = [place.spot(a, h, half_at(body, h)) for a, h in body.profile]
        for line in (left, right):
            segments += list(zip(line, [*line[1:], line[0]], strict=True))
        segments += list(zip(left, right, strict=True))
    for along in vehicle.wheels:
        for side in (-width * 0.98, width * 0.98):
            r = vehicle.radius * 0.75
            foot = [place.spot(along - r, 0.0, side), place.spot(along + r, 0.0, side)]
            hub = [place.spot(along - r * 1.3, 0.4, side), place.spot(along + r * 1.3, 0.4, side)]
            segments += [(foot[0], foot[1]), (foot[0], hub[0]), (foot[1], hub[1])]
    outline = column_envelope(segments, 26 if world.camera.size(1, z) < 40 else 44)
    depth = max(nearest, 1.2) + (0.0 if longest < 4 else 0.6)
    _shadow(world, place, longest, width, vehicle.bodies[0].top)
    kept = world.add(
        vehicle.label + ("group" if group else ""), outline, depth,
        lambda layer: paint_vehicle(layer, world, vehicle, place, lamps),
    )
    if kept and vehicle.label in ("car", "truck", "bus") and world.camera.size(0.52, z) > 5:
        _add_plate(world, vehicle, place, depth)


def _shadow(world: World, place: Placed, longest: float, width: float, tall: float) -> None:
    corners = rectangle(-longest, -width, longest, width)

    def square(extra: float) -> list[Point]:
        return [
            place.spot(a + (extra if a > 0 else -extra), 0, r + (extra if r > 0 else -extra))
            for a, r in corners
        ]

    world.shadows.append((square(0.12), 0.42))
    world.shadows.append((square(-0.05), 0.85))
    if world.air.shadow > 0.3:
        reach = -world.air.side * tall * 0.8
        moved = []
        for x, z in (place.where(*corner) for corner in corners):
            moved.append(world.camera.project(x + reach, place.ground, z + 0.2 * tall))
        world.shadows.append((convex_hull([*square(0.0), *moved]), world.air.shadow * 0.85))


def _add_plate(world: World, vehicle: Vehicle, place: Placed, depth: float) -> None:
    front = place.eye_along > 0
    end = max if front else min
    along = end(a for body in vehicle.bodies for a, _ in body.profile)
    along += 0.01 if front else -0.01
    if abs(place.eye_along - along) < abs(place.eye_right) * 0.6:
        return
    up = 0.36 if front else 0.5
    outline = [
        place.spot(along, up, -0.26), place.spot(along, up + 0.12, -0.26),
        place.spot(along, up + 0.12, 0.26), place.spot(along, up, 0.26),
    ]
    air, z = world.air, place.z

    def paint(layer: Layer) -> None:
        layer.fill(air.shade((226, 226, 216), z))
        mid = [
            (outline[0][0] * 0.85 + outline[3][0] * 0.15, (outline[0][1] + outline[1][1]) / 2),
            (outline[0][0] * 0.15 + outline[3][0] * 0.85, (outline[3][1] + outline[2][1]) / 2),
        ]
        layer.line(mid, air.shade((40, 40, 46), z), world.camera.size(0.06, z), 200)

    world.add("license plate", outline, depth - 0.001, paint)
