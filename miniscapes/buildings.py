"""Houses along the street: plaster, brick, glass and concrete."""

from .canvas import Layer, scaled
from .facades import House, Wall, paint_facade
from .geometry import convex_hull
from .world import World


def random_house(world: World, sign: int, across: float, near: float, far: float) -> House:
    """Draw a house of this city's kind for a lot."""
    dice, style = world.dice, world.style
    kind = dice.weighted(style.kinds)
    floors = dice.integer(*style.floors)
    if kind == "house":
        floors = min(floors, 2)
    if kind in ("modern", "panel"):
        floors += dice.integer(0, 2)
    height = floors * dice.uniform(2.8, 3.5) + (1.2 if kind == "shop" else 0.6)
    color = dice.tint(dice.pick(style.facades), 16)
    if kind == "modern":
        color = dice.tint(dice.pick(((150, 156, 160), (120, 128, 134), (196, 196, 190), color)), 12)
    light = sum(color) > 420
    trim = (232, 228, 218) if not light or dice.chance(0.5) else scaled(color, 0.72)
    trim = dice.tint(trim, 8)
    flat = kind in ("modern", "panel") or dice.chance(0.2)
    return House(
        sign, across, near, far, height, floors, kind, color, trim,
        dice.tint(dice.pick(style.roofs), 12), 0.0 if flat else dice.uniform(1.6, 4.2),
        dice.uniform(8, 13), tuple(dice.random() for _ in range(12)),
    )


def add_house(world: World, house: House) -> None:
    """Add the house as one object, and its chimney as another."""
    street, project = world.street, world.camera.project
    sign = house.sign
    base = street.ground(house.near) - 0.2
    start = (street.center(house.near) + sign * house.across, house.near)
    end = (street.center(house.far) + sign * house.across, house.far)
    back = (start[0] + sign * house.depth, house.near)
    front = Wall(world, start, end, base)
    side = Wall(world, start, back, base)
    top = house.height
    outline = [
        front.at(0, -0.4), front.at(0, top), front.at(1, -0.4), front.at(1, top), side.at(1, -0.4),
        side.at(1, top),
    ]
    middle = (start[0] + sign * house.depth / 2, end[0] + sign * house.depth / 2)
    ridge = [
        project(middle[0], base + top + house.ridge, house.near),
        project(middle[1], base + top + house.ridge, house.far),
    ]
    if house.ridge:
        outline += ridge
    shows_front = sign * (front.at(0, 0)[0] - front.at(1, 0)[0]) > 0

    def paint(layer: Layer) -> None:
        air = world.air
        layer.fill(air.shade(house.roof, house.near, air.front))
        layer.polygon(side.quad(0, 1, -0.4, top), air.shade(house.color, house.near, air.front))
        if house.ridge:
            gable = [side.at(0, top), ridge[0], side.at(1, top)]
            layer.polygon(gable, air.shade(house.color, house.near, air.front * 0.97))
            layer.polygon(
                [front.at(0, top), ridge[0], ridge[1], front.at(1, top)],
                air.shade(house.roof, house.near, 0.9 * air.facing(sign)),
            )
        if shows_front:
            _wash(layer, front, house, air, air.facing(sign))
            paint_facade(layer, front, house, air.facing(sign))
        paint_facade(layer, side, house, air.front, sparse=True)
        pixels = world.camera.size(0.022, house.near)
        layer.grain("stains", max(pixels, 0.25), 0.2)
        if house.near < 40:
            layer.grain("grain", max(pixels * 0.6, 0.5), 0.16)

    world.add("building", convex_hull(outline), house.far, paint)
    if world.air.shadow > 0.3 and sign == world.air.side:
        reach = -sign * min(house.height * (0.75 if world.air.kind == "morning" else 0.5), 12.0)
        shadow = [
            (start[0], house.near), (end[0], house.far), (end[0] + reach, house.far + 1.5),
            (start[0] + reach, house.near + 1.5),
        ]
        outline = [project(x, street.ground(z), z) for x, z in shadow]
        world.shadows.append((outline, world.air.shadow * 0.72))
    if house.ridge and house.draws[9] < 0.6 and house.near > 12:
        z = house.near + (house.far - house.near) * (0.25 + 0.5 * house.draws[10])
        x = street.center(z) + sign * (house.across + house.depth * 0.5)
        height = base + top + house.ridge
        chimney = [
            project(x - 0.5, height - 0.8, z), project(x - 0.5, height + 1.1, z),
            project(x + 0.5, height + 1.1, z), project(x + 0.5, height - 0.8, z),
        ]
        color = world.air.shade((132, 84, 70), z, 0.9)
        world.add("building", chimney, house.far - 0.01, lambda layer: layer.fill(color))


def _wash(layer: Layer, wall: Wall, house: House, air, light: float) -> None:
    """The bare wall, in slices, since far parts are hazier, with a darker foot."""
    slices = 4 if house.far - house.near > 8 else 2
    for index in range(slices):
        left, right = index / slices, (index + 1) / slices
        z = wall.distance(left)
        layer.polygon(wall.quad(left, right, -0.4, house.height), air.shade(house.color, z, light))
    foot = scaled(house.color, 0.8)
    layer.polygon(wall.quad(0, 1, -0.4, 0.7), air.shade(foot, house.near, light))
    eave = air.shade(house.trim, (house.near + house.far) / 2, light * 0.95)
    layer.polygon(wall.quad(0, 1, house.height - 0.35, house.height), eave)
    under_eave = wall.quad(0, 1, house.height - 0.5, house.height - 0.35)
    layer.polygon(under_eave, air.shade(scaled(house.color, 0.6), house.near, light))
    # Neighbours' drainpipes and joints: a dark edge at both ends separates the houses.
    edge = air.shade(scaled(house.color, 0.7), house.near, light)
    layer.polygon(wall.quad(0, 0.012, 0, house.height), edge)
    layer.polygon(wall.quad(0.988, 1, 0, house.height), edge)
