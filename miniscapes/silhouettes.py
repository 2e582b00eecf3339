"""The outer edge of a figure: all shapes together, traced once per pose on a small bitmap."""

from collections.abc import Sequence
from functools import cache

import numpy as np

from .geometry import Point, simplify, trace_outline
from .people_shapes import Shape, limb_points

# Bitmap for tracing: pixels per metre, and its half width and its height in metres.
_FINE, _WIDE, _TALL = 96, 1.25, 2.1
_FLOOR = _TALL - 0.06  # height of the bitmap's upper edge above the ground


@cache
def outline_of(shapes: tuple[Shape, ...]) -> tuple[Point, ...]:
    """The outer edge of a figure in metres, with corners at most 1.2 cm off."""
    width, height = int(2 * _WIDE * _FINE), int(_TALL * _FINE)
    # Pixel centres in metres. Filling is done here rather than by Pillow, whose ellipses have
    # changed between versions.
    x = ((np.arange(width) + 0.5) / _FINE - _WIDE)[None, :]
    y = (_FLOOR - (np.arange(height) + 0.5) / _FINE)[:, None]
    filled = np.zeros((height, width), dtype=bool)
    for _, kind, values in shapes:
        if kind == "disc":
            filled |= _in_disc(x, y, *values)
        elif kind == "limb":
            filled |= _in_polygon(x, y, limb_points(*values))
            x0, y0, x1, y1, w0, w1 = values
            filled |= _in_disc(x, y, x0, y0, w0 / 2, w0 / 2)
            filled |= _in_disc(x, y, x1, y1, w1 / 2, w1 / 2)
        else:
            filled |= _in_polygon(x, y, values)
    corners = trace_outline(np.pad(filled, 1))
    return tuple(
        ((column - 1) / _FINE - _WIDE, _FLOOR - (row - 1) / _FINE)
        for column, row in simplify(corners, 1.15)
    )


def _in_disc(x: np.ndarray, y: np.ndarray, center_x, center_y, rx, ry) -> np.ndarray:
    """Which points lie in an ellipse: bool, x and y broadcast."""
    return ((x - center_x) / rx) ** 2 + ((y - center_y) / ry) ** 2 <= 1.0


def _in_polygon(x: np.ndarray, y: np.ndarray, points: Sequence[Point]) -> np.ndarray:
    """Which points lie in a polygon by the even-odd rule: bool, x and y broadcast."""
    inside = np.zeros(np.broadcast_shapes(x.shape, y.shape), dtype=bool)
    for (x0, y0), (x1, y1) in zip(points, [*points[1:], points[0]], strict=True):
        if y0 != y1:
            crosses = (y0 > y) != (y1 > y)
            inside ^= crosses & (x < x0 + (x1 - x0) * ((y - y0) / (y1 - y0)))
    return inside
