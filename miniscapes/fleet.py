"""Shapes of cars, vans, trucks, buses, trams and caravans: side profiles that get extruded.

A profile is a list of (along, up) metres from the front bumper over the roof to the rear bumper,
along > 0 at the front. Each edge has a role that says how it is painted.
"""

from dataclasses import dataclass

from .canvas import Color
from .world import World

# Colours of cars, and how common they are.
CAR_PAINTS: dict[Color, float] = {
    (38, 40, 44): 3.0, (196, 198, 200): 3.0, (232, 232, 230): 2.6, (112, 116, 122): 2.6,
    (40, 58, 104): 1.6, (148, 28, 30): 1.4, (70, 86, 110): 1.0, (60, 78, 62): 0.5,
    (170, 150, 118): 0.6, (208, 160, 40): 0.4, (96, 50, 40): 0.5, (60, 120, 150): 0.5,
}
CAB_PAINTS = (
    (196, 40, 36), (232, 232, 230), (40, 70, 130), (220, 160, 40), (60, 110, 80), (120, 124, 130),
)
BOX_PAINTS = (
    (226, 226, 222), (196, 190, 176), (70, 100, 140), (150, 60, 50), (210, 206, 120),
    (120, 130, 126),
)
BUS_PAINTS = (
    (208, 170, 40), (190, 40, 36), (40, 96, 150), (226, 226, 222), (60, 130, 90), (230, 120, 40),
)
TRAM_PAINTS = ((196, 44, 40), (224, 196, 60), (60, 110, 160), (230, 228, 220), (70, 140, 100))


@dataclass(frozen=True)
class Body:
    """One extruded part of a vehicle."""

    profile: tuple[tuple[float, float], ...]
    roles: tuple[str, ...]  # one per edge between neighbouring profile points
    half: float  # half its width at the bottom
    taper: float  # how much narrower the roof is, 0..1
    windows: tuple[tuple[float, float, float, float], ...]  # (from, to, low, high) on the side
    color: Color

    @property
    def top(self) -> float:
        """Height of the roof."""
        return max(up for _, up in self.profile)


@dataclass(frozen=True)
class Vehicle:
    """What to draw: parts, wheels, doors, stripe."""

    label: str
    bodies: tuple[Body, ...]
    wheels: tuple[float, ...]  # positions along
    radius: float
    belt: float  # height of the lower edge of the side windows
    doors: tuple[float, ...]
    stripe: Color | None = None

    @property
    def front(self) -> float:
        """Where its foremost point is, along."""
        return max(along for body in self.bodies for along, _ in body.profile)

    @property
    def half(self) -> float:
        """Half the width of its widest part."""
        return max(body.half for body in self.bodies)


def _car_profile(long: float, tall: float, hood: float, boot: float, slope: float):
    """A car's profile: `hood` and `boot` are lengths, `slope` how far the windscreen leans."""
    f, r = long / 2, -long / 2
    waist = tall * 0.64
    windscreen = f - hood - slope
    points = [
        (f - 0.12, 0.22, "bumper"), (f, 0.40, "bumper"), (f - 0.02, 0.56, "nose"),
        (f - 0.14, waist * 0.84, "hood"), (f - hood * 0.55, waist * 0.96, "hood"),
        (f - hood, waist, "glass"), (windscreen, tall * 0.975, "roof"),
        (windscreen - 0.6, tall, "roof"),
    ]
    back = r + boot
    rear_roof = back + 0.5 if boot > 0.3 else r + 0.38
    points += [
        (min(rear_roof + 0.5, windscreen - 0.9), tall * 0.99, "roof"),
        (min(rear_roof, windscreen - 1.0), tall * 0.955, "glass"),
    ]
    points.append(
        (back if boot > 0.3 else r + 0.12, waist * 1.06, "hood" if boot > 0.3 else "tail")
    )
    if boot > 0.3:
        points.append((r + 0.08, waist, "tail"))
    points += [(r + 0.02, 0.62, "lid"), (r, 0.46, "bumper"), (r + 0.1, 0.24, "")]
    return tuple((a, h) for a, h, _ in points), tuple(role for _, _, role in points[:-1])


def random_car(world: World) -> Vehicle:
    """A car of a random shape and colour."""
    dice = world.dice
    kind = dice.weighted({"hatch": 4, "sedan": 3, "estate": 2.5, "suv": 2.5, "mini": 1, "van": 1.3})
    long, tall, hood, boot, slope, half = {
        "hatch": (4.0, 1.46, 1.0, 0.0, 0.75, 0.87),
        "sedan": (4.6, 1.42, 1.2, 0.75, 0.8, 0.9),
        "estate": (4.7, 1.48, 1.15, 0.0, 0.75, 0.91),
        "suv": (4.5, 1.68, 1.1, 0.0, 0.6, 0.94),
        "mini": (3.4, 1.5, 0.7, 0.0, 0.6, 0.8),
        "van": (5.0, 2.0, 0.7, 0.0, 0.6, 0.97),
    }[kind]
    long, tall = long * dice.around(1.0, 0.05), tall * dice.around(1.0, 0.04)
    profile, roles = _car_profile(long, tall, hood, boot, slope)
    color = dice.tint(dice.weighted(CAR_PAINTS), 14)
    belt, roof = tall * 0.66, tall * 0.93
    front, rear = long / 2 - hood - slope * 0.45, -long / 2 + (boot + 0.25 if boot else 0.35)
    pillar = front - (front - rear) * 0.47
    windows = [(front, pillar + 0.05, belt, roof), (pillar - 0.05, rear, belt, roof)]
    if kind == "van" and dice.chance(0.6):
        windows = windows[:1]
    return Vehicle(
        "car",
        (Body(profile, roles, half, 0.23 if kind != "van" else 0.08, tuple(windows), color),),
        (long * 0.31, -long * 0.30), 0.31 if kind != "suv" else 0.36, belt,
        (pillar, front - 0.1) if kind != "mini" else (pillar - 0.2,),
    )


def _box_profile(front: float, rear: float, low: float, high: float, lean: float = 0.0):
    """Six edges from the front bumper over the roof to the rear; the front leans by `lean`."""
    return (
        (front, low), (front + 0.02, low + 0.5), (front - lean, high - 0.06),
        (front - lean - 0.15, high), (rear + 0.12, high), (rear, high - 0.08), (rear, low),
    )


def random_truck(world: World) -> Vehicle:
    """A lorry: a cab and a box, a tipper or a tarpaulin behind it."""
    dice = world.dice
    long, high = dice.uniform(6.5, 10.5), dice.uniform(3.0, 3.8)
    cab_color = dice.tint(dice.pick(CAB_PAINTS), 12)
    box_color = dice.tint(dice.pick(BOX_PAINTS), 14)
    f = long / 2
    cab = _box_profile(f, f - 2.1, 0.45, dice.uniform(2.5, 3.0), 0.22)
    cab_roles = ("bumper", "windscreen", "roof", "roof", "roof", "back")
    front = Body(cab, cab_roles, 1.15, 0.04, ((f - 0.5, f - 1.5, 1.6, 2.3),), cab_color)
    box = _box_profile(f - 2.3, -f, 0.9, high)
    rear = Body(box, ("back", "plain", "roof", "roof", "roof", "doors"), 1.25, 0.0, (), box_color)
    stripe = dice.tint(dice.pick(((180, 40, 40), (40, 80, 150), (60, 120, 70))), 10)
    return Vehicle(
        "truck", (front, rear), (f - 1.2, -f + 1.4, -f + 2.5), 0.5, 1.6, (f - 1.9,),
        stripe if dice.chance(0.5) else None,
    )


def random_bus(world: World) -> Vehicle:
    """A city bus or a coach."""
    dice = world.dice
    long, high = dice.uniform(10, 12.5), dice.uniform(2.9, 3.3)
    color = dice.tint(dice.pick(BUS_PAINTS), 12)
    f = long / 2
    profile = _box_profile(f, -f, 0.32, high, 0.12)
    roles = ("bumper", "windscreen", "roof", "roof", "roof", "rearpane")
    windows = tuple(
        (f - 0.9 - 1.55 * k, f - 2.3 - 1.55 * k, 1.15, high - 0.5)
        for k in range(int((long - 1.4) / 1.55))
    )
    stripe = dice.tint(dice.pick(((240, 240, 236), (50, 60, 80), (180, 40, 40))), 8)
    return Vehicle(
        "bus", (Body(profile, roles, 1.25, 0.03, windows, color),), (f - 2.4, -f + 3.0), 0.48, 1.1,
        (f - 1.0, f - 2.2, 0.4, -0.8), stripe if dice.chance(0.6) else None,
    )


def random_tram(world: World) -> Vehicle:
    """A tram of one or two cars."""
    dice = world.dice
    color = dice.tint(dice.pick(TRAM_PAINTS), 12)
    cars, long = dice.integer(1, 2), dice.uniform(8.5, 11)
    bodies, wheels, total = [], [], cars * long
    for car in range(cars):
        f = total / 2 - car * long - (0.12 if car else 0)
        r = total / 2 - (car + 1) * long + 0.12
        lean = 0.55 if car == 0 else 0.0
        profile = (
            (f, 0.3), (f + 0.02, 1.0), (f - lean, 3.2), (f - lean - 0.3, 3.4), (r + 0.2, 3.4),
            (r, 3.2), (r, 0.3),
        )
        roles = ("bumper", "windscreen", "roof", "roof", "roof", "rearpane")
        windows = tuple(
            (f - 1.0 - 1.5 * k, f - 2.35 - 1.5 * k, 1.35, 2.75)
            for k in range(int((f - r - 1.4) / 1.5))
        )
        bodies.append(Body(profile, roles, 1.2, 0.04, windows, color))
        wheels += [f - 2.0, r + 2.0]
    stripe = dice.tint((238, 236, 230), 8) if sum(color) < 560 else (150, 40, 40)
    return Vehicle(
        "train", tuple(bodies), tuple(wheels), 0.34, 1.2,
        tuple(total / 2 - 2.6 - 3.0 * k for k in range(int(total / 3) - 1)), stripe,
    )


def random_caravan(world: World) -> Vehicle:
    """A caravan."""
    profile = _box_profile(2.5, -2.5, 0.4, 2.5, 0.3)
    roles = ("bumper", "plain", "roof", "roof", "roof", "rearpane")
    windows = ((1.2, -0.2, 1.3, 1.95), (-0.8, -1.8, 1.3, 1.95))
    body = Body(profile, roles, 1.1, 0.05, windows, world.dice.tint((230, 228, 220), 12))
    return Vehicle("caravan", (body,), (0.0,), 0.3, 1.2, (), (90, 110, 140))


def random_trailer(world: World) -> Vehicle:
    """A small trailer."""
    profile = _box_profile(1.3, -1.3, 0.4, 1.3)
    roles = ("bumper", "plain", "roof", "roof", "roof", "doors")
    body = Body(profile, roles, 0.75, 0.05, (), world.dice.tint((120, 116, 110), 12))
    return Vehicle("trailer", (body,), (0.0,), 0.3, 1.2, ())
