"""Figures of people and two-wheelers as lists of shapes.

Shapes are in metres, x to the side and y up from the ground, painted in order.
"""

import math
from functools import cache

from .dice import Dice
from .geometry import Point

# A shape: role, kind, values. Kinds are "limb" (x0, y0, x1, y1, width at both ends), "disc" (x, y,
# two radii) and "poly" (its points).
Shape = tuple[str, str, tuple]


def _limb(role: str, x0, y0, x1, y1, w0, w1) -> Shape:
    return role, "limb", (x0, y0, x1, y1, w0, w1)


def _disc(role: str, x, y, rx, ry) -> Shape:
    return role, "disc", (x, y, rx, ry)


def _poly(role: str, *points: Point) -> Shape:
    return role, "poly", points


@cache
def walker(pose: int) -> tuple[Shape, ...]:
    """Pose 0..23 of a person 1.75 m tall on foot; every second one is seen from the side."""
    dice = Dice(4711, pose)
    shapes: list[Shape] = []
    skirt, coat, bag = dice.chance(0.2), dice.chance(0.3), dice.chance(0.4)
    broad = dice.uniform(0.9, 1.15)
    if pose % 2:
        stride = dice.uniform(0.05, 0.36)
        back = (-stride, 0.04 + stride * 0.18)
        for role, foot, knee in (("leg2", back, 0.02), ("leg", (stride, 0.04), 0.10)):
            middle = (foot[0] * 0.45 + knee, 0.49)
            shapes += [
                _limb(role, 0.0, 0.92, *middle, 0.19 * broad, 0.14),
                _limb(role, *middle, *foot, 0.14, 0.10),
                _limb("shoe", foot[0] - 0.04, foot[1], foot[0] + 0.15, foot[1] - 0.01, 0.09, 0.07),
            ]
        swing = stride * 0.8
        shapes.append(_limb("arm2", 0.0, 1.38, swing, 0.92, 0.12, 0.08))
        if bag:
            shapes.append(_poly("bag", (-0.30, 1.36), (-0.08, 1.40), (-0.08, 1.0), (-0.28, 0.98)))
        low = 0.62 if coat else 0.86
        shapes.append(
            _poly(
                "top", (-0.13 * broad, 1.45), (0.10, 1.46), (0.16 * broad, 1.2),
                (0.14 * broad, low), (-0.15 * broad, low), (-0.16 * broad, 1.2),
            )
        )
        if skirt:
            shapes.append(_poly("skirt", (-0.13, 0.98), (0.13, 0.98), (0.24, 0.5), (-0.24, 0.5)))
        shapes += [
            _limb("arm", 0.0, 1.38, -swing * 0.6 - 0.02, 1.12, 0.13, 0.10),
            _limb("arm", -swing * 0.6 - 0.02, 1.12, -swing * 0.5 + 0.10, 0.90, 0.10, 0.08),
            _disc("skin", -swing * 0.5 + 0.11, 0.88, 0.05, 0.05),
            _limb("skin", 0.0, 1.42, 0.02, 1.56, 0.10, 0.10),
            _disc("skin", 0.035, 1.63, 0.095, 0.125),
            _poly(
                "hair", (-0.10, 1.56), (-0.10, 1.72), (0.0, 1.77), (0.10, 1.73), (0.09, 1.68),
                (0.0, 1.68), (-0.03, 1.58),
            ),
        ]
        return tuple(shapes)
    spread = dice.uniform(0.06, 0.13)
    lift = dice.uniform(0.0, 0.12)
    for sign, rise in ((-1, 0.0), (1, lift)):
        role = "leg" if sign < 0 else "leg2"
        foot = (sign * spread, 0.05 + rise)
        shapes += [
            _limb(
                role, sign * 0.085, 0.92, sign * (spread + 0.01), 0.5 + rise * 0.5, 0.18 * broad,
                0.14,
            ),
            _limb(role, sign * (spread + 0.01), 0.5 + rise * 0.5, *foot, 0.14, 0.10),
            _limb("shoe", foot[0], foot[1], foot[0] + sign * 0.03, foot[1] - 0.02, 0.11, 0.10),
        ]
    for sign in (-1, 1):
        out = dice.uniform(0.24, 0.32) * broad
        bend = dice.chance(0.25)
        elbow = (sign * (out + 0.02), 1.14)
        hand = (sign * (out - 0.16), 1.2) if bend else (sign * out, 0.88)
        shapes += [
            _limb("arm", sign * 0.2 * broad, 1.40, *elbow, 0.13, 0.11),
            _limb("arm", *elbow, *hand, 0.11, 0.08), _disc("skin", *hand, 0.05, 0.05),
        ]
    low = 0.6 if coat else 0.86
    shapes.append(
        _poly(
            "top", (-0.2 * broad, 1.44), (-0.07, 1.5), (0.07, 1.5), (0.2 * broad, 1.44),
            (0.19 * broad, 1.15), (0.19 * broad, low), (-0.19 * broad, low), (-0.19 * broad, 1.15),
        )
    )
    if skirt:
        shapes.append(_poly("skirt", (-0.18, 0.98), (0.18, 0.98), (0.26, 0.5), (-0.26, 0.5)))
    if bag:
        shapes.append(
            _poly("bag", (-0.15, 1.42), (0.15, 1.42), (0.16, 1.02), (-0.16, 1.02))
            if dice.chance(0.5)
            else _poly("bag", (0.22, 0.92), (0.42, 0.92), (0.44, 0.62), (0.2, 0.62))
        )
        shapes.append(_limb("bag", 0.1, 1.4, 0.26, 0.94, 0.04, 0.04))
    shapes += [
        _limb("skin", 0.0, 1.44, 0.0, 1.56, 0.10, 0.10),
        _disc("skin", 0.0, 1.63, 0.09, 0.125),
    ]
    if dice.chance(0.5):
        shapes.append(_disc("hair", 0.0, 1.65, 0.1, 0.12))
    else:
        shapes.append(
            _poly(
                "hair", (-0.10, 1.62), (-0.09, 1.73), (0.0, 1.77), (0.09, 1.73), (0.10, 1.62),
                (0.06, 1.7), (-0.06, 1.7),
            )
        )
    return tuple(shapes)


@cache
def two_wheeler(kind: str, view: str) -> tuple[Shape, ...]:
    """A bicycle or motorcycle from the side (heading to +x), from behind or from the front."""
    if kind == "bicycle" and view == "side":
        shapes = [_disc("wheel", x, 0.34, 0.34, 0.34) for x in (-0.53, 0.53)]
        for line in (
            (-0.53, 0.34, -0.06, 0.30), (-0.06, 0.30, -0.2, 0.86), (-0.53, 0.34, -0.17, 0.78),
            (-0.06, 0.30, 0.38, 0.80), (-0.18, 0.78, 0.38, 0.84), (0.53, 0.34, 0.37, 0.96),
        ):
            shapes.append(_limb("frame", *line, 0.05, 0.05))
        shapes += [
            _limb("dark", -0.30, 0.90, -0.10, 0.91, 0.08, 0.05),
            _limb("dark", 0.36, 0.98, 0.48, 1.03, 0.05, 0.05),
            _disc("dark", -0.06, 0.30, 0.09, 0.09),
            _limb("dark", -0.06, 0.30, 0.02, 0.14, 0.04, 0.05),
        ]
    elif kind == "bicycle":
        shapes = [
            _limb("dark", 0, 0.02, 0, 0.66, 0.07, 0.07),
            _limb("frame", 0, 0.5, 0, 0.95, 0.06, 0.06),
            _limb("dark", -0.28, 1.02, 0.28, 1.02, 0.05, 0.05),
            _limb("dark", -0.08, 0.9, 0.08, 0.9, 0.08, 0.08),
            _limb("dark", -0.15, 0.28, 0.15, 0.28, 0.04, 0.04),
            _disc("tail" if view == "rear" else "lamp", 0, 0.72, 0.05, 0.05),
        ]
    elif view == "side":
        shapes = [_disc("tyre", x, 0.32, 0.32, 0.32) for x in (-0.68, 0.70)]
        shapes += [
            _poly(
                "frame", (-0.85, 0.72), (-0.35, 0.78), (-0.05, 1.02), (0.32, 1.0), (0.52, 0.72),
                (0.30, 0.36), (-0.35, 0.30), (-0.5, 0.55),
            ),
            _poly("dark", (-0.35, 0.30), (0.30, 0.36), (0.25, 0.6), (-0.3, 0.6)),
            _limb("steel", 0.70, 0.32, 0.45, 1.0, 0.07, 0.07),
            _limb("dark", 0.38, 1.02, 0.28, 1.14, 0.05, 0.05),
            _limb("dark", -0.78, 0.82, -0.1, 0.84, 0.10, 0.08),
            _disc("lamp", 0.60, 0.88, 0.09, 0.09),
            _limb("steel", -0.75, 0.30, -0.2, 0.28, 0.09, 0.08),
            _poly("glass", (0.42, 1.0), (0.60, 1.0), (0.44, 1.25)),
        ]
    else:
        shapes = [
            _limb("tyre", 0, 0.06, 0, 0.6, 0.16, 0.16),
            _poly(
                "frame", (-0.2, 0.5), (0.2, 0.5), (0.23, 0.9), (0.1, 1.08), (-0.1, 1.08),
                (-0.23, 0.9),
            ),
            _limb("dark", -0.36, 1.04, 0.36, 1.04, 0.06, 0.06),
            _disc("dark", -0.38, 1.18, 0.07, 0.05),
            _disc("dark", 0.38, 1.18, 0.07, 0.05),
            _limb("dark", 0.36, 1.04, 0.38, 1.18, 0.03, 0.03),
            _limb("dark", -0.36, 1.04, -0.38, 1.18, 0.03, 0.03),
            _disc("tail" if view == "rear" else "lamp", 0, 0.82, 0.10, 0.08),
        ]
    return tuple(shapes)


@cache
def rider(kind: str, view: str) -> tuple[Shape, ...]:
    """The person on a bicycle or motorcycle, without the vehicle."""
    if view == "side":
        hip = (-0.18, 0.96) if kind == "bicycle" else (-0.28, 0.86)
        lift = hip[1] - 0.96
        shoulder, hand = (0.10, 1.46 + lift), ((0.42, 1.04) if kind == "bicycle" else (0.30, 1.12))
        shapes = [
            _limb("leg2", *hip, 0.16, 0.72 + lift, 0.18, 0.14),
            _limb("leg2", 0.16, 0.72 + lift, 0.02, 0.42, 0.13, 0.10),
            _limb("leg", *hip, 0.10, 0.62 + lift, 0.19, 0.15),
            _limb("leg", 0.10, 0.62 + lift, -0.06, 0.22, 0.14, 0.10),
            _limb("shoe", -0.08, 0.20, 0.12, 0.18, 0.09, 0.07),
            _poly(
                "top", (hip[0] - 0.13, hip[1]), (shoulder[0] - 0.12, shoulder[1]),
                (shoulder[0] + 0.06, shoulder[1] + 0.04), (shoulder[0] + 0.06, shoulder[1] - 0.2),
                (hip[0] + 0.14, hip[1] + 0.02),
            ),
            _limb(
                "skin", shoulder[0], shoulder[1], shoulder[0] + 0.09, shoulder[1] + 0.16, 0.10, 0.10
            ),
            _disc("skin", shoulder[0] + 0.12, shoulder[1] + 0.22, 0.10, 0.12),
            _disc("helmet", shoulder[0] + 0.10, shoulder[1] + 0.27, 0.13, 0.11),
            _limb(
                "arm", shoulder[0] - 0.02, shoulder[1] - 0.05, 0.22, 1.14 + lift * 0.5, 0.13, 0.10
            ),
            _limb("arm", 0.22, 1.14 + lift * 0.5, *hand, 0.10, 0.08),
            _disc("skin", *hand, 0.05, 0.05),
        ]
        return tuple(shapes)
    low = 0.94 if kind == "bicycle" else 0.84
    wide = 0.26 if kind == "bicycle" else 0.33
    shapes = []
    for sign, drop in ((-1, 0.0), (1, 0.16)):
        shapes += [
            _limb(
                "leg" if sign < 0 else "leg2", sign * 0.09, low, sign * (wide - 0.08),
                0.6 + drop * 0.6, 0.18, 0.14,
            ),
            _limb(
                "leg" if sign < 0 else "leg2", sign * (wide - 0.08), 0.6 + drop * 0.6, sign * 0.15,
                0.24 + drop, 0.13, 0.10,
            ),
            _limb("shoe", sign * 0.15, 0.24 + drop, sign * 0.16, 0.18 + drop, 0.11, 0.10),
            _limb("arm", sign * 0.19, low + 0.46, sign * 0.31, low + 0.24, 0.12, 0.10),
            _limb("arm", sign * 0.31, low + 0.24, sign * 0.27, 1.04, 0.10, 0.08),
        ]
    shapes += [
        _poly(
            "top", (-0.17, low - 0.06), (-0.21, low + 0.46), (-0.08, low + 0.54),
            (0.08, low + 0.54), (0.21, low + 0.46), (0.17, low - 0.06),
        ),
        _limb("skin", 0, low + 0.5, 0, low + 0.62, 0.10, 0.10),
        _disc("skin", 0, low + 0.68, 0.09, 0.12),
        _disc(
            "helmet", 0, low + (0.74 if kind == "bicycle" else 0.70), 0.12,
            0.10 if kind == "bicycle" else 0.14,
        ),
    ]
    return tuple(shapes)


def limb_points(x0, y0, x1, y1, w0, w1) -> list[Point]:
    """Four corners of a limb from (x0, y0) to (x1, y1) with a width at each end."""
    dx, dy = x1 - x0, y1 - y0
    length = math.sqrt(dx * dx + dy * dy) or 1.0
    nx, ny = -dy / length / 2, dx / length / 2
    return [
        (x0 + nx * w0, y0 + ny * w0), (x1 + nx * w1, y1 + ny * w1), (x1 - nx * w1, y1 - ny * w1),
        (x0 - nx * w0, y0 - ny * w0),
    ]
