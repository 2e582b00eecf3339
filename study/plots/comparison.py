"""Networks side by side: pairs, classes, boundaries, calibration, cost, robustness, other streets.

`panels` is everywhere a mapping from a dataset's title to a mapping from run names to values. A run
of one name has one colour and one marker in all panels.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from seglib.plots.boundaries import TRUTH_COLOR
from seglib.plots.results import share_heatmap
from seglib.plots.style import COLORS, LINES, MARKERS, TEXT_WIDTH, percent, styled

Panels = Mapping[str, Mapping[str, Any]]


@styled
def pair_matrix(
    names: Sequence[str], differences: Mapping[tuple[str, str], tuple[float, float, float]]
) -> Figure:
    """Difference in mIoU of every pair of runs: the row's minus the column's, in points.

    `differences`: (first, second) to (difference, low, high), shares of 1, every pair in one order.
    Coloured where the interval leaves out zero, grey where it does not; the interval stands below.
    """
    count = len(names)
    largest = max((abs(value) for value, _, _ in differences.values()), default=1) or 1
    figure, axis = plt.subplots(
        figsize=(min(TEXT_WIDTH, 1.6 + 0.95 * count), 0.7 + 0.42 * count), layout="constrained"
    )
    colors = plt.get_cmap("RdBu")
    for i, row in enumerate(names):
        for j, column in enumerate(names):
            if (row, column) in differences:
                value, low, high = differences[row, column]
            elif (column, row) in differences:
                value, high, low = (-part for part in differences[column, row])
            else:
                continue
            real = low > 0 or high < 0
            shade = colors(0.5 + 0.25 * value / largest) if real else "#EEEEEE"
            axis.add_patch(
                plt.Rectangle(
                    (j - 0.5, i - 0.5), 1, 1, facecolor=shade, edgecolor="white", linewidth=1.5
                )
            )
            axis.text(
                j,
                i - 0.1,
                _signed(100 * value),
                ha="center",
                va="center",
                fontsize=8.5,
                color="black" if real else "#666666",
            )
            axis.text(
                j,
                i + 0.25,
                f"{_signed(100 * low)} to {_signed(100 * high)}",
                ha="center",
                va="center",
                fontsize=5.8,
                color="#333333" if real else "#666666",
            )
    axis.set(
        xlim=(-0.5, count - 0.5),
        ylim=(count - 0.5, -0.5),
        ylabel="mIoU of …",
        xlabel="… minus mIoU of … (points)",
    )
    axis.set_xticks(range(count), names)
    axis.set_yticks(range(count), names)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    return figure


@styled
def class_models(results: Mapping[str, Mapping[str, Any]]) -> Figure:
    """IoU of every class (columns) for several runs (rows), in percent; grey where absent.

    `results`: run name to the scores of one split (`classes`, `iou`, `miou`); the last column is
    the mean.
    """
    first = next(iter(results.values()))
    share = np.array([[*percent(s["iou"]), percent(s["miou"]).item()] for s in results.values()])
    columns = [*first["classes"], "mean"]
    return share_heatmap(share, list(results), columns, "class", "", "IoU (%)")


@styled
def band_iou(panels: Panels) -> Figure:
    """mIoU within bands of growing width around the boundaries of the truth, with 95 % intervals.

    Values: `bands` of a `boundaries` measurement of one split.
    """
    figure, axes, looks = _row(panels, 2.45)
    for axis, (title, runs) in zip(axes, panels.items(), strict=True):
        for name, bands in runs.items():
            widths = [band["width"] for band in bands]
            low, middle, high = (
                percent([band[key] for band in bands]) for key in ("low", "miou", "high")
            )
            color = looks[name]["color"]
            axis.fill_between(widths, low, high, color=color, alpha=0.15, linewidth=0)
            axis.plot(widths, middle, label=name, **looks[name])
        axis.set_xscale("log", base=2)
        axis.set_xticks(widths, [f"{width}" for width in widths])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set(title=title, xlabel="within … pixels of a boundary", ylim=(0, None))
        axis.grid(axis="y")
    axes[0].set_ylabel("mIoU there (%)")
    _legend(figure, axes)
    return figure


@styled
def reliability(panels: Panels) -> Figure:
    """How often pixels are right against how sure the network is of them, by bins of confidence.

    Values: one split of a `calibration` measurement. Bins with less than a thousandth of the pixels
    are left out. Above the diagonal a network is better than it believes.
    """
    figure, axes, looks = _row(panels, 3.0)
    for axis, (title, runs) in zip(axes, panels.items(), strict=True):
        axis.plot([0, 100], [0, 100], color=TRUTH_COLOR, linewidth=0.8)
        for name, found in runs.items():
            pixels = sum(each["pixels"] for each in found["bins"])
            bins = [each for each in found["bins"] if each["pixels"] >= 0.001 * pixels]
            axis.plot(
                percent([each["confidence"] for each in bins]),
                percent([each["accuracy"] for each in bins]),
                label=name,
                **looks[name],
            )
        axis.set(title=title, xlabel="confidence (%)", xlim=(0, 101), ylim=(0, 101), aspect="equal")
        axis.grid()
    axes[0].set_ylabel("right pixels (%)")
    _legend(figure, axes)
    return figure


@styled
def accuracy_cost(
    panels: Panels, fronts: Mapping[str, Sequence[str]], label: str, scale: float = 1
) -> Figure:
    """mIoU against what it costs, with the line of the best trade-offs.

    Values: (cost, mIoU as a share, low, high). `fronts`: the runs on the Pareto front of each
    panel, by rising cost. `label`: of the cost's axis, in which the cost is multiplied by `scale`.
    """
    figure, axes, looks = _row(panels, 2.55)
    for axis, (title, runs) in zip(axes, panels.items(), strict=True):
        steps = [(scale * runs[name][0], 100 * runs[name][1]) for name in fronts[title]]
        if steps:
            axis.step(*np.transpose(steps), where="post", color=TRUTH_COLOR, linewidth=2, zorder=0)
        for name, (cost, score, low, high) in runs.items():
            look = looks[name] | {"linestyle": "none", "markersize": 6}
            axis.plot([scale * cost] * 2, [100 * low, 100 * high], color=look["color"])
            axis.plot(scale * cost, 100 * score, label=name, **look)
        axis.set_xlim(0, 1.15 * scale * max(cost for cost, *_ in runs.values()))
        axis.set(title=title, xlabel=label)
        axis.grid(axis="y")
    axes[0].set_ylabel("mIoU (%)")
    _legend(figure, axes)
    return figure


@styled
def robustness(panels: Panels) -> Figure:
    """mIoU under every corruption by its strength; strength 0 is the clean photograph.

    Values: a `robustness` measurement.
    """
    kinds = list(next(iter(next(iter(panels.values())).values()))["corruptions"])
    looks = _looks(panels)
    figure, axes = plt.subplots(
        len(panels),
        len(kinds),
        squeeze=False,
        sharex=True,
        sharey="row",
        layout="constrained",
        figsize=(TEXT_WIDTH, 0.55 + 1.4 * len(panels)),
    )
    for row, (title, runs) in zip(axes, panels.items(), strict=True):
        for axis, kind in zip(row, kinds, strict=True):
            for name, found in runs.items():
                levels = [found["clean"], *found["corruptions"][kind]]
                axis.plot(
                    range(len(levels)),
                    percent([level["miou"] for level in levels]),
                    label=name,
                    **looks[name],
                )
            axis.set_ylim(0, None)
            axis.set_xticks(range(len(levels)))
            axis.grid(axis="y")
        row[0].set_ylabel(f"{title}\nmIoU (%)")
    for axis, kind in zip(axes[0], kinds, strict=True):
        axis.set_title("JPEG" if kind == "jpeg" else kind)
    figure.supxlabel("strength", fontsize=8.5)
    _legend(figure, axes.flat)
    return figure


@styled
def generalisation(rows: Sequence[tuple[str, float, float]], title: str = "") -> Figure:
    """mIoU on the run's own dataset and on another one without training there, a row per run.

    `rows`: label, home, abroad (shares of 1, over the same classes).
    """
    figure, axis = plt.subplots(figsize=(TEXT_WIDTH, 0.75 + 0.24 * len(rows)), layout="constrained")
    places = np.arange(len(rows))
    home, abroad = (percent([row[i] for row in rows]) for i in (1, 2))
    axis.hlines(places, abroad, home, color="#BBBBBB", linewidth=1)
    axis.plot(home, places, MARKERS[0], color=COLORS[0], label="at home")
    axis.plot(abroad, places, MARKERS[1], color=COLORS[1], label="abroad, untrained")
    for place, values in zip(places, zip(home, abroad, strict=True), strict=True):
        for value, align, gap in zip(values, ("left", "right"), (6, -6), strict=True):
            axis.annotate(
                f"{value:.1f}",
                (value, place),
                (gap, 0),
                textcoords="offset points",
                ha=align,
                va="center",
                fontsize=7,
            )
    axis.set_yticks(places, [row[0] for row in rows])
    axis.tick_params(axis="y", length=0)
    axis.set(
        xlabel="mIoU over the shared classes (%)",
        xlim=(0, 100),
        title=title,
        ylim=(len(rows) - 0.5, -0.5),
    )
    axis.grid(axis="x")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


def _signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−")


def _looks(panels: Panels) -> dict[str, dict[str, Any]]:
    """Colour, line and marker of each run, in the order in which the names first come up."""
    names = list(dict.fromkeys(name for runs in panels.values() for name in runs))
    return {
        name: {
            "color": COLORS[i % len(COLORS)],
            "linestyle": LINES[i % len(LINES)],
            "marker": MARKERS[i % len(MARKERS)],
        }
        for i, name in enumerate(names)
    }


def _row(panels: Panels, height: float) -> tuple[Figure, np.ndarray, dict[str, dict[str, Any]]]:
    figure, axes = plt.subplots(
        1, len(panels), squeeze=False, figsize=(TEXT_WIDTH, height), layout="constrained"
    )
    return figure, axes[0], _looks(panels)


def _legend(figure: Figure, axes: Any) -> None:
    """One legend for all panels, above them."""
    handles: dict[str, Any] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=4)
