"""People on foot and on two wheels, with their clothes."""

from dataclasses import dataclass

from .canvas import Color, Layer, scaled
from .dice import Dice
from .geometry import TURN, Point, on_ellipse, rectangle
from .people_shapes import Shape, limb_points, rider, two_wheeler, walker
from .silhouettes import outline_of
from .world import World

SKINS = ((232, 190, 160), (206, 156, 124), (150, 104, 76), (96, 64, 48), (222, 176, 144))
HAIRS = ((40, 30, 26), (84, 58, 38), (150, 116, 70), (120, 120, 122), (24, 22, 24), (120, 62, 36))
TOPS = (
    (40, 42, 50), (150, 34, 36), (52, 76, 120), (198, 194, 186), (90, 110, 84), (206, 160, 60),
    (116, 92, 74), (70, 70, 76), (164, 100, 120), (60, 130, 140), (224, 224, 220), (96, 60, 100),
)
LEGS = ((40, 48, 70), (30, 30, 34), (92, 88, 84), (128, 110, 88), (56, 66, 90), (150, 146, 138))
SHOES = ((26, 24, 24), (80, 60, 46), (210, 208, 204))
BAGS = ((60, 44, 36), (36, 40, 48), (140, 50, 46), (70, 90, 70))
HELMETS = ((30, 30, 34), (226, 226, 222), (180, 40, 40), (50, 80, 140), (84, 58, 38))
FRAMES = (
    (30, 32, 36), (170, 40, 40), (40, 80, 140), (190, 190, 190), (60, 120, 80), (214, 170, 50),
)
LAMPS = {"tail": (232, 40, 34), "lamp": (250, 240, 210)}


@dataclass(frozen=True)
class Pose:
    """Where a figure stands in the image: its foot, pixels per metre, mirrored (-1) or not."""

    x: float
    y: float
    scale: float
    mirror: int

    def at(self, x: float, y: float) -> Point:
        """Pixel of a point of the figure."""
        return self.x + self.mirror * x * self.scale, self.y - y * self.scale


def add_figure(
    world: World,
    label: str,
    shapes: tuple[Shape, ...],
    colors: dict[str, Color],
    across_x: float,
    z: float,
    size: float = 1.0,
    mirror: int = 1,
    lift: float = 0.0,
    nearer: float = 0.0,
) -> None:
    """Add a figure standing at camera x `across_x`; `size` scales it."""
    camera = world.camera
    x, y = camera.project(across_x, world.street.ground(z) + lift, z)
    pose = Pose(x, y, camera.size(size, z), mirror)
    outline = [pose.at(*point) for point in outline_of(shapes)]
    world.add(
        label, outline, z - nearer, lambda layer: _paint(layer, world, shapes, colors, pose, z)
    )


def _paint(
    layer: Layer, world: World, shapes, colors: dict[str, Color], pose: Pose, z: float
) -> None:
    air = world.air
    scale = pose.scale
    for role, kind, values in shapes:
        if role == "wheel":
            x, y, rx, _ = values
            center, rim = pose.at(x, y), rx * 0.94 * scale
            ring = [on_ellipse(*center, rim, rim, TURN * k / 20) for k in range(21)]
            layer.disc(*center, rx * scale, rx * scale, air.shade((90, 90, 92), z), 70)
            layer.line(ring, air.shade((26, 26, 28), z), 0.06 * scale)
            continue
        lit = role in LAMPS
        color = air.glow(LAMPS[role], z) if lit else air.shade(colors[role], z, air.front)
        if kind == "disc":
            x, y, rx, ry = values
            layer.disc(*pose.at(x, y), rx * scale, ry * scale, color)
            if role == "tyre":
                layer.disc(
                    *pose.at(x, y), rx * scale * 0.6, ry * scale * 0.6,
                    air.shade((120, 122, 126), z),
                )
        elif kind == "limb":
            layer.polygon([pose.at(*point) for point in limb_points(*values)], color)
            if scale > 8:
                x0, y0, x1, y1, w0, w1 = values
                for x, y, w in ((x0, y0, w0), (x1, y1, w1)):
                    layer.disc(*pose.at(x, y), w / 2 * scale, w / 2 * scale, color)
        else:
            layer.polygon([pose.at(*point) for point in values], color)
            if role == "top" and scale > 10:
                shade = -air.side * pose.mirror
                xs, ys = zip(*values, strict=True)
                edge = max(xs) if shade > 0 else min(xs)
                side = rectangle(edge, max(ys), edge * 0.35, min(ys))
                layer.glaze([pose.at(*point) for point in side], (10, 10, 14), 60)


def clothes(dice: Dice) -> dict[str, Color]:
    """Colours for every role of a figure."""
    top, leg = dice.tint(dice.pick(TOPS), 16), dice.tint(dice.pick(LEGS), 12)
    skin = dice.pick(SKINS)
    frame = dice.tint(dice.pick(FRAMES), 12)
    return {
        "top": top,
        "arm": scaled(top, 0.86),
        "arm2": scaled(top, 0.7),
        "leg": leg,
        "leg2": scaled(leg, 0.76),
        "skin": skin,
        "hair": dice.pick(HAIRS),
        "shoe": dice.pick(SHOES),
        "bag": dice.tint(dice.pick(BAGS), 10),
        "skirt": dice.tint(dice.pick(TOPS), 16),
        "frame": frame,
        "dark": (28, 28, 30),
        "steel": (140, 142, 146),
        "tyre": (28, 28, 30),
        "glass": (150, 166, 178),
        "helmet": dice.tint(dice.pick(HELMETS), 10),
    }


def add_person(
    world: World, across: float, z: float, lift: float = 0.12, group: bool = False
) -> None:
    """A pedestrian; some are children."""
    dice = world.dice
    shapes = walker(dice.integer(0, 23))
    size = dice.around(1.0, 0.09) * (0.68 if dice.chance(0.08) else 1.0)
    world.cast(across, z, 0.5, 1.6 * size, 0.35)
    add_figure(
        world, "persongroup" if group else "person", shapes, clothes(dice), world.x(across, z), z,
        size, dice.sign(), lift,
    )


def add_rider(world: World, kind: str, across: float, z: float, view: str, mirror: int = 1) -> None:
    """Somebody riding a bicycle or motorcycle: two objects."""
    colors = clothes(world.dice)
    size = world.dice.around(1.04, 0.06)
    x = world.x(across, z)
    world.cast(across, z, 1.5 if view == "side" else 0.5, 1.5, 0.5 if view == "side" else 1.6)
    add_figure(world, kind, two_wheeler(kind, view), colors, x, z, size, mirror)
    add_figure(world, "rider", rider(kind, view), colors, x, z, size, mirror, nearer=0.01)


def add_parked_two_wheeler(world: World, kind: str, across: float, z: float, lift: float) -> None:
    """A bicycle or motorcycle without a rider, leaning at the kerb or a wall."""
    dice = world.dice
    view = "side" if dice.chance(0.7) else "rear"
    world.cast(across, z, 1.4 if view == "side" else 0.4, 0.7, 0.4)
    add_figure(
        world, kind, two_wheeler(kind, view), clothes(dice), world.x(across, z), z,
        dice.around(1.02, 0.05), dice.sign(), lift,
    )
