"""What stands and moves in the street: trees, furniture, people, parked cars, traffic."""

from .fleet import Vehicle, random_bus, random_car, random_caravan, random_trailer, random_truck
from .furniture import add_box, add_shelter
from .geometry import HALF_TURN, QUARTER_TURN
from .nature import add_tree
from .people import add_parked_two_wheeler, add_person
from .plan import Plan
from .poles import add_lamp, add_pole
from .signs import add_sign, add_traffic_light
from .vehicles import add_vehicle
from .world import World

# What is there in the place of a car, and the share up to which a throw of the dice picks it.
PARKED = ((0.01, random_caravan), (0.02, random_trailer), (0.024, random_truck))
MOVING = ((0.01, random_truck), (0.022, random_bus))


def _random_vehicle(world: World, others: tuple) -> Vehicle:
    """A car, or seldom one of the `others`."""
    roll = world.dice.random()
    return next((other for share, other in others if roll < share), random_car)(world)


def _blocked(plan: Plan, z: float, margin: float = 1.5) -> bool:
    """Whether a place is within the side street."""
    return bool(plan.junction) and plan.junction[0] - margin < z < plan.junction[1] + margin


def add_street_trees(world: World, plan: Plan, side: int) -> None:
    """A row of trees along one side, in the verge or at the sidewalk's edge."""
    dice, style = world.dice, world.style
    sign = 1 if side else -1
    if not dice.chance(style.trees):
        return
    verge = plan.bays[side] == "verge"
    across = (plan.kerb[side] + plan.walk[side]) / 2 if verge else plan.walk[side] + 0.7
    leaf, height = dice.tint(dice.pick(style.leaves), 12), dice.uniform(5.5, 11)
    pitch = dice.uniform(8, 18)
    bare = dice.chance(style.bare)
    z = dice.uniform(8, 16)
    while z < 130:
        if not _blocked(plan, z) and dice.chance(0.85):
            add_tree(
                world, sign * (across + dice.around(0, 0.2)), z, height * dice.around(1, 0.2),
                dice.tint(leaf, 10), bare,
            )
        z += pitch * dice.around(1.0, 0.15)


def add_furniture(world: World, plan: Plan, side: int) -> None:
    """Lamps, signs, traffic lights, bollards, bins and bus stops of one side."""
    dice = world.dice
    sign = 1 if side else -1
    across = plan.walk[side] + 0.45
    z, pitch, tall = dice.uniform(8, 26), dice.uniform(18, 34), dice.uniform(5.5, 9)
    lamps = dice.chance(0.75)
    while lamps and z < 125:
        if not _blocked(plan, z):
            add_lamp(world, sign * across, z, tall, -sign)
        z += pitch
    for _ in range(dice.integer(1, 3)):
        z = dice.uniform(9, 60)
        if not _blocked(plan, z):
            add_sign(world, sign * (across + dice.uniform(-0.1, 0.4)), z, dice.uniform(2.3, 3.1))
    for crossing in plan.crossings:
        if plan.junction and dice.chance(0.85):
            arm = -sign * min(plan.half_road * 0.7, 4.5) if dice.chance(0.5) else 0.0
            phase = dice.integer(0, 2)
            add_traffic_light(world, sign * (across - 0.1), crossing - 0.5, arm, phase)
            if dice.chance(0.8):
                add_traffic_light(world, sign * (across - 0.1), plan.junction[1] + 1.5, 0.0, phase)
        elif dice.chance(0.5):
            add_sign(world, sign * across, crossing - 0.6, 2.7)
    if dice.chance(0.22):
        z = dice.uniform(9, 16)
        while z < 45:
            if not _blocked(plan, z):
                add_pole(world, sign * (plan.walk[side] + 0.3), z, 0.95, 0.12, (70, 72, 76))
            z += 1.8
    for _ in range(dice.integer(0, 3)):
        z = dice.uniform(9, 45)
        if _blocked(plan, z):
            continue
        color = dice.pick(
            ((60, 84, 64), (120, 122, 124), (196, 160, 50), (70, 76, 92), (130, 74, 60))
        )
        label = dice.weighted({"static": 3, "dynamic": 1.4})
        size = dice.uniform(0.4, 0.9)
        add_box(
            world, sign * (plan.front[side] - 0.5), z, size, size * dice.uniform(1.0, 2.2),
            dice.tint(color, 12), label,
        )
    if dice.chance(0.1):
        add_shelter(world, sign * (plan.walk[side] + 1.0), dice.uniform(14, 32))
    if dice.chance(0.06):
        z = dice.uniform(12, 40)
        for step in range(2):
            add_pole(world, sign * (across + 0.25 * step), z, 4.2, 0.14, label="polegroup")


def add_people(world: World, plan: Plan, side: int, guest: str) -> None:
    """Pedestrians, parked bicycles and motorcycles of one side."""
    dice, style = world.dice, world.style
    sign = 1 if side else -1
    low, high = plan.walk[side] + 0.5, max(plan.front[side] - 0.3, plan.walk[side] + 0.8)
    for _ in range(int(dice.uniform(0, 11) * style.people)):
        z = 9.0 + 62.0 * dice.random() * dice.random()
        add_person(world, sign * dice.uniform(low, high), z)
        if dice.chance(0.25):
            add_person(world, sign * dice.uniform(low, high), z + dice.around(0, 0.8))
    if guest == "crowd" and side:
        z = dice.uniform(16, 34)
        for _ in range(dice.integer(4, 9)):
            add_person(world, sign * dice.uniform(low, high), z + dice.around(0, 2.5), group=z > 24)
    for crossing in plan.crossings:
        for _ in range(int(dice.uniform(0, 2.4) * style.people + 0.3)):
            add_person(
                world, dice.uniform(-plan.half_road, plan.half_road),
                crossing + dice.uniform(0.3, 2.8), lift=0.0,
            )
    for _ in range(int(dice.uniform(0, 6.5) * style.bicycles)):
        z = dice.uniform(8, 30)
        if not _blocked(plan, z):
            add_parked_two_wheeler(world, "bicycle", sign * dice.uniform(low, high), z, 0.12)
    if dice.chance(0.12):
        add_parked_two_wheeler(world, "motorcycle", sign * (low - 0.2), dice.uniform(10, 30), 0.12)


def add_parked(world: World, plan: Plan, side: int) -> None:
    """Cars along the kerb or in the parking bays."""
    dice, style = world.dice, world.style
    sign = 1 if side else -1
    bays = plan.bays[side] == "parking"
    share = style.parked * (1.35 if bays else 1.0)
    if (plan.rails is not None and not side) or not dice.chance(0.8 if bays else 0.62):
        return
    across = (plan.kerb[side] + plan.walk[side]) / 2 if bays else plan.half_road - 1.05
    wide = plan.walk[side] - plan.kerb[side]
    z = dice.uniform(7.5, 13)
    while z < 95:
        clear = all(abs(z - stop - 1.6) > 5 for stop in plan.crossings)
        if clear and not _blocked(plan, z, 4) and dice.chance(share):
            turn = world.street.heading(z) + (0.0 if (sign > 0) == dice.chance(0.9) else HALF_TURN)
            if bays and wide > 3.9:
                turn += QUARTER_TURN * sign * dice.uniform(0.7, 1.0)
            else:
                turn += dice.around(0, 0.04)
            vehicle = _random_vehicle(world, PARKED)
            place = sign * (across + dice.around(0, 0.15))
            add_vehicle(world, vehicle, world.x(place, z), z, turn, group=z > 70)
        z += dice.uniform(5.2, 6.6) if not (bays and wide > 3.9) else dice.uniform(2.6, 3.2)


def add_traffic(world: World, plan: Plan) -> None:
    """Moving cars: ahead, oncoming and crossing."""
    dice, style = world.dice, world.style
    lamps = world.air.dark or dice.chance(0.4)
    own = dice.uniform(9, 30)
    for lane in range(-plan.lanes, plan.lanes):
        across = (lane + 0.5) * plan.half_road / plan.lanes * (0.8 if plan.lanes == 1 else 0.92)
        oncoming = lane < 0
        z = own if not oncoming else dice.uniform(8, 45)
        while z < 120:
            if dice.chance(0.5 * style.traffic):
                vehicle = _random_vehicle(world, MOVING)
                turn = world.street.heading(z) + (HALF_TURN if oncoming else 0.0)
                add_vehicle(
                    world, vehicle, world.x(across, z), z + max(0, vehicle.front - 2.2),
                    turn + dice.around(0, 0.02), lamps,
                )
            z += dice.uniform(9, 40)
    if plan.junction and dice.chance(0.45):
        z = sum(plan.junction) / 2 + dice.uniform(-1.5, 1.5)
        x = dice.uniform(-12, 12)
        add_vehicle(world, random_car(world), world.x(x, z), z, QUARTER_TURN * dice.sign(), lamps)
