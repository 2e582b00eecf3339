"""One street scene: what stands where."""

from .barriers import add_bridge
from .camera import Camera, Street
from .canvas import Layer, scaled
from .dice import Dice
from .fleet import random_bus, random_tram, random_truck
from .geometry import HALF_TURN, rectangle
from .ground import build_ground
from .lots import add_lots
from .nature import add_backdrop
from .people import add_parked_two_wheeler, add_rider
from .plan import Plan, random_plan
from .signs import add_sign, add_traffic_light
from .streetlife import add_furniture, add_parked, add_people, add_street_trees, add_traffic
from .styles import CityStyle
from .surface import GroundDetail
from .vehicles import add_vehicle
from .weather import paint_sky, random_air
from .world import FRAME, GROUND, World

# Rare things come in turn, so that even a small split has each of them somewhere near.
GUESTS = (
    "bus", "cyclist", "wall", "train", "truck", "fence", "motorcyclist", "light", "bicycle",
    "motorcycle", "crowd", "sign",
)


def build_scene(dice: Dice, style: CityStyle, index: int, height: int, width: int) -> World:
    """Lay out one scene; the result holds every object's outline and how to paint it."""
    camera = Camera.random(dice, height, width)
    air = random_air(dice, style)
    # Drawn for nothing, but without these draws every scene would be another.
    Street.random(dice, dice.uniform(*style.half_road))
    plan = random_plan(dice, style)
    world = World(camera, Street.random(dice, plan.half_road), style, air, dice)
    guest = GUESTS[index % len(GUESTS)]
    tram = guest == "train" or dice.chance(style.tram * 0.5)
    if tram:
        plan.rails_apart = dice.chance(0.6)
        plan.rails = (-plan.half_road - 2.2) if plan.rails_apart else -plan.half_road * 0.5
        if plan.rails_apart:
            for values in (plan.kerb, plan.walk, plan.front):
                values[0] += 4.6
            plan.bays[0] = ""
            plan.walk[0] = plan.kerb[0]
    _add_sky(world)
    add_backdrop(world)
    build_ground(world, plan, GroundDetail(world))
    for side in (0, 1):
        add_lots(world, plan, side, guest)
        add_street_trees(world, plan, side)
        add_furniture(world, plan, side)
        add_people(world, plan, side, guest)
        add_parked(world, plan, side)
    add_traffic(world, plan)
    _add_guest(world, plan, guest)
    if tram:
        vehicle = random_tram(world)
        z = dice.uniform(20, 55)
        toward = dice.chance(0.5)
        world_x = world.x(plan.rails, z)
        turn = world.street.heading(z) + (HALF_TURN if toward else 0.0)
        add_vehicle(world, vehicle, world_x, z + vehicle.front, turn, toward)
    if dice.chance(0.05):
        add_bridge(world, dice.uniform(45, 95))
    _add_frame(world)
    return world


def _add_sky(world: World) -> None:
    camera = world.camera
    bottom = min(camera.height - 1.0, max(1.0, camera.horizon + 0.02 * camera.height))
    outline = rectangle(0.0, 0.0, camera.width - 1.0, bottom)
    world.add("sky", outline, 0, paint_sky(world.air, camera.horizon), GROUND)


def _add_guest(world: World, plan: Plan, guest: str) -> None:
    """The rare thing that this scene is to have; a bus or truck, where there is room, mostly."""
    dice = world.dice
    z = dice.uniform(11, 26)
    lane = plan.half_road / plan.lanes * 0.5
    oncoming = dice.chance(0.5)
    across = -lane * 1.1 if oncoming else lane
    turn = world.street.heading(z) + (HALF_TURN if oncoming else 0.0)
    if guest in ("bus", "truck") and dice.chance(0.8):
        vehicle = random_bus(world) if guest == "bus" else random_truck(world)
        z += dice.uniform(4, 22)
        add_vehicle(world, vehicle, world.x(across, z), z, turn, world.air.dark)
    elif guest in ("cyclist", "motorcyclist"):
        kind = "bicycle" if guest == "cyclist" else "motorcycle"
        view = dice.weighted({"rear": 3, "front": 3, "side": 2})
        spot = plan.half_road * dice.uniform(0.45, 0.8) * (-1 if view == "front" else 1)
        add_rider(world, kind, spot, dice.uniform(8, 20), view, dice.sign())
        if dice.chance(0.4):
            add_rider(
                world, "bicycle", -spot, dice.uniform(12, 34), "rear" if spot < 0 else "front"
            )
    elif guest in ("bicycle", "motorcycle"):
        side = dice.integer(0, 1)
        sign = 1 if side else -1
        for step in range(dice.integer(2, 6) if guest == "bicycle" else dice.integer(1, 2)):
            add_parked_two_wheeler(
                world, guest, sign * (plan.walk[side] + 0.8), z + 0.9 * step, 0.12
            )
    elif guest == "light":
        for side, sign in ((0, -1), (1, 1)):
            arm = -sign * min(plan.half_road * 0.7, 4.5) if dice.chance(0.6) else 0.0
            add_traffic_light(world, sign * (plan.walk[side] + 0.4), z + 3, arm, dice.integer(0, 2))
    elif guest == "sign":
        for side, sign in ((0, -1), (1, 1)):
            add_sign(world, sign * (plan.walk[side] + 0.5), z, dice.uniform(2.4, 3.0))


def _add_frame(world: World) -> None:
    """The car's own bonnet at the bottom, and the image's rim."""
    dice, camera, air = world.dice, world.camera, world.air
    width, height = camera.width, camera.height
    rise = height * dice.uniform(0.05, 0.13)
    bulge = height * dice.uniform(0.01, 0.03)
    color = dice.tint(dice.pick(((40, 42, 46), (150, 152, 156), (60, 66, 84), (96, 98, 100))), 10)
    top = height - rise
    points = [
        (width * k / 16, top + bulge * 4 * (k / 16 - 0.5) ** 2 * (1 + 3 * abs(k / 16 - 0.5)))
        for k in range(17)
    ]
    outline = [(0.0, height - 1.0), *points, (width - 1.0, height - 1.0)]

    def bonnet(layer: Layer) -> None:
        layer.fill(air.shade(color, 1.0))
        for index in range(10):
            share = index / 10
            y = top + (height - top) * share * 0.8
            tone = tuple(
                int(c * (0.55 + share * 0.35) + s * (0.42 - share * 0.35))
                for c, s in zip(color, air.sky, strict=True)
            )
            layer.polygon(
                [
                    (-4, y + bulge), *[(px, y + (py - top)) for px, py in points],
                    (width + 4, height + 4), (-4, height + 4),
                ],
                air.shade(tone, 1.0),
            )
        for x in (0.3, 0.7):
            edge = [(width * x, top), (width * (x + (0.06 if x > 0.5 else -0.06)), height)]
            layer.line(edge, air.shade(scaled(color, 0.5), 1.0), height * 0.004)
        layer.line(points, air.shade(tuple(min(255, c + 60) for c in color), 1.0), height * 0.005)

    world.add("ego vehicle", outline, 0, bonnet, FRAME)
    rim = max(1, round(height / 200))

    def dark(layer: Layer) -> None:
        layer.darken(0.45)

    for label, box in (
        ("rectification border", (0, 0, rim - 1, height - 1)),
        ("rectification border", (width - rim, 0, width - 1, height - 1)),
        ("out of roi", (0, 0, width - 1, rim - 1)),
        ("out of roi", (0, height - rim, width - 1, height - 1)),
    ):
        world.add(label, rectangle(*box), 0, dark, FRAME)
