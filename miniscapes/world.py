"""What one scene is made of: labelled outlines in the order in which they hide each other."""

from collections.abc import Sequence
from dataclasses import dataclass

from .camera import Camera, Street
from .canvas import Painter
from .dice import Dice
from .geometry import Pixel, Point, pixel_polygon
from .styles import CityStyle
from .weather import Air

# Paint order: what lies flat, then what stands on it by distance, then what belongs to the camera.
GROUND, STANDING, FRAME = 0, 1, 2


@dataclass(frozen=True)
class Item:
    """One annotated object: its label, its outline in whole pixels, and how to paint it."""

    label: str
    polygon: list[Pixel]
    tier: int
    depth: float
    paint: Painter


class World:
    """Collects the items of a scene; builders add to it and share its camera, street and air."""

    def __init__(
        self, camera: Camera, street: Street, style: CityStyle, air: Air, dice: Dice
    ) -> None:
        self.camera, self.street, self.style, self.air, self.dice = camera, street, style, air, dice
        self.items: list[Item] = []
        self.shadows: list[tuple[list[Point], float]] = []
        self.lamps: list[tuple[Point, float]] = []

    def add(
        self,
        label: str,
        outline: Sequence[Point],
        depth: float,
        paint: Painter,
        tier: int = STANDING,
    ) -> bool:
        """Add an object; outlines that miss the image are dropped. True if it was kept."""
        if len(outline) < 3:
            return False
        polygon = pixel_polygon(outline, self.camera.width, self.camera.height)
        if polygon is None:
            return False
        self.items.append(Item(label, polygon, tier, depth, paint))
        return True

    def ordered(self) -> list[Item]:
        """The items from back to front; flat ones in the order they were added."""
        flat = [item for item in self.items if item.tier == GROUND]
        standing = [item for item in self.items if item.tier == STANDING]
        frame = [item for item in self.items if item.tier == FRAME]
        return flat + sorted(standing, key=lambda item: -item.depth) + frame

    def x(self, across: float, z: float) -> float:
        """Camera x of a place `across` metres right of the street's centre line."""
        return self.street.center(z) + across

    def at(self, across: float, z: float, height: float = 0.0) -> Point:
        """Pixel of a place on or above the street."""
        return self.camera.project(
            self.street.center(z) + across, self.street.ground(z) + height, z
        )

    def strip(
        self, left: float, right: float, near: float, far: float, height: float = 0.0
    ) -> list[Point]:
        """The outline of a band along the street."""
        stops = distances(near, far)
        return [self.at(left, z, height) for z in stops] + [
            self.at(right, z, height) for z in reversed(stops)
        ]

    def cast(self, across: float, z: float, wide: float, tall: float, long: float) -> None:
        """Shadow of something `wide` (x) by `long` (z) metres on the ground, `tall` metres high."""
        center = self.street.center(z) + across
        ground = self.street.ground(z)
        project = self.camera.project
        w, d = wide / 2, long / 2
        box = [(center - w, z - d), (center + w, z - d), (center + w, z + d), (center - w, z + d)]
        self.shadows.append(([project(x, ground, q) for x, q in box], 0.62))
        if self.air.shadow > 0.3:
            reach = -self.air.side * tall * 0.8
            moved = [(x + reach, q + 0.25 * abs(reach)) for x, q in box]
            near, far = (0, 3) if reach < 0 else (1, 2)
            cast = [box[near], box[far], moved[far], moved[near]]
            back = [box[0], box[1], moved[1], moved[0]]
            for shape in (cast, back, moved):
                self.shadows.append(
                    ([project(x, ground, q) for x, q in shape], self.air.shadow * 0.8)
                )


def distances(near: float, far: float) -> list[float]:
    """Places between two distances, closer together nearby, for following a bend."""
    stops = [near]
    while stops[-1] * 1.28 + 1.0 < far:
        stops.append(stops[-1] * 1.28 + 1.0)
    if far > near:
        stops.append(far)
    return stops
