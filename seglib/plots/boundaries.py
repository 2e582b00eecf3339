"""Where predictions go wrong: by the distance from boundaries and on the network's grid."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from .style import UNCLEAR, axes_row, looks, percentages, styled


@styled
def error_distance(tables: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Share of wrong pixels by distance from a boundary, and how many of all errors lie so near.

    `tables`: pairs of a label and a table of `boundaries.errors_by_distance` on the same scenes.
    """
    figure, (rate, near) = axes_row(2, 2.2)
    pixels = tables[0][1]["pixels"]
    places = range(len(pixels))
    near.plot(places, percentages(pixels.cumsum() / pixels.sum()), color=UNCLEAR, linewidth=2,
              zorder=0, label="all pixels")
    for label, look in looks(label for label, _ in tables).items():
        table = dict(tables)[label]
        wrong = table["wrong"]
        rate.plot(places, percentages(wrong / table["pixels"]), label=label, **look)
        near.plot(places, percentages(wrong.cumsum() / max(wrong.sum(), 1)), **look)
    rate.set(ylabel="wrong pixels at this distance (%)", ylim=(0, None))
    near.set(ylabel="errors up to this distance (%)", ylim=(0, 103))
    for axis in (rate, near):
        axis.set_xticks(places, tables[0][1]["distance"])
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
    figure, (axis,) = axes_row(1, 2.1)
    places = np.arange(len(truth))
    width = 0.8 / len(phases)
    colors = [look["color"] for look in looks(label for label, _ in phases).values()]
    for i, ((label, counts), color) in enumerate(zip(phases, colors, strict=True)):
        offset = (i - (len(phases) - 1) / 2) * width
        axis.bar(places + offset, percentages(counts / max(counts.sum(), 1)), 0.92 * width,
                 color=color, label=label)
    level = percentages(truth / max(truth.sum(), 1))
    axis.stairs(level, np.arange(len(truth) + 1) - 0.5, baseline=None, color=UNCLEAR,
                linewidth=2, label="truth")
    axis.set_xticks(places, ["on a line\nof the grid", *(f"+{place}" for place in places[1:])])
    axis.tick_params(axis="x", length=0)
    axis.set(xlabel="place of the boundary within the grid cell (input pixels)",
             ylabel="share of boundaries (%)")
    axis.grid(axis="y")
    figure.legend(loc="outside upper center", ncols=len(phases) + 1)
    return figure
