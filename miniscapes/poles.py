"""Poles and street lamps."""

from .canvas import Color, Layer
from .geometry import rectangle
from .world import World

STEEL = (118, 122, 126)


def add_pole(
    world: World,
    across: float,
    z: float,
    tall: float,
    wide: float,
    color: Color = STEEL,
    label: str = "pole",
    arm: float = 0.0,
) -> None:
    """A pole, with an arm `arm` metres long at its top (negative: to the left)."""
    camera, air = world.camera, world.air
    x, foot = world.at(across, z)
    top = world.at(across, z, tall)
    # Outlines are drawn with their edge pixels, so half a pixel on each side is already there.
    half = max(camera.size(wide / 2, z) - 0.35, 0.0)
    outline = [
        (x - half, foot), (top[0] - half * 0.8, top[1]), (top[0] + half * 0.8, top[1]),
        (x + half, foot),
    ]
    if arm:
        end = world.at(across + arm, z, tall + 0.25)
        thin = max(camera.size(0.09, z) - 0.4, 0.0)
        tip = [(end[0], end[1]), (end[0], end[1] + thin)]
        inner = half if arm > 0 else -half  # the pole's edge on the arm's side
        outline = [
            (x - inner, foot), (top[0] - inner, top[1]), *tip,
            (top[0] + inner, top[1] + thin * 1.5), (x + inner, foot),
        ]

    def paint(layer: Layer) -> None:
        layer.fill(air.shade(color, z, 0.92))
        if half > 0.6:
            edge = x - air.side * half * 3
            shaded = [(x, foot + 2), (x, top[1] - 2), (edge, top[1] - 2), (edge, foot + 2)]
            layer.glaze(shaded, (16, 16, 18), 90)

    world.add(label, outline, z, paint)
    if z < 60 and wide > 0.08:
        world.cast(across, z, wide, tall * 0.8, wide)


def add_lamp(world: World, across: float, z: float, tall: float, toward: int) -> None:
    """A street lamp whose arm reaches over the road."""
    arm = toward * world.dice.uniform(1.0, 2.2)
    add_pole(world, across, z, tall, 0.17, arm=arm)
    x, y = world.at(across + arm, z, tall + 0.2)
    long, thick = world.camera.size(0.36, z), world.camera.size(0.09, z)
    outline = rectangle(x - long, y - thick, x + long, y + thick)
    air = world.air
    color = air.glow((255, 232, 180), z) if air.dark else air.shade((96, 98, 102), z)
    if air.dark:
        world.lamps.append(((x, y), world.camera.size(1.5, z)))
    world.add("pole", outline, z - 0.01, lambda layer: layer.fill(color))
