"""Where predictions go wrong: close-ups on the network's grid, distance to boundaries, runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .results import _class_chips
from .scenes import _bare, _entries
from .style import (
    COLORS,
    LINES,
    MARKERS,
    TEXT_WIDTH,
    class_legend,
    colorize,
    legend_height,
    percent,
    styled,
)

TRUTH_COLOR = "#999999"


@styled
def closeups(
    rows: Sequence[tuple[np.ndarray, ...]],
    titles: Sequence[str],
    class_set: Any,
    grid: tuple[float, float] | None = None,
    offsets: Sequence[tuple[int, int]] | None = None,
) -> Figure:
    """Cut-outs of images and masks side by side, the lines of the network's grid over the masks.

    Args:
        rows: one per cut-out, each a photograph uint8 (h, w, 3) followed by masks of class indices
            uint8 (h, w). All of one size.
        titles: of the columns.
        grid: (height, width) of a grid cell in pixels of the cut-outs; None draws no lines.
        offsets: (row, column) of each cut-out's upper left pixel in its scene, where the grid
            starts; default: a corner of the grid.
    """
    height, width = rows[0][0].shape[:2]
    cell = TEXT_WIDTH / len(titles)
    masks = [mask for row in rows for mask in row[1:]]
    figure, axes = plt.subplots(
        len(rows), len(titles), squeeze=False, layout="compressed",
        figsize=(TEXT_WIDTH, len(rows) * (cell * height / width + 0.03) + 0.2
                 + legend_height(_entries(masks))),
    )
    offsets = offsets or [(0, 0)] * len(rows)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            axis = axes[i, j]
            axis.imshow(picture if j == 0 else colorize(picture, class_set))
            _bare(axis)
            if i == 0:
                axis.set_title(titles[j], pad=3)
            if grid and j > 0:
                _grid_lines(axis, (height, width), grid, offsets[i])
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0.01, hspace=0.01)
    class_legend(figure, class_set, masks)
    return figure


@styled
def error_distance(tables: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Share of wrong pixels by distance from a boundary, and how many of all errors lie so near.

    `tables`: pairs of a label and a table of `boundaries.errors_by_distance` on the same scenes.
    """
    figure, (rate, near) = plt.subplots(1, 2, figsize=(TEXT_WIDTH, 2.35), layout="constrained")
    names = tables[0][1]["distance"]
    places = np.arange(len(names))
    for i, (label, table) in enumerate(tables):
        style = {"color": COLORS[i], "linestyle": LINES[i], "marker": MARKERS[i], "label": label}
        pixels, wrong = table["pixels"].to_numpy(), table["wrong"].to_numpy()
        shares = np.divide(wrong, pixels, out=np.full(len(pixels), np.nan), where=pixels > 0)
        rate.plot(places, percent(shares), **style)
        near.plot(places, percent(wrong.cumsum() / max(wrong.sum(), 1)), **style)
    pixels = tables[0][1]["pixels"].to_numpy()
    near.plot(places, percent(pixels.cumsum() / max(pixels.sum(), 1)), color=TRUTH_COLOR,
              linewidth=2, zorder=0, label="all pixels")
    rate.set(ylabel="wrong pixels at this distance (%)", ylim=(0, None))
    near.set(ylabel="errors up to this distance (%)", ylim=(0, 103))
    for axis in (rate, near):
        axis.set_xticks(places, names)
        axis.set_xlabel("distance to the nearest boundary (pixels)")
        axis.grid(axis="y")
    rate.legend(loc="upper right")
    near.legend(loc="lower right")
    return figure


@styled
def grid_phases(phases: Sequence[tuple[str, np.ndarray]], truth: np.ndarray) -> Figure:
    """Where boundaries of predictions lie within a network's grid cell, against the truth's.

    `phases`: pairs of a label and counts of `boundaries.boundary_phases`; `truth`: the counts of
    the true masks.
    """
    figure, axis = plt.subplots(figsize=(TEXT_WIDTH, 2.1), layout="constrained")
    places = np.arange(len(truth))
    width = 0.8 / len(phases)
    for i, (label, counts) in enumerate(phases):
        offset = (i - (len(phases) - 1) / 2) * width
        axis.bar(places + offset, percent(counts / max(counts.sum(), 1)), 0.92 * width,
                 color=COLORS[i], label=label)
    level = percent(truth / max(truth.sum(), 1))
    axis.stairs(level, np.arange(len(truth) + 1) - 0.5, baseline=None, color="#222222",
                linewidth=1.2, label="truth")
    axis.set_xticks(places, ["on a line\nof the grid", *(f"+{place}" for place in places[1:])])
    axis.tick_params(axis="x", length=0)
    axis.set(xlabel="place of the boundary within the grid cell (input pixels)",
             ylabel="share of boundaries (%)")
    axis.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=len(phases) + 1)
    return figure


@styled
def run_intervals(
    runs: Sequence[tuple[str, float, tuple[float, float]]],
    differences: Mapping[str, tuple[float, float, float]],
) -> Figure:
    """Scores of several runs and their paired differences from the first, with 95 % intervals.

    `runs`: label, score and interval, all shares of 1; the first is the reference. `differences`:
    label of another run to its (difference, low, high) from the reference.
    """
    figure, (left, right) = plt.subplots(
        1, 2, sharey=True, figsize=(TEXT_WIDTH, 0.75 + 0.3 * len(runs)), layout="constrained"
    )
    for place, (label, score, interval) in enumerate(runs):
        _whisker(left, place, 100 * score, 100 * np.asarray(interval), COLORS[0])
        if label in differences:
            value, low, high = 100 * np.asarray(differences[label])
            color = COLORS[1] if low > 0 or high < 0 else TRUTH_COLOR
            _whisker(right, place, value, (low, high), color, sign="+")
    right.axvline(0, color="#444444", linewidth=0.8)
    left.set_yticks(range(len(runs)), [label for label, _, _ in runs])
    left.set(xlabel="mIoU (%)", ylim=(len(runs) - 0.5, -0.6))
    right.set(xlabel=f"difference from “{runs[0][0]}” (points)")
    # Beside the line, on the side where the differences have made room.
    side = "right" if sum(value for value, _, _ in differences.values()) < 0 else "left"
    right.text(0, 0, "  reference  ", ha=side, va="center", fontsize=7.5, color="#444444")
    for axis in (left, right):
        axis.grid(axis="x")
        axis.margins(x=0.14)
        axis.tick_params(axis="y", length=0)
    return figure


@styled
def class_differences(
    differences: Sequence[tuple[float, float, float]], class_set: Any, label: str
) -> Figure:
    """Difference in IoU of every class between two runs, with intervals.

    `differences`: (difference, low, high) per class, shares of 1; NaN where a class is absent.
    `label`: of the axis, naming the two runs. Grey where the interval holds zero.
    """
    count = class_set.num_classes
    figure, axis = plt.subplots(figsize=(TEXT_WIDTH, 0.5 + 0.155 * count), layout="constrained")
    for place, (value, low, high) in enumerate(100 * np.asarray(differences, dtype=np.float64)):
        if np.isnan(value):
            axis.text(0, place, " absent", va="center", fontsize=7, color="#333333")
            continue
        clear = low > 0 or high < 0
        color = (COLORS[0] if value > 0 else COLORS[1]) if clear else TRUTH_COLOR
        axis.plot((low, high), (place, place), color=color)
        axis.plot(value, place, "o", color=color)
    axis.axvline(0, color="#444444", linewidth=0.8)
    axis.set_yticks(range(count), class_set.names)
    axis.tick_params(axis="y", length=0, pad=11)
    _class_chips(axis, class_set)
    axis.set(xlabel=label, ylim=(count - 0.4, -0.6))
    axis.grid(axis="x")
    return figure


def _whisker(axis, place, value, interval, color, sign="") -> None:
    """A dot with its interval and its number above."""
    axis.plot(interval, (place, place), color=color)
    axis.plot(value, place, "o", color=color, markersize=4.5)
    text = f"{value:{sign}.1f}".replace("-", "−")
    axis.annotate(text, (value, place), (0, 5), textcoords="offset points", ha="center",
                  fontsize=7.5, color=color)


def _grid_lines(axis, size, grid, offset) -> None:
    """Thin lines where the cells of the network's grid meet, inside the cut-out."""
    for draw, length, step, start in (
        (axis.axhline, size[0], grid[0], offset[0]), (axis.axvline, size[1], grid[1], offset[1]),
    ):
        first = int(np.ceil(start / step)) * step
        for line in np.arange(first, start + length + 1e-6, step):
            draw(line - start - 0.5, color="white", linewidth=0.35, alpha=0.8)
