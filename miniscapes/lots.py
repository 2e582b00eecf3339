"""What lines the street behind the sidewalk: houses, gardens, parks, walls, fences, hedges."""

from .barriers import add_fence, add_guard_rail, add_wall
from .buildings import add_house, random_house
from .canvas import Layer
from .nature import add_bush, add_hedge, add_tree
from .plan import FAR, Plan
from .world import GROUND, World

Range = tuple[float, float]

# What separates a lot from the sidewalk, and how high it is where no house stands behind it.
BORDERS = {"wall": add_wall, "fence": add_fence, "hedge": add_hedge}
BORDER_HEIGHTS = {"wall": (1.2, 3.4), "fence": (1.1, 2.2), "hedge": (1.0, 2.2)}


def add_lots(world: World, plan: Plan, side: int, guest: str) -> None:
    """What lines the street behind the sidewalk."""
    dice, style = world.dice, world.style
    sign = 1 if side else -1
    z = dice.uniform(2.0, 8.0)
    edge = plan.front[side]
    setback = dice.uniform(0.0, 1.0) if dice.chance(0.6) else dice.uniform(1.0, 5.0)
    wanted = guest if guest in ("wall", "fence") else ""
    while z < FAR - 10:
        if plan.junction and plan.junction[0] - 2.5 < z < plan.junction[1] + 2:
            z = plan.junction[1] + 2.3
        kind = dice.weighted(style.lots)
        if wanted and z > 10:
            kind, wanted = wanted, ""
        long = dice.uniform(8, 20) if kind == "building" else dice.uniform(8, 26)
        if plan.junction and z < plan.junction[0] - 2 < z + long:
            long = max(plan.junction[0] - 2.2 - z, 1.5)
        far = min(z + long, FAR)
        _add_lot(world, kind, sign, edge, setback, z, far)
        z = far + dice.uniform(0.0, 0.4)
        if dice.chance(0.2):
            yard = min(z + dice.uniform(1.5, 6.0), FAR)
            _add_yard(world, sign, edge, z, yard)
            z = yard


def _add_yard(world: World, sign: int, edge: float, near: float, far: float) -> None:
    """A gap between two lots: a paved or gravelled drive, which is neither road nor sidewalk."""
    color = world.dice.tint(
        world.dice.pick(((132, 122, 110), (112, 110, 108), (146, 134, 116))), 12
    )
    outline = world.strip(sign * edge, sign * (edge + 30), near, far)
    shade = world.air.shade(color, near)

    def paint(layer: Layer) -> None:
        layer.fill(shade)
        layer.grain("stains", max(world.camera.size(0.02, near), 0.3), 0.6)

    world.add("ground", outline, 0, paint, GROUND)


def _add_lot(world: World, kind: str, sign: int, edge: float, setback: float, near, far) -> None:
    dice, style = world.dice, world.style
    front = sign * (edge + 0.25)

    def add_trees(count: Range, away: Range, tall: Range, spread: float) -> None:
        for _ in range(dice.integer(*count)):
            add_tree(
                world, sign * (edge + dice.uniform(*away)), dice.uniform(near, far),
                dice.uniform(*tall), dice.tint(dice.pick(style.leaves), spread),
                dice.chance(style.bare),
            )

    def add_bushes(count: Range, away: Range, wide: Range, tall: Range) -> None:
        for _ in range(dice.integer(*count)):
            add_bush(
                world, sign * (edge + dice.uniform(*away)), dice.uniform(near, far),
                dice.uniform(*wide), dice.uniform(*tall),
            )

    if kind == "building":
        add_house(world, random_house(world, sign, edge + 0.2 + setback, near, far))
        if setback > 1.2:
            for _ in range(dice.integer(0, 3)):
                add_bush(
                    world, sign * (edge + setback * 0.6), dice.uniform(near, far),
                    dice.uniform(0.8, 1.8), dice.uniform(0.7, 1.5),
                )
    elif kind == "garden":
        room = dice.uniform(5, 9)
        if far - near > 7:
            add_house(world, random_house(world, sign, edge + room, near + 1, far - 1.5))
        add_trees((1, 3), (1.5, room - 1), (3.5, 8), 12)
        add_bushes((1, 4), (1.0, 4), (0.9, 2.4), (0.8, 1.9))
        border = dice.weighted({"fence": 3, "hedge": 2.5, "wall": 1.6, "": 2})
        tall = dice.uniform(0.8, 1.5)
        if border:
            BORDERS[border](world, front, near, far, tall)
    elif kind == "park":
        add_trees((3, 6), (1.5, 16), (6, 15), 14)
        add_bushes((1, 4), (2, 10), (1.2, 3.5), (1.0, 2.4))
        if dice.chance(0.2):
            add_guard_rail(world, front, near, far)
    else:
        add_trees((1, 4), (2, 9), (5, 11), 12)
        tall = dice.uniform(*BORDER_HEIGHTS[kind])
        BORDERS[kind](world, front, near, far, tall)
