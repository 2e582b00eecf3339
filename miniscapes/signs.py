"""Traffic signs and traffic lights."""

from .canvas import Layer, scaled
from .geometry import TURN, Point, on_ellipse, rectangle
from .poles import add_pole
from .world import World


def _polygon(x: float, y: float, r: float, corners: int) -> list[Point]:
    """A regular polygon, turned so that an octagon stands on an edge."""
    angles = [TURN * k / corners + 0.3927 for k in range(corners)]
    return [on_ellipse(x, y, r, r, angle) for angle in angles]


def add_sign(world: World, across: float, z: float, tall: float) -> None:
    """A traffic sign on its pole; some are seen from behind."""
    dice = world.dice
    shape = dice.weighted({"round": 3, "triangle": 2, "square": 2, "stop": 0.6, "board": 1.2})
    back = dice.chance(0.2) and shape != "board"
    add_pole(world, across, z, tall, 0.09)
    count = 2 if dice.chance(0.25) else 1
    tone = dice.random()
    for index in range(count):
        add_sign_face(world, across, z, tall - 0.35 - 0.75 * index, shape, back, tone)
        shape = "square" if shape != "square" else "round"


def add_sign_face(world: World, across, z, height, shape, back, tone) -> None:
    """One sign without its pole; `tone` 0..1 chooses its colours and symbol."""
    air, camera = world.air, world.camera
    x, y = world.at(across, z, height)
    r = camera.size(0.33 if shape != "board" else 0.42, z)
    if shape == "round":
        outline = _polygon(x, y, r, 12)
    elif shape == "stop":
        outline = _polygon(x, y, r * 1.08, 8)
    elif shape == "triangle":
        flip = -1 if tone < 0.3 else 1
        outline = [
            (x, y - flip * r * 1.15), (x + r * 1.2, y + flip * r * 0.85),
            (x - r * 1.2, y + flip * r * 0.85),
        ]
    elif shape == "board":
        outline = rectangle(x - r * 1.5, y - r * 0.7, x + r * 1.5, y + r * 0.7)
    else:
        outline = rectangle(x - r, y - r, x + r, y + r)

    def inner(factor: float) -> list[Point]:
        cx = sum(p[0] for p in outline) / len(outline)
        cy = sum(p[1] for p in outline) / len(outline)
        return [(cx + (px - cx) * factor, cy + (py - cy) * factor) for px, py in outline]

    def paint(layer: Layer) -> None:
        red, white, blue, yellow = (
            air.shade(c, z) for c in ((198, 34, 36), (238, 238, 234), (34, 84, 172), (238, 192, 40))
        )
        if back:
            layer.fill(air.shade((128, 130, 132), z, 0.85))
        elif shape == "stop":
            layer.fill(white)
            layer.polygon(inner(0.9), red)
            bar = rectangle(x - r * 0.7, y - r * 0.2, x + r * 0.7, y + r * 0.2)
            layer.polygon(bar, white)
        elif shape == "triangle":
            layer.fill(red)
            layer.polygon(inner(0.62), white)
            layer.disc(x, y + r * 0.25, r * 0.14, r * 0.3, air.shade((30, 30, 30), z))
        elif shape == "round":
            layer.fill(blue if tone < 0.35 else red)
            if tone < 0.35:
                layer.polygon(
                    [
                        (x - r * 0.15, y + r * 0.6), (x - r * 0.15, y - r * 0.1),
                        (x - r * 0.5, y - r * 0.1), (x, y - r * 0.7), (x + r * 0.5, y - r * 0.1),
                        (x + r * 0.15, y - r * 0.1), (x + r * 0.15, y + r * 0.6),
                    ],
                    white,
                )
            elif tone < 0.7:
                layer.disc(x, y, r * 0.72, r * 0.72, white)
                ink = air.shade((30, 30, 30), z)
                for left, right in ((x - r * 0.4, x - r * 0.1), (x + r * 0.1, x + r * 0.4)):
                    layer.polygon(rectangle(left, y - r * 0.35, right, y + r * 0.35), ink)
            else:
                bar = rectangle(x - r * 0.7, y - r * 0.18, x + r * 0.7, y + r * 0.18)
                layer.polygon(bar, white)
        elif shape == "board":
            layer.fill(white if tone < 0.4 else yellow if tone < 0.7 else blue)
            ink = air.shade((40, 40, 44), z) if tone < 0.7 else white
            for row in (-0.3, 0.25):
                upper, lower = y + r * (row - 0.1), y + r * (row + 0.1)
                layer.polygon(rectangle(x - r * 1.2, upper, x + r * (0.4 + tone), lower), ink)
        else:
            layer.fill(white)
            layer.polygon(inner(0.88), blue if tone < 0.6 else yellow)
            layer.polygon(
                [
                    (x - r * 0.12, y + r * 0.6), (x - r * 0.12, y - r * 0.6),
                    (x + r * 0.45, y - r * 0.45), (x + r * 0.45, y), (x + r * 0.1, y + r * 0.1),
                    (x + r * 0.1, y + r * 0.6),
                ],
                white,
            )

    world.add("traffic sign", outline, z - 0.02, paint)


def add_traffic_light(world: World, across: float, z: float, arm: float, phase: int) -> None:
    """Traffic lights: one at eye height on the pole, one on an arm over the road if it has one."""
    tall = 5.4 if arm else 3.1
    add_pole(world, across, z, tall, 0.15, arm=arm, color=(92, 96, 98))
    places = [(across, 2.9)]
    if arm:
        places.append((across + arm * 0.94, tall + 0.05))
    for place, height in places:
        _light_box(world, place, height, z - 0.03, phase)


def _light_box(world: World, across: float, height: float, z: float, phase: int) -> None:
    air, camera = world.air, world.camera
    x, y = world.at(across, z, height)
    half, tall = camera.size(0.22, z), camera.size(0.56, z)
    outline = rectangle(x - half, y - tall, x + half, y + tall)

    def paint(layer: Layer) -> None:
        layer.fill(air.shade((38, 40, 42), z))
        lamps = ((232, 52, 40), (244, 178, 44), (60, 214, 126))
        for index, color in enumerate(lamps):
            on = index == phase
            spot = y + tall * (-0.62 + 0.62 * index)
            shown = air.glow(color, z) if on else air.shade(scaled(color, 0.25), z)
            layer.disc(x, spot, half * 0.74, half * 0.74, shown)
            if on:
                layer.disc(x, spot, half * 0.36, half * 0.36, air.glow((255, 246, 220), z))

    world.add("traffic light", outline, z, paint)
