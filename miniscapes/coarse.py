"""Coarse annotation as people draw it: few corners, inside the objects, small things left out.

The fine instance ids are looked at on a grid of square cells. A cell's side is a 64th of the
height, rounded down, so there are 64 to 127 rows, and pixels left over below and on the right are
in no cell. A cell counts for an object only if all its pixels and those of its neighbours belong to
it, so that polygons keep away from borders.
"""

import numpy as np

from .geometry import simplify, trace_outline
from .labels import BY_ID, BY_NAME

ROWS = 64
# Cells an object needs to be worth drawing: annotators had seven minutes per image.
SMALLEST = 4
# Corners may lie this many cells off the traced outline.
TOLERANCE = 0.85
FIXED = ("ego vehicle", "rectification border", "out of roi")


def _pure_cells(instances: np.ndarray, cell: int) -> np.ndarray:
    """int32 (rows, columns): the id that fills a cell, or -1 where a cell is mixed."""
    rows, columns = instances.shape[0] // cell, instances.shape[1] // cell
    blocks = instances[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell)
    low = blocks.min(axis=(1, 3))
    return np.where(low == blocks.max(axis=(1, 3)), low, -1)


def _eroded(cells: np.ndarray) -> np.ndarray:
    """Cells whose four neighbours hold the same id; the image's own border does not count."""
    padded = np.pad(cells, 1, mode="edge")
    same = np.ones(cells.shape, dtype=bool)
    for dy, dx in ((0, 1), (2, 1), (1, 0), (1, 2)):
        same &= padded[dy : dy + cells.shape[0], dx : dx + cells.shape[1]] == cells
    return np.where(same & (cells > 0), cells, -1)


def _connected(cells: np.ndarray) -> np.ndarray:
    """Find connected cells of equal value (4-neighbourhood); negative cells belong to nothing.

    Returns:
        int64 (rows, columns): the same number for all cells of a component, namely the flat index
        of its first one, or -1.
    """
    numbers = np.arange(cells.size).reshape(cells.shape)
    neighbors = ((np.s_[1:], np.s_[:-1]), (np.s_[:, 1:], np.s_[:, :-1]))
    previous = None
    while not np.array_equal(numbers, previous):
        previous = numbers.copy()
        for here, there in neighbors:
            equal = cells[here] == cells[there]
            for one, other in ((here, there), (there, here)):
                lower = np.minimum(numbers[one], numbers[other])
                numbers[one] = np.where(equal, lower, numbers[one])
        # A number is the index of a cell whose own number may be lower by now.
        numbers = numbers.ravel()[numbers]
    return np.where(cells < 0, -1, numbers)


def _components(numbers: np.ndarray) -> list[np.ndarray]:
    """The flat indices of each component's cells, in reading order."""
    return [np.flatnonzero(numbers == number) for number in np.unique(numbers[numbers >= 0])]


def _open_holes(inside: np.ndarray) -> None:
    """Cut a slit below every hole of a region, so that one outline can go around what is in it.

    `inside` is bool (rows, columns) with an empty rim; it is changed in place.
    """
    around = _connected(np.where(inside, -1, 0))
    for hole in np.unique(around[around > 0]):
        row, column = divmod(int(hole), inside.shape[1])
        while around[row, column] != 0:
            inside[row, column] = False
            row += 1


def _draw(rows: np.ndarray, columns: np.ndarray, cell: int, size: tuple[int, int]) -> list | None:
    """The outline of some cells as a polygon in pixels, or None if nothing is left of it."""
    top, left = rows.min() - 1, columns.min() - 1
    inside = np.zeros((rows.max() - top + 2, columns.max() - left + 2), dtype=bool)
    inside[rows - top, columns - left] = True
    _open_holes(inside)
    corners = trace_outline(inside)
    middle_x = sum(x for x, _ in corners) / len(corners)
    middle_y = sum(y for _, y in corners) / len(corners)
    polygon: list[list[int]] = []
    for x, y in simplify(corners, TOLERANCE):
        # The far edge of the last cell is that cell's last pixel.
        column = int((x + left) * cell) - (1 if x > middle_x else 0)
        row = int((y + top) * cell) - (1 if y > middle_y else 0)
        polygon.append([min(size[1] - 1, max(0, column)), min(size[0] - 1, max(0, row))])
    return polygon if len(polygon) >= 3 else None


def _poles(instances: np.ndarray, objects: list[dict]) -> list[dict]:
    """Poles are thinner than a cell: draw the free part of each wide enough one as a box."""
    found = []
    height = instances.shape[0]
    for item in objects:
        if item["label"] != "pole":
            continue
        columns = [x for x, _ in item["polygon"]]
        rows = [y for _, y in item["polygon"]]
        left, top = min(columns), min(rows)
        part = instances[top : max(rows) + 1, left : max(columns) + 1] == BY_NAME["pole"].id
        counts = part.sum(axis=0)
        if counts.max() < height / 8:
            continue
        core = np.flatnonzero(counts >= 0.8 * counts.max())
        first, last = int(core[0]), int(core[-1])
        if last - first < 1:
            continue
        inset = 1 if last - first > 2 else 0
        first, last = first + inset, last - inset
        full = np.flatnonzero(part[:, first : last + 1].all(axis=1))
        if full.size < height / 10:
            continue
        # The longest run of rows that nothing hides.
        runs = np.split(full, np.flatnonzero(np.diff(full) > 1) + 1)
        run = max(runs, key=len)
        margin = len(run) // 12
        upper, lower = int(run[margin]), int(run[-1 - margin])
        if lower - upper >= height / 10:
            x0, x1, y0, y1 = left + first, left + last, top + upper, top + lower
            found.append({"label": "pole", "polygon": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]})
    return found


def coarse_objects(instances: np.ndarray, objects: list[dict]) -> list[dict]:
    """Coarse polygons of a scene.

    Args:
        instances: int32 (H, W), as painted from the fine polygons.
        objects: the fine objects, as in `polygons.json`.

    Returns:
        Objects as in `polygons.json`, big ones first.
    """
    cell = max(1, min(instances.shape[0] // ROWS, instances.shape[1]))
    pure = _pure_cells(instances, cell)
    cores = _connected(_eroded(pure))
    drawn = [cells for cells in _components(cores) if len(cells) >= SMALLEST]
    has_core = np.isin(cores, [cells[0] for cells in drawn])
    for cells in _components(_connected(np.where(pure > 0, pure, -1))):
        # Small things have no core: people draw them up to their border.
        if len(cells) >= SMALLEST and not has_core.flat[cells].any():
            drawn.append(cells)
    result = []
    for cells in sorted(drawn, key=len, reverse=True):
        value = int(pure.flat[cells[0]])
        label = BY_ID[value // 1000 if value >= 1000 else value]
        if label.name in FIXED:
            continue
        polygon = _draw(*np.divmod(cells, pure.shape[1]), cell, instances.shape)
        if polygon is not None:
            group = "group" if label.has_instances and value < 1000 else ""
            result.append({"label": label.name + group, "polygon": polygon})
    result += _poles(instances, objects)
    # The car's own parts are the same in every image of a drive and come with it unchanged.
    return result + [item for item in objects if item["label"] in FIXED]
