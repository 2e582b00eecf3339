"""Painting of vehicles: faces across, flanks with windows, lamps, wheels."""

from .canvas import Layer, scaled
from .fleet import Body, Vehicle
from .geometry import TURN, Point, cosine, on_ellipse, sine
from .weather import Air
from .world import World


class Placed:
    """A vehicle standing in the street: turns its own metres into pixels."""

    def __init__(self, world: World, x: float, z: float, turn: float) -> None:
        """`turn` 0 drives away from the camera, pi comes towards it, pi/2 drives to the right."""
        self.world = world
        self.x, self.z = x, z
        self.ground = world.street.ground(z)
        self.dx, self.dz = sine(turn), cosine(turn)
        # The camera in the vehicle's own axes (along, right).
        self.eye_along = -x * self.dx - z * self.dz
        self.eye_right = -x * self.dz + z * self.dx

    def where(self, along: float, right: float) -> tuple[float, float]:
        """Camera x and z of a point of the vehicle."""
        x = self.x + along * self.dx + right * self.dz
        z = self.z + along * self.dz - right * self.dx
        return x, z

    def spot(self, along: float, up: float, right: float) -> Point:
        """Pixel of a point of the vehicle."""
        x, z = self.where(along, right)
        return self.world.camera.project(x, self.ground + up, z)


def half_at(body: Body, up: float) -> float:
    """Half the body's width at a height: cabins lean inwards above the waist."""
    waist = body.top * 0.6
    return body.half * (1.0 - body.taper * max(0.0, (up - waist) / (body.top - waist)))


def paint_vehicle(layer: Layer, world: World, vehicle: Vehicle, place: Placed, lamps: bool) -> None:
    """Paint a placed vehicle; `lamps` switches its headlamps on."""
    air = world.air
    layer.fill(air.shade((22, 22, 24), place.z))
    order = sorted(
        vehicle.bodies,
        key=lambda body: -abs((body.profile[0][0] + body.profile[-1][0]) / 2 - place.eye_along),
    )
    for body in order:
        _paint_body(layer, world, vehicle, body, place, lamps)
    side = 1 if place.eye_right > 0 else -1
    width = vehicle.half
    if abs(place.eye_right) > width * 0.9:
        for along in vehicle.wheels:
            _wheel(layer, world, place, along, vehicle.radius, side * width)
    else:
        for along in (vehicle.wheels[0], vehicle.wheels[-1]):
            for r in (-1, 1):
                tyre = [
                    place.spot(along, u, r * width * w)
                    for u, w in ((0, 0.95), (0.3, 0.95), (0.3, 0.72), (0, 0.72))
                ]
                layer.polygon(tyre, air.shade((24, 24, 26), place.z))


class Face:
    """A face across a vehicle, between two neighbouring points of a body's profile.

    Places on it are given by 0..1 from the first point to the second and -1..1 from left to right.
    """

    def __init__(self, place: Placed, body: Body, start: Point, end: Point, role: str) -> None:
        """`start` and `end` are (along, up)."""
        self.place, self.body, self.role = place, body, role
        self.start, self.end = start, end
        self.half_start, self.half_end = half_at(body, start[1]), half_at(body, end[1])

    def corners(self) -> list[Point]:
        """Pixels of its four corners."""
        spot, start, end = self.place.spot, self.start, self.end
        return [
            spot(*start, -self.half_start), spot(*end, -self.half_end), spot(*end, self.half_end),
            spot(*start, self.half_start),
        ]

    def at(self, share: float, across: float) -> Point:
        """Pixel of a place on it."""
        (a0, h0), (a1, h1) = self.start, self.end
        half = self.half_start + (self.half_end - self.half_start) * share
        return self.place.spot(a0 + (a1 - a0) * share, h0 + (h1 - h0) * share, half * across)

    def patch(self, low: float, high: float, left: float, right: float) -> list[Point]:
        """Pixels around a part of it."""
        return [self.at(low, left), self.at(high, left), self.at(high, right), self.at(low, right)]


def _paint_body(layer: Layer, world: World, vehicle: Vehicle, body: Body, place: Placed, lamps):
    air, z = world.air, place.z
    eye_up = world.camera.elevation - place.ground
    for start, end, role in zip(body.profile, body.profile[1:], body.roles, strict=False):
        (a0, h0), (a1, h1) = start, end
        normal = (h1 - h0, a0 - a1)
        to_eye = ((place.eye_along - a0), eye_up - h0)
        if normal[0] * to_eye[0] + normal[1] * to_eye[1] <= 0:
            continue
        length = (normal[0] ** 2 + normal[1] ** 2) ** 0.5 or 1.0
        upward = normal[1] / length
        light = air.front + 0.24 * max(0.0, upward)
        tone = body.color
        if upward > 0.3:
            tone = tuple(int(c * 0.78 + s * 0.22) for c, s in zip(tone, air.sky, strict=True))
        face = Face(place, body, start, end, role)
        layer.polygon(face.corners(), air.shade(tone, z, light))
        _paint_face(layer, world, vehicle, face, lamps)
    if abs(place.eye_right) > body.half:
        _paint_flank(layer, world, vehicle, body, place)


def _paint_face(layer: Layer, world: World, vehicle: Vehicle, face: Face, lamps: bool) -> None:
    """What the face's role puts on it: panes, lamps, grilles, doors."""
    air, z, size = world.air, face.place.z, world.camera.size
    role, color, patch = face.role, face.body.color, face.patch
    front = face.start[0] > 0
    if role == "glass":
        pane = tuple(int(40 * 0.6 + s * 0.22) for s in air.sky)
        layer.polygon(patch(0.10, 0.90, -0.86, 0.86), air.shade(pane, z))
        layer.glaze(patch(0.5, 0.90, -0.86, 0.86), air.shade(air.sky, z), 40)
        shine = [face.at(0.1, -0.5), face.at(0.9, -0.3), face.at(0.9, 0.05), face.at(0.1, -0.15)]
        layer.glaze(shine, air.shade(air.sky, z), 55)
        if front and size(1, z) > 12:
            for w in (-0.42, 0.42):
                spot = face.at(0.32, w)
                layer.disc(*spot, size(0.09, z), size(0.11, z), air.shade((26, 26, 28), z), 120)
    elif role in ("windscreen", "rearpane"):
        low, high = (0.36, 0.9) if role == "windscreen" else (0.14, 0.5)
        layer.polygon(patch(low, high, -0.9, 0.9), air.shade((44, 52, 60), z))
        layer.glaze(patch(low, high, -0.2, 0.3), air.shade(air.sky, z), 50)
        if role == "windscreen" and vehicle.label in ("bus", "train"):
            layer.polygon(patch(0.91, 0.985, -0.6, 0.6), air.shade((30, 30, 30), z))
            layer.polygon(patch(0.925, 0.97, -0.4, 0.35), air.glow((250, 180, 60), z))
        if front:
            _head_lamps(layer, air, face, 0.08, 0.2, lamps)
        else:
            _tail_lamps(layer, air, face, 0.72, 0.86)
    elif role == "nose":
        layer.polygon(patch(0.1, 0.66, -0.5, 0.5), air.shade((28, 30, 32), z))
        bar = [face.at(0.4, -0.48), face.at(0.4, 0.48)]
        layer.line(bar, air.shade((130, 132, 136), z), size(0.03, z))
        layer.polygon(patch(0.24, 0.94, -0.97, -0.58), air.shade((40, 42, 46), z))
        layer.polygon(patch(0.24, 0.94, 0.58, 0.97), air.shade((40, 42, 46), z))
        _head_lamps(layer, air, face, 0.36, 0.84, lamps)
    elif role == "tail":
        _tail_lamps(layer, air, face, 0.12, 0.78)
        layer.glaze(patch(0.0, 0.14, -0.8, 0.8), air.shade(air.sky, z), 60)
    elif role == "bumper":
        plastic = tuple(int(c * 0.5 + 12) for c in color)
        layer.polygon(face.corners(), air.shade(plastic, z, air.front))
        layer.polygon(patch(0.1, 0.8, -0.72, 0.72), air.shade((30, 30, 32), z))
        if front and face.end[1] < 0.5 and vehicle.label == "car":
            for w in (-0.82, 0.82):
                fog_lamp = air.shade((190, 190, 180), z)
                layer.disc(*face.at(0.6, w), size(0.06, z), size(0.05, z), fog_lamp)
    elif role == "lid":
        gap = [face.at(0.06, -0.74), face.at(0.06, 0.74)]
        layer.line(gap, air.shade(scaled(color, 0.55), z), size(0.03, z))
        layer.polygon(patch(0.3, 1.0, -0.36, 0.36), air.shade(scaled(color, 0.8), z, air.front))
    elif role == "doors":
        gap = [face.at(0.02, 0), face.at(0.98, 0)]
        layer.line(gap, air.shade((90, 90, 90), z), size(0.05, z))
        _tail_lamps(layer, air, face, 0.9, 0.98)
    elif role == "hood" and size(1, z) > 18:
        for w in (-0.4, 0.4):
            crease = [face.at(0.1, w), face.at(0.95, w * 1.2)]
            layer.line(crease, air.shade(scaled(color, 0.82), z), size(0.025, z))


def _paint_flank(layer: Layer, world: World, vehicle: Vehicle, body: Body, place: Placed) -> None:
    air, z, color = world.air, place.z, body.color
    side = 1 if place.eye_right > 0 else -1
    # A flank that looks left is lit by a sun on the left.
    faces = side * (1 if place.dz > 0 else -1)
    light = air.facing(-faces) * 0.95 if abs(place.dz) > 0.5 else air.front

    def flank(along: float, up: float) -> Point:
        return place.spot(along, up, side * half_at(body, up))

    layer.polygon([flank(a, h) for a, h in body.profile], air.shade(color, z, light))
    front = max(a for a, _ in body.profile)
    rear = min(a for a, _ in body.profile)
    low = min(h for _, h in body.profile)

    def band(bottom: float, top: float) -> list[Point]:
        return [
            flank(front - 0.1, bottom), flank(front - 0.1, top), flank(rear + 0.1, top),
            flank(rear + 0.1, bottom),
        ]

    layer.polygon(band(low, low + 0.18), air.shade(scaled(color, 0.6), z, light))
    belt = vehicle.belt
    if vehicle.label == "car":
        gloss = tuple(int(c * 0.8 + s * 0.2) for c, s in zip(color, air.sky, strict=True))
        layer.polygon(
            [
                flank(front - 0.25, belt * 0.78), flank(front - 0.6, belt * 0.92),
                flank(rear + 0.1, belt * 0.95), flank(rear + 0.1, belt * 0.78),
            ],
            air.shade(gloss, z, light * 1.06),
        )
    if vehicle.stripe is not None:
        truck = vehicle.label == "truck"
        stripe = band(body.top * 0.45, body.top * 0.75) if truck else band(0.62, 0.98)
        layer.polygon(stripe, air.shade(vehicle.stripe, z, light))
    pane = tuple(int(36 + s * 0.16) for s in air.sky)
    for index, (a0, a1, bottom, top) in enumerate(body.windows):
        lit = air.dark and vehicle.label in ("bus", "train")
        glass = air.glow((236, 214, 158), z) if lit else air.shade(pane, z, light)
        # The first window follows the windscreen, the last one the rear.
        lean = 0.42 if vehicle.label == "car" and index == 0 else 0.0
        tail = 0.26 if vehicle.label == "car" and index == len(body.windows) - 1 else 0.0
        quad = [
            flank(a0 + lean * 0.2, bottom), flank(a0 - lean, top), flank(a1 + tail, top),
            flank(a1, bottom),
        ]
        layer.polygon(quad, glass)
        shine = [
            flank(a0 - 0.1 - lean, top), flank(a0 - 0.35 - lean, top), flank(a0 - 0.55, bottom),
            flank(a0 - 0.3, bottom),
        ]
        if not lit and a0 - a1 > 0.7:
            layer.glaze(shine, air.shade(air.sky, z), 46)
    if world.camera.size(1, z) > 9:
        dark = air.shade(scaled(color, 0.62), z, light)
        for along in vehicle.doors:
            if rear < along < front:
                top = belt if vehicle.label in ("car", "truck") else body.top - 0.4
                gap = [flank(along, low + 0.15), flank(along, top)]
                layer.line(gap, dark, world.camera.size(0.035, z))


def _head_lamps(layer: Layer, air: Air, face: Face, low: float, high: float, lamps: bool) -> None:
    z = face.place.z
    bright = air.glow((255, 250, 226), z) if lamps or air.dark else air.shade((206, 212, 214), z)
    for left, right in ((-0.95, -0.62), (0.62, 0.95)):
        layer.polygon(face.patch(low, high, left, right), bright)


def _tail_lamps(layer: Layer, air: Air, face: Face, low: float, high: float) -> None:
    z = face.place.z
    red = air.glow((238, 40, 34), z) if air.dark else air.shade((176, 30, 28), z)
    for left, right in ((-0.98, -0.76), (0.76, 0.98)):
        layer.polygon(face.patch(low, high, left, right), red)
        layer.glaze(face.patch((low + high) / 2, high, left, right), (40, 8, 8), 70)


def _wheel(layer: Layer, world: World, place: Placed, along: float, radius: float, right: float):
    air, z = world.air, place.z

    def circle(r: float) -> list[Point]:
        rim = [on_ellipse(along, radius, r, r, TURN * k / 14) for k in range(14)]
        return [place.spot(*spot, right) for spot in rim]

    layer.polygon(circle(radius * 1.18), air.shade((16, 16, 18), z))
    layer.polygon(circle(radius), air.shade((32, 32, 34), z))
    layer.polygon(circle(radius * 0.62), air.shade((150, 152, 154), z))
    layer.polygon(circle(radius * 0.2), air.shade((70, 70, 72), z))
