"""What lines the street behind the sidewalk: houses, gardens, parks, walls, fences, hedges."""

from .barriers import add_fence, add_guard_rail, add_wall
from .buildings import add_house, random_house
from .canvas import Layer
from .nature import add_bush, add_hedge, add_tree
from .plan import FAR, Plan
from .world import GROUND, World


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
    dice = world.dice
    leaf = world.style.leaves
    front = sign * (edge + 0.25)
    if kind == "building":
        add_house(world, random_house(world, sign, edge + 0.2 + setback, near, far))
        if setback > 1.2:
            for _ in range(dice.integer(0, 3)):
                add_bush(
                    world, sign * (edge + setback * 0.6), dice.uniform(near, far),
                    dice.uniform(0.8, 1.8), dice.uniform(0.7, 1.5),
                )
        return
    if kind == "garden":
        room = dice.uniform(5, 9)
        if far - near > 7:
            add_house(world, random_house(world, sign, edge + room, near + 1, far - 1.5))
        for _ in range(dice.integer(1, 3)):
            add_tree(
                world, sign * (edge + dice.uniform(1.5, room - 1)), dice.uniform(near, far),
                dice.uniform(3.5, 8), dice.tint(dice.pick(leaf), 12), dice.chance(world.style.bare),
            )
        for _ in range(dice.integer(1, 4)):
            add_bush(
                world, sign * (edge + dice.uniform(1.0, 4)), dice.uniform(near, far),
                dice.uniform(0.9, 2.4), dice.uniform(0.8, 1.9),
            )
        border = dice.weighted({"fence": 3, "hedge": 2.5, "wall": 1.6, "": 2})
        tall = dice.uniform(0.8, 1.5)
        if border == "fence":
            add_fence(world, front, near, far, tall)
        elif border == "hedge":
            add_hedge(world, front, near, far, tall)
        elif border == "wall":
            add_wall(world, front, near, far, tall)
        return
    if kind == "park":
        for _ in range(dice.integer(3, 6)):
            add_tree(
                world, sign * (edge + dice.uniform(1.5, 16)), dice.uniform(near, far),
                dice.uniform(6, 15), dice.tint(dice.pick(leaf), 14), dice.chance(world.style.bare),
            )
        for _ in range(dice.integer(1, 4)):
            add_bush(
                world, sign * (edge + dice.uniform(2, 10)), dice.uniform(near, far),
                dice.uniform(1.2, 3.5), dice.uniform(1.0, 2.4),
            )
        if dice.chance(0.2):
            add_guard_rail(world, front, near, far)
        return
    for _ in range(dice.integer(1, 4)):
        add_tree(
            world, sign * (edge + dice.uniform(2, 9)), dice.uniform(near, far), dice.uniform(5, 11),
            dice.tint(dice.pick(leaf), 12), dice.chance(world.style.bare),
        )
    if kind == "wall":
        add_wall(world, front, near, far, dice.uniform(1.2, 3.4))
    elif kind == "fence":
        add_fence(world, front, near, far, dice.uniform(1.1, 2.2))
    else:
        add_hedge(world, front, near, far, dice.uniform(1.0, 2.2))
