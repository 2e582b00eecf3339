"""Coarse annotation as people draw it: few corners, inside the objects, small things left out.

The fine instance ids are looked at on a grid of 64 rows. A cell counts for an object only if all
its pixels and those of its neighbours belong to it, so that polygons keep away from borders.
"""

import numpy as np

from .geometry import simplify, trace_outline

ROWS = 64
# Cells an object needs to be worth drawing: annotators had seven minutes per image.
SMALLEST = 4
# Corners may lie this many cells off the traced outline.
TOLERANCE = 0.85
POLE, FIRST_WITH_INSTANCES = 17, 24  # label ids
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


def _components(cells: np.ndarray) -> tuple[np.ndarray, list[list[tuple[int, int, int]]]]:
    """Connected cells of equal value (4-neighbourhood); negative cells belong to nothing.

    Returns:
        int32 (rows, columns), the number of each cell's component or -1, and for each component
        its runs (row, first column, last column + 1) from the top down.
    """
    rows, columns = cells.shape
    parents: list[int] = []
    runs: list[tuple[int, int, int]] = []

    def root(index: int) -> int:
        while parents[index] != index:
            parents[index] = parents[parents[index]]
            index = parents[index]
        return index

    above: list[int] = []
    for row in range(rows):
        line = cells[row]
        edges = [0, *(np.flatnonzero(line[1:] != line[:-1]) + 1).tolist(), columns]
        values = line[edges[:-1]].tolist()
        here: list[int] = []
        position = 0
        for first, last, value in zip(edges, edges[1:], values, strict=False):
            if value < 0:
                continue
            index = len(runs)
            runs.append((row, first, last))
            parents.append(index)
            here.append(index)
            while position < len(above) and runs[above[position]][2] <= first:
                position += 1
            for other in above[position:]:
                if runs[other][1] >= last:
                    break
                if cells[row - 1, runs[other][1]] == value:
                    parents[root(index)] = root(other)
        above = here
    numbers: dict[int, int] = {}
    found: list[list[tuple[int, int, int]]] = []
    labels = np.full(cells.shape, -1, np.int32)
    for index, run in enumerate(runs):
        number = numbers.setdefault(root(index), len(numbers))
        if number == len(found):
            found.append([])
        found[number].append(run)
        labels[run[0], run[1] : run[2]] = number
    return labels, found


def _open_holes(inside: np.ndarray) -> None:
    """Cut a slit below every hole of a region, so that one outline can go around what is in it.

    `inside` is bool (rows, columns) with an empty rim; it is changed in place.
    """
    labels, holes = _components(np.where(inside, -1, 0))
    for hole in holes:
        row, column, _ = hole[0]
        while labels[row, column] != labels[0, 0]:
            inside[row, column] = False
            row += 1


def _draw(runs: list[tuple[int, int, int]], cell: int, size: tuple[int, int]) -> list | None:
    """The outline of some cells as a polygon in pixels, or None if nothing is left of it."""
    top, left = runs[0][0] - 1, min(first for _, first, _ in runs) - 1
    bottom, right = runs[-1][0] + 2, max(last for _, _, last in runs) + 1
    inside = np.zeros((bottom - top, right - left), dtype=bool)
    for row, first, last in runs:
        inside[row - top, first - left : last - left] = True
    _open_holes(inside)
    if not inside.any():
        return None
    stride = right - left
    grid = inside.tobytes()
    start = grid.index(1)
    corners = trace_outline(lambda x, y: grid[y * stride + x], (start % stride, start // stride))
    outline = simplify([(float(x), float(y)) for x, y in corners], TOLERANCE)
    middle_x = sum(x for x, _ in corners) / len(corners)
    middle_y = sum(y for _, y in corners) / len(corners)
    polygon: list[list[int]] = []
    for x, y in outline:
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
        part = instances[top : max(rows) + 1, left : max(columns) + 1] == POLE
        counts = part.sum(axis=0)
        if part.size == 0 or counts.max() < height / 8:
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


def coarse_objects(instances: np.ndarray, objects: list[dict], names: dict[int, str]) -> list[dict]:
    """Coarse polygons of a scene.

    Args:
        instances: int32 (H, W), as painted from the fine polygons.
        objects: the fine objects, as in `polygons.json`.
        names: label name of each label id.

    Returns:
        Objects as in `polygons.json`, big ones first.
    """
    cell = max(1, min(instances.shape[0] // ROWS, instances.shape[1]))
    pure = _pure_cells(instances, cell)
    core_labels, cores = _components(_eroded(pure))
    _, wholes = _components(np.where(pure > 0, pure, -1))

    def area(runs: list[tuple[int, int, int]]) -> int:
        return sum(last - first for _, first, last in runs)

    drawn = [runs for runs in cores if area(runs) >= SMALLEST]
    kept = {core_labels[runs[0][0], runs[0][1]] for runs in drawn}
    for runs in wholes:
        # Small things have no core: people draw them up to their border.
        within = {n for row, a, b in runs for n in core_labels[row, a:b].tolist()}
        if area(runs) >= SMALLEST and not within & kept:
            drawn.append(runs)
    result = []
    for runs in sorted(drawn, key=lambda runs: -area(runs)):
        value = int(pure[runs[0][0], runs[0][1]])
        label = value // 1000 if value >= 1000 else value
        if names[label] in FIXED:
            continue
        polygon = _draw(runs, cell, instances.shape)
        if polygon is not None:
            group = "group" if value < 1000 and label >= FIRST_WITH_INSTANCES else ""
            result.append({"label": names[label] + group, "polygon": polygon})
    result += _poles(instances, objects)
    # The car's own parts are the same in every image of a drive and come with it unchanged.
    return result + [item for item in objects if item["label"] in FIXED]
