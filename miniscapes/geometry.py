"""Polygons in the image plane: clipping, outlines, tracing and simplification.

Points are `(x, y)` in pixels, where whole numbers are pixel centres. Everything here is plain
Python arithmetic on doubles, which every machine rounds alike.
"""

import math
from collections.abc import Iterable, Sequence

import numpy as np

Point = tuple[float, float]
Pixel = tuple[int, int]


# Angles, to as many digits as the scenes are drawn with.
TURN, HALF_TURN, QUARTER_TURN = 6.283185, 3.141593, 1.5708


def sine(angle: float) -> float:
    """`sin` cut to seven decimals, because mathematics libraries differ in the last bit."""
    return round(math.sin(angle), 7)


def cosine(angle: float) -> float:
    """`cos` cut to seven decimals, because mathematics libraries differ in the last bit."""
    return round(math.cos(angle), 7)


def on_ellipse(x: float, y: float, rx: float, ry: float, angle: float) -> Point:
    """The point of an ellipse around (x, y) at an angle from its rightmost point."""
    return x + rx * cosine(angle), y + ry * sine(angle)


def rectangle(left: float, upper: float, right: float, lower: float) -> list[Point]:
    """The corners of an upright rectangle."""
    return [(left, upper), (right, upper), (right, lower), (left, lower)]


def round_half_up(value: float) -> int:
    """The nearest integer; `round` would send 0.5 and 1.5 to even numbers."""
    return math.floor(value + 0.5)


def _clip_half_plane(points: list[Point], axis: int, limit: float, keep_less: bool) -> list[Point]:
    """One step of Sutherland and Hodgman: keep the part on one side of an axis-parallel line."""
    result: list[Point] = []
    previous = points[-1]
    previous_inside = (previous[axis] <= limit) == keep_less or previous[axis] == limit
    for point in points:
        inside = (point[axis] <= limit) == keep_less or point[axis] == limit
        if inside != previous_inside:
            share = (limit - previous[axis]) / (point[axis] - previous[axis])
            other = previous[1 - axis] + share * (point[1 - axis] - previous[1 - axis])
            result.append((limit, other) if axis == 0 else (other, limit))
        if inside:
            result.append(point)
        previous, previous_inside = point, inside
    return result


def pixel_polygon(points: Sequence[Point], width: int, height: int) -> list[Pixel] | None:
    """Clip an outline to the image and round it to pixels, as an annotation file stores it.

    Returns at least three points (a line gets its middle as a third), or None when nothing of the
    outline is inside the `width` x `height` image.
    """
    clipped = list(points)
    for axis, limit, keep_less in (
        (0, -0.45, False), (0, width - 0.55, True), (1, -0.45, False), (1, height - 0.55, True),
    ):
        if clipped:
            clipped = _clip_half_plane(clipped, axis, limit, keep_less)
    pixels: list[Pixel] = []
    for x, y in clipped:
        pixel = (round_half_up(x), round_half_up(y))
        if not pixels or pixel != pixels[-1]:
            pixels.append(pixel)
    while len(pixels) > 1 and pixels[0] == pixels[-1]:
        pixels.pop()
    if len(pixels) == 2:
        (x0, y0), (x1, y1) = pixels
        pixels.append(((x0 + x1) // 2, (y0 + y1) // 2))
    return pixels if len(pixels) >= 3 else None


def convex_hull(points: Iterable[Point]) -> list[Point]:
    """The convex outline of a set of points (Andrew's monotone chain)."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered

    def chain(sequence: Iterable[Point]) -> list[Point]:
        hull: list[Point] = []
        for x, y in sequence:
            while len(hull) > 1:
                (x0, y0), (x1, y1) = hull[-2], hull[-1]
                if (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) > 0:
                    break
                hull.pop()
            hull.append((x, y))
        return hull

    return chain(ordered)[:-1] + chain(reversed(ordered))[:-1]


def column_envelope(segments: Sequence[tuple[Point, Point]], columns: int = 34) -> list[Point]:
    """The outline of everything between the upper and the lower edge of some segments.

    Cars and other solids have no gaps within a column of the image, so the highest and the lowest
    segment in each column bound them.
    """
    edges = [(a, b) if a[0] <= b[0] else (b, a) for a, b in segments]
    positions = sorted({x for edge in edges for x, _ in edge})
    left, right = positions[0], positions[-1]
    step = (right - left) / columns
    # Of corners close together the first and the last count: the ends of a steep edge.
    kept = [left]
    for position, following in zip(positions[1:], [*positions[2:], right + 2 * step], strict=True):
        if position - kept[-1] > 0.6 * step or following - position > 0.6 * step:
            kept.append(position)
    upper: list[Point] = []
    lower: list[Point] = []
    for x in kept:
        top, bottom = math.inf, -math.inf
        for (x0, y0), (x1, y1) in edges:
            if x0 <= x <= x1:
                if x1 - x0 < 1e-9:
                    high, low = max(y0, y1), min(y0, y1)
                else:
                    high = low = y0 + (y1 - y0) * (x - x0) / (x1 - x0)
                top, bottom = min(top, low), max(bottom, high)
        upper.append((x, top))
        lower.append((x, bottom))
    return upper + lower[::-1]


def simplify(points: Sequence[Point], tolerance: float) -> list[Point]:
    """A closed outline with fewer points, nowhere further than `tolerance` away.

    Douglas and Peucker 1973, on both halves between the first point and the one furthest away.
    """
    if len(points) < 4:
        return list(points)
    start = points[0]
    distances = [(x - start[0]) ** 2 + (y - start[1]) ** 2 for x, y in points]
    far = max(range(len(points)), key=distances.__getitem__)
    closed = [*points, start]
    there = _simplify_open(closed[: far + 1], tolerance)
    back = _simplify_open(closed[far:], tolerance)
    return there[:-1] + back[:-1]


def _simplify_open(points: Sequence[Point], tolerance: float) -> list[Point]:
    keep = {0, len(points) - 1}
    stack = [(0, len(points) - 1)]
    while stack:
        first, last = stack.pop()
        (x0, y0), (x1, y1) = points[first], points[last]
        dx, dy = x1 - x0, y1 - y0
        length = dx * dx + dy * dy
        worst, index = tolerance * tolerance, -1
        for position in range(first + 1, last):
            x, y = points[position][0] - x0, points[position][1] - y0
            if length == 0:
                distance = x * x + y * y
            else:
                distance = (dx * y - dy * x) ** 2 / length
            if distance > worst:
                worst, index = distance, position
        if index >= 0:
            keep.add(index)
            stack += [(first, index), (index, last)]
    return [points[position] for position in sorted(keep)]


# Steps along pixel corners: east, south, west, north.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))


def trace_outline(region: np.ndarray) -> list[Pixel]:
    """Walk around a region of pixels and return the corners where the outline turns.

    `region` is bool (rows, columns) with an empty rim; only the part with its first pixel, in
    reading order, is walked around. Corners are in pixel-edge units: pixel (x, y) spans x..x+1 and
    y..y+1. The walk keeps the region on its right; where two pixels touch at a corner only, they
    count as apart.
    """
    pixels, columns = region.tobytes(), region.shape[1]  # bytes are read faster than arrays

    def inside(x: int, y: int) -> int:
        return pixels[y * columns + x]

    y, x = divmod(pixels.index(1), columns)
    start = x, y
    direction = 0
    corners: list[Pixel] = []
    while True:
        # The two pixels ahead of corner (x, y): on the left and on the right of the direction.
        if direction == 0:
            left, right = inside(x, y - 1), inside(x, y)
        elif direction == 1:
            left, right = inside(x, y), inside(x - 1, y)
        elif direction == 2:
            left, right = inside(x - 1, y), inside(x - 1, y - 1)
        else:
            left, right = inside(x - 1, y - 1), inside(x, y - 1)
        if not right:
            direction = (direction + 1) % 4
            corners.append((x, y))
        elif left:
            direction = (direction + 3) % 4
            corners.append((x, y))
        if corners and (x, y) == start and direction == 0 and len(corners) > 3:
            return corners
        step = _STEPS[direction]
        x, y = x + step[0], y + step[1]
