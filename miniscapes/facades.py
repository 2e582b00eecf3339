"""The fronts of houses: windows, doors, balconies and shops."""

from dataclasses import dataclass

from .canvas import Color, Layer, scaled
from .world import World


@dataclass(frozen=True)
class House:
    """A block between two distances along one side of the street, lengths in metres."""

    sign: int  # side of the street
    across: float  # where its front stands, from the street's centre line
    near: float
    far: float
    height: float
    floors: int
    kind: str  # old, shop, modern, panel, house
    color: Color
    trim: Color
    roof: Color
    ridge: float  # height of the roof above the eaves, 0 for a flat one
    depth: float  # from the front to the back
    draws: tuple[float, ...]  # 0 to 1, of details


class Wall:
    """A flat rectangle standing in space, addressed by (0..1 along, metres up)."""

    def __init__(self, world: World, start, end, base: float) -> None:
        self.world, self.start, self.end, self.base = world, start, end, base
        self.length = ((start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2) ** 0.5

    def at(self, along: float, height: float):
        """Pixel of a place on the wall."""
        x = self.start[0] + (self.end[0] - self.start[0]) * along
        z = self.start[1] + (self.end[1] - self.start[1]) * along
        return self.world.camera.project(x, self.base + height, z)

    def distance(self, along: float) -> float:
        """How far a place on the wall is, along the camera's axis."""
        return self.start[1] + (self.end[1] - self.start[1]) * along

    def quad(self, left: float, right: float, low: float, high: float):
        """Four pixels around a rectangle on the wall."""
        return [self.at(left, low), self.at(left, high), self.at(right, high), self.at(right, low)]


def paint_facade(
    layer: Layer, wall: Wall, house: House, light: float, sparse: bool = False
) -> None:
    """Windows, doors, balconies and shops of one wall; `sparse` for a wall without a street."""
    world, draws = wall.world, house.draws
    air, camera = world.air, world.camera
    floor_height = house.height / house.floors
    nearest = camera.size(1.0, wall.distance(0.0))
    if nearest < 1.5:
        return
    wide = {"modern": 2.2, "panel": 1.8, "house": 1.2}.get(house.kind, 1.05)
    pitch = {"modern": 2.5, "panel": 3.2}.get(house.kind, 2.1 + 0.9 * draws[0])
    columns = max(1, int(wall.length / pitch))
    glass = (66, 78, 92) if draws[1] < 0.6 else (48, 54, 62)
    lit = 0.35 if air.dark else 0.0
    shop = house.kind == "shop" and not sparse
    frame = house.trim
    for column in range(columns):
        middle = (column + 0.5) / columns
        z = wall.distance(middle)
        half = wide / 2 / wall.length
        left, right = middle - half, middle + half
        if camera.size(wide, z) < 0.8 and column % 2:
            continue  # too far to tell one window from its neighbour
        if sparse and (column + int(draws[2] * 3)) % 2:
            continue
        small = camera.size(0.1, z) < 0.45
        for floor in range(house.floors):
            if shop and floor == 0:
                continue
            low = floor * floor_height + 0.95
            high = low + min(floor_height - 1.35, 1.75 if house.kind != "modern" else 2.0)
            door = floor == 0 and column == int(draws[3] * columns) and not sparse
            if door:
                low, high = 0.0, 2.3
            if not small:
                rim = 0.16 / wall.length
                casing = wall.quad(left - rim, right + rim, low - 0.18, high + 0.16)
                layer.polygon(casing, air.shade(frame, z, light))
            if door:
                wood = ((96, 62, 40), (58, 72, 66), (84, 40, 38))[int(draws[4] * 3)]
                layer.polygon(wall.quad(left, right, low, high), air.shade(wood, z, light))
                continue
            chance = layer.dice.random()
            if chance < lit:
                pane = air.glow((244, 204, 128) if chance < lit * 0.8 else (214, 224, 230), z)
            else:
                # Higher windows mirror more of the sky.
                mirror = 0.12 + 0.4 * floor / max(house.floors, 2) * layer.dice.random()
                color = tuple(
                    int(a + (b - a) * mirror) for a, b in zip(glass, air.horizon, strict=True)
                )
                pane = air.shade(color, z, 0.85 * light)
            layer.polygon(wall.quad(left, right, low, high), pane)
            if small:
                continue
            if chance > 0.72:
                curtain = wall.quad(left, right, high - (high - low) * 0.45, high)
                layer.polygon(curtain, air.shade((206, 200, 188), z, 0.8 * light))
            bar = camera.size(0.07, z)
            cross = [wall.at(middle, low), wall.at(middle, high)]
            layer.line(cross, air.shade(frame, z, light), bar)
            if house.kind in ("old", "shop"):
                sill = wall.quad(middle - half * 1.3, middle + half * 1.3, low - 0.3, low - 0.16)
                layer.polygon(sill, air.shade(scaled(frame, 0.72), z, light))
            if house.kind in ("panel", "modern") and draws[5] < 0.5 and column % 2 and floor:
                _balcony(layer, wall, middle, half, low, z, house, light)
    panel = house.kind == "panel"
    if not sparse and (panel or (draws[6] < 0.5 and house.kind != "modern")):
        color = scaled(house.color, 0.82) if panel else house.trim
        for floor in range(1, house.floors):
            y = floor * floor_height
            band = wall.quad(0, 1, y - 0.12, y + 0.12)
            layer.polygon(band, air.shade(color, wall.distance(0.3), light))
    if shop:
        _shops(layer, wall, house, floor_height, light)


def _balcony(layer: Layer, wall: Wall, middle, half, low, z, house: House, light: float) -> None:
    air = wall.world.air
    slab = wall.quad(middle - half * 1.25, middle + half * 1.25, low - 0.95, low + 0.1)
    tone = house.trim if house.draws[7] < 0.5 else scaled(house.color, 0.6)
    layer.polygon(slab, air.shade(tone, z, light * 0.92))
    under = wall.quad(middle - half * 1.25, middle + half * 1.25, low - 1.15, low - 0.95)
    layer.polygon(under, air.shade((70, 68, 66), z, light))


SIGNS = (
    (168, 44, 40), (40, 84, 150), (36, 110, 80), (196, 150, 40), (60, 60, 64), (226, 222, 214),
    (120, 60, 120), (206, 108, 42),
)


def _shops(layer: Layer, wall: Wall, house: House, floor_height: float, light: float) -> None:
    air, camera = wall.world.air, wall.world.camera
    count = max(1, int(wall.length / 5.5))
    top = min(floor_height, 3.4)
    for index in range(count):
        left, right = index / count + 0.02, (index + 1) / count - 0.02
        z = wall.distance((left + right) / 2)
        sign = SIGNS[int((house.draws[8] * 97 + index * 3.7) % len(SIGNS))]
        layer.polygon(wall.quad(left, right, 0.0, top), air.shade((70, 66, 64), z, light))
        inside = air.glow((240, 214, 160), z) if air.dark else air.shade((92, 98, 104), z, light)
        layer.polygon(wall.quad(left + 0.01, right - 0.01, 0.35, top - 0.8), inside)
        if camera.size(1, z) > 5:
            for part in range(6):
                a = left + (right - left) * (0.08 + 0.15 * part)
                tone = SIGNS[int((house.draws[9] * 61 + part * 2 + index) % len(SIGNS))]
                high = 0.7 + 1.1 * ((part * 37 + index * 11) % 10) / 10
                layer.glaze(wall.quad(a, a + (right - left) * 0.1, 0.4, high), tone, 110)
            door = left + (right - left) * 0.46
            opening = wall.quad(door, door + 1.0 / wall.length, 0.0, 2.3)
            layer.polygon(opening, air.shade((44, 46, 50), z, light))
        board = air.glow(sign, z) if air.dark else air.shade(sign, z, light)
        layer.polygon(wall.quad(left, right, top - 0.75, top - 0.1), board)
        if camera.size(1, z) > 6:
            ink = (236, 232, 224) if sum(sign) < 500 else (60, 56, 60)
            letters = wall.quad(
                left + (right - left) * 0.2, right - (right - left) * 0.25, top - 0.55, top - 0.3
            )
            layer.glaze(letters, air.shade(ink, z, light), 200)
        if house.draws[7] < 0.35:
            awning = wall.quad(left, right, top - 1.3, top - 0.7)
            layer.polygon(awning, air.shade(sign, z, light))
            for part in (0, 2, 4):
                a = left + (right - left) * part / 6
                b = left + (right - left) * (part + 1) / 6
                stripe = wall.quad(a, b, top - 1.3, top - 0.7)
                layer.polygon(stripe, air.shade((232, 228, 220), z, light))
