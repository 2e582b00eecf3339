"""Networks side by side: pairs, boundaries, calibration, cost, robustness.

`panels` is everywhere a mapping from a dataset's title to a mapping from run names to values.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seglib.plots import style

from ..comparison import Pair
from .parts import log_axis, run_panels, signed

Panels = Mapping[str, Mapping[str, Any]]
Difference = tuple[float, float, float]


@style.styled
def pair_matrix(names: Mapping[str, Sequence[str]], pairs: Mapping[str, Sequence[Pair]]) -> Figure:
    """Difference in mIoU of every pair of runs: the row's minus the column's, in points.

    `names`: of the runs, by the title of the panel; `pairs` likewise. Grey are those that cannot be
    told apart.
    """
    counts = [len(runs) for runs in names.values()]
    height = 0.4 * sum(counts) + 0.8 * len(counts)
    figure, axes = style.axes_grid(len(counts), 1, height, height_ratios=counts)
    values = [pair.difference.difference for found in pairs.values() for pair in found]
    largest = max(map(abs, values), default=1) or 1
    for axis, (title, runs) in zip(axes[:, 0], names.items(), strict=True):
        for pair in pairs[title]:
            i, j = runs.index(pair.better), runs.index(pair.worse)
            value, low, high = style.percentages(pair.difference[:3])
            _pair(axis, (j, i), (value, low, high), largest, pair.is_significant)
            _pair(axis, (i, j), (-value, -high, -low), largest, pair.is_significant)
        axis.set_xticks(range(len(runs)), [name.replace(" ", "\n") for name in runs])
        style.name_rows(axis, runs)
        axis.grid(False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        limits = (-0.5, len(runs) - 0.5)
        axis.set(title=title, xlim=limits, ylim=limits[::-1], ylabel="mIoU of …")
    axis.set_xlabel("… minus mIoU of … (points)")
    return figure


def _pair(axis, place: tuple[int, int], points: Difference, largest: float, real: bool) -> None:
    (x, y), (value, low, high) = place, points
    depth = np.copysign(0.12, value) + 0.0013 * value / largest  # a small one is no grey either
    shade = plt.get_cmap("PRGn")(0.5 + depth) if real else "#EEEEEE"
    look = {"facecolor": shade, "edgecolor": "white", "linewidth": 1.5}
    axis.add_patch(plt.Rectangle((x - 0.5, y - 0.5), 1, 1, **look))
    words = {"ha": "center", "va": "center", "color": "black" if real else "#666666"}
    axis.text(x, y - 0.1, signed(value), fontsize=8.5, **words)
    axis.text(x, y + 0.25, f"{signed(low)} to {signed(high)}", fontsize=5.8, **words)


@style.styled
def band_iou(panels: Panels) -> Figure:
    """mIoU in bands around true boundaries, 95 % intervals; values: a split's measured `bands`."""
    figure, drawn, run_looks = run_panels(panels, 2.5)
    for axis, runs in drawn:
        for name, bands in runs.items():
            table = pd.DataFrame(bands).set_index("width")[["low", "miou", "high"]]
            low, middle, high = style.percentages(table).T
            color = run_looks[name]["color"]
            axis.fill_between(table.index, low, high, color=color, alpha=0.15, linewidth=0)
            axis.plot(table.index, middle, label=name, **run_looks[name])
        log_axis(axis, "{x:g}", 2)
        axis.set_xticks(table.index)
        axis.set(xlabel="within … pixels of a boundary", ylim=(0, None))
    drawn[0][0].set_ylabel("mIoU there (%)")
    style.joint_legend(figure)
    return figure


@style.styled
def reliability(panels: Panels) -> Figure:
    """How often pixels are right against how sure the network is of them, by bins of confidence.

    Values: one split of a `calibration` measurement; bins with few pixels are left out. Above the
    diagonal a network is better than it believes.
    """
    figure, drawn, run_looks = run_panels(panels, 3.0)
    for axis, runs in drawn:
        axis.plot([0, 100], [0, 100], color=style.UNCLEAR, linewidth=0.8)
        for name, found in runs.items():
            bins = pd.DataFrame(found["bins"])
            filled = bins[bins["pixels"] >= 0.001 * bins["pixels"].sum()]
            axis.plot(100 * filled["confidence"], 100 * filled["accuracy"], label=name,
                      **run_looks[name])
        axis.set(xlabel="confidence (%)", xlim=(0, 101), ylim=(0, 101), aspect="equal")
        axis.grid(True)
    drawn[0][0].set_ylabel("right pixels (%)")
    style.joint_legend(figure)
    return figure


@style.styled
def accuracy_cost(panels: Panels, fronts: Mapping[str, Sequence[str]]) -> Figure:
    """mIoU against the time that a network takes, with the line of the best trade-offs.

    Values: (seconds an image on one thread, mIoU as a share, low, high). `fronts`: the runs on the
    Pareto front of each panel, by rising cost.
    """
    figure, drawn, run_looks = run_panels(panels, 2.4)
    for (axis, runs), front in zip(drawn, map(fronts.get, panels), strict=True):
        if front:
            steps = [(1000 * runs[name][0], 100 * runs[name][1]) for name in front]
            axis.step(*np.transpose(steps), where="post", color=style.PALE, linewidth=2, zorder=0)
        for name, (seconds, *shares) in runs.items():
            look = run_looks[name] | {"linestyle": "none", "markersize": 6}
            score, low, high = style.percentages(shares)
            axis.plot([1000 * seconds] * 2, [low, high], color=look["color"])
            axis.plot(1000 * seconds, score, label=name, **look)
        axis.set_xlim(0, 1150 * max(seconds for seconds, *_ in runs.values()))
        axis.set_xlabel("milliseconds per image, one CPU thread")
    drawn[0][0].set_ylabel("mIoU (%)")
    style.joint_legend(figure)
    return figure


@style.styled
def robustness(panels: Panels) -> Figure:
    """mIoU under each corruption by its strength, 0 is none; values: a `robustness` measurement."""
    kinds = list(next(iter(next(iter(panels.values())).values()))["corruptions"])
    run_looks = style.looks(name for runs in panels.values() for name in runs)
    figure, axes = style.axes_grid(len(panels), len(kinds), 0.55 + 1.4 * len(panels),
                                   sharex=True, sharey="row")
    for row, (title, runs) in zip(axes, panels.items(), strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            for name, found in runs.items():
                levels = [found["clean"], *found["corruptions"][kind]]
                scores = style.percentages([level["miou"] for level in levels])
                axis.plot(range(len(levels)), scores, label=name, **run_looks[name])
            axis.set_ylim(0, None)
            axis.set_xticks(range(len(levels)))
        row[0].set_ylabel(f"{title}\nmIoU (%)")
    for axis, kind in zip(axes[0], kinds, strict=True):
        axis.set_title("JPEG" if kind == "jpeg" else kind)
    figure.supxlabel("strength", fontsize=8.5)
    style.joint_legend(figure)
    return figure
