"""A pinhole camera behind the windscreen, and the street it looks along."""

from dataclasses import dataclass

from .dice import Dice
from .geometry import Point

# What is nearer than this, in metres, is drawn at this distance.
NEAR = 1.0


@dataclass(frozen=True)
class Camera:
    """Projects metres (x right, y up from the road, z ahead) to pixels.

    Focal length and horizon follow the Cityscapes cameras: 2262 pixels at a width of 2048, 1.2 m
    above the road, looking slightly down. Camera roll is a shear, so that verticals stay vertical.
    """

    width: int
    height: int
    focal: float
    center_x: float
    horizon: float
    elevation: float
    roll: float

    @classmethod
    def random(cls, dice: Dice, height: int, width: int) -> "Camera":
        """A camera for an image of `height` x `width`; the draw does not depend on the size."""
        scale = max(width, 2 * height)
        focal = scale * dice.around(1.08, 0.10)
        center = 0.5 + dice.around(0.0, 0.06)
        horizon = 0.41 + dice.around(0.0, 0.07)
        return cls(
            width=width, height=height, focal=focal, center_x=width * center - 0.5,
            horizon=height * horizon, elevation=dice.around(1.28, 0.18),
            roll=dice.around(0.0, 0.012),
        )

    def project(self, x: float, y: float, z: float) -> Point:
        """Pixel position of a point; points nearer than `NEAR` are taken at `NEAR`."""
        factor = self.focal / (z if z > NEAR else NEAR)
        column = x * factor
        return (
            self.center_x + column,
            self.horizon + (self.elevation - y) * factor + self.roll * column,
        )

    def size(self, meters: float, z: float) -> float:
        """How many pixels a length has at a distance."""
        return meters * self.focal / (z if z > NEAR else NEAR)

    def ground_distance(self, row: float) -> float:
        """How far away the level road is that is seen in an image row below the horizon."""
        return self.elevation * self.focal / max(row - self.horizon, 1e-3)


@dataclass(frozen=True)
class Street:
    """The centre line of the street: where it runs and how it climbs."""

    offset: float  # metres from the camera to the centre line, beside the camera
    slope: float  # metres sideways per metre ahead (the car is never quite parallel)
    bend: float  # curvature, 1/m
    climb: float  # metres of height at 100 m, growing with the square

    @classmethod
    def random(cls, dice: Dice, half_width: float) -> "Street":
        """A street whose right lane the camera drives in."""
        bend = dice.around(0.0, 0.0011)
        if dice.chance(0.3):
            bend += dice.sign() * dice.uniform(0.0012, 0.0034)
        return cls(
            offset=-half_width * dice.uniform(0.28, 0.5), slope=dice.around(0.0, 0.035), bend=bend,
            climb=dice.uniform(-0.8, 2.6) if dice.chance(0.5) else 0.0,
        )

    def center(self, z: float) -> float:
        """x of the centre line at a distance."""
        return self.offset + self.slope * z + 0.5 * self.bend * z * z

    def heading(self, z: float) -> float:
        """The tangent of the street's direction at a distance (x per z)."""
        return self.slope + self.bend * z

    def ground(self, z: float) -> float:
        """y of the road surface at a distance."""
        return self.climb * z * z * 1e-4
