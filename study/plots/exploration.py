"""What a dataset is like: its classes, objects, coarse masks, resized masks and splits."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, NullLocator

from seglib.labels import CATEGORIES
from seglib.plots.results import share_heatmap
from seglib.plots.style import COLORS, LINES, MARKERS, TEXT_WIDTH, percent, styled


@styled
def class_frequencies(shares: Mapping[str, Any], class_set: Any) -> Figure:
    """Share of labelled pixels per class on a logarithmic axis, grouped by category.

    `shares`: split to shares (C,) that sum to 1. The first split is drawn as bars in the label
    colours, the others as markers; a class without a pixel has none.
    """
    places, groups = _grouped_places(class_set)
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, 0.75 + 0.165 * (places.max() + 1)), layout="constrained"
    )
    splits = list(shares)
    values = {split: percent(shares[split]) for split in splits}
    smallest = min(v[v > 0].min() for v in values.values())
    low = 10.0 ** np.floor(np.log10(smallest) - 0.05)
    first = np.maximum(values[splits[0]], low)
    axis.barh(places, first - low, 0.78, left=low, color=class_set.colors / 255.0,
              edgecolor="#555555", linewidth=0.4)
    handles = [Patch(facecolor="#B0B0B0", edgecolor="#555555", linewidth=0.4)]
    for i, split in enumerate(splits[1:]):
        marked = np.where(values[split] > 0, values[split], np.nan)
        handles += axis.plot(marked, places, MARKERS[i], color=("#000000", "#FFFFFF")[i % 2],
                             markersize=3.2, markeredgecolor="black", markeredgewidth=0.6)
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(_plain))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set(xlim=(low, 100), ylim=(places.max() + 0.6, -0.6))
    axis.set_xlabel("share of labelled pixels (%)")
    axis.set_yticks(places, class_set.names)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    for category, rows in groups.items():
        total = values[splits[0]][rows].sum()
        axis.text(1.015, places[rows].mean(), f"{CATEGORIES[category]}: {_plain(total)} %",
                  transform=axis.get_yaxis_transform(), va="center", fontsize=7)
        span = [places[rows].min() - 0.4, places[rows].max() + 0.4]
        axis.plot([1.004] * 2, span, color="#888888", linewidth=0.7, clip_on=False,
                  transform=axis.get_yaxis_transform())
    figure.legend(handles, [f"{split} scenes" for split in splits], loc="outside upper center",
                  ncols=len(splits))
    return figure


@styled
def cooccurrence(matrix: np.ndarray, class_set: Any) -> Figure:
    """How often the column's class is in a scene that holds the row's class, in percent.

    `matrix`: shares (C, C), rows condition; NaN rows (a class in no scene) are grey.
    """
    names = class_set.names
    return share_heatmap(percent(matrix), names, names, "… also hold this class",
                         "of the scenes with this class …", "share of scenes (%)")


@styled
def spatial_priors(
    priors: np.ndarray, class_set: Any, aspect: float = 0.5, columns: int = 5
) -> Figure:
    """Where in the frame each class lies: one small map per class, each with its own scale.

    `priors`: float (C, h, w), the share of scenes in which the cell's pixels have the class.
    `aspect`: height over width of the frame. The title gives the map's largest value.
    """
    rows = -(-len(priors) // columns)
    cell = TEXT_WIDTH / columns
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, layout="compressed",
        figsize=(TEXT_WIDTH, rows * (cell * aspect + 0.19)),
    )
    for axis in axes.flat[len(priors) :]:
        axis.set_visible(False)
    for axis, prior, name in zip(axes.flat, priors, class_set.names, strict=False):
        peak = percent(prior.max())
        axis.imshow(prior, cmap="magma", vmin=0, vmax=max(prior.max(), 1e-9),
                    interpolation="bilinear", extent=(0, 1, 0, aspect))
        axis.set_title(f"{name}: {_plain(peak)} %" if peak > 0 else f"{name}: absent", pad=2,
                       fontsize=7.5)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    return figure


@styled
def instance_sizes(instances: pd.DataFrame, class_set: Any) -> Figure:
    """Distribution of the areas of single objects, one row per class, on a logarithmic axis.

    `instances`: one row per object with `class` (name) and `pixels` (area). Boxes hold the middle
    half, whiskers the range from the 5th to the 95th percentile; the count stands at the right.
    """
    names = [name for name in class_set.names if (instances["class"] == name).any()]
    areas = [instances.loc[instances["class"] == name, "pixels"].to_numpy() for name in names]
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, 0.55 + 0.22 * len(names)), layout="constrained"
    )
    for place, (name, values) in enumerate(zip(names, areas, strict=True)):
        low, left, middle, right, high = np.percentile(values, (5, 25, 50, 75, 95))
        color = class_set.colors[class_set.names.index(name)] / 255.0
        axis.plot([low, high], [place, place], "-|", color="#333333", linewidth=0.8, markersize=5,
                  zorder=0.5)
        axis.barh(place, right - left, 0.62, left=left, color=color, edgecolor="#333333",
                  linewidth=0.5)
        # A dark box has a light median, and the other way round.
        contrast = "white" if color @ (0.30, 0.59, 0.11) < 0.35 else "black"
        axis.vlines(middle, place - 0.31, place + 0.31, color=contrast, linewidth=1.3)
        axis.text(1.01, place, f"{len(values):,} objects", fontsize=7, va="center",
                  transform=axis.get_yaxis_transform())
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set(xlabel="area of an object (pixels)", ylim=(len(names) - 0.4, -0.6))
    axis.set_yticks(range(len(names)), names)
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    return figure


@styled
def fine_coarse(agreement: pd.DataFrame, class_set: Any) -> Figure:
    """Per class, how much of the fine mask coarse annotation covers and how right it is there.

    `agreement`: `explore.fine_coarse_agreement` (columns `class`, `recall`, `precision`: shares).
    """
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, 0.65 + 0.165 * len(agreement)), layout="constrained"
    )
    places = np.arange(len(agreement))
    recall, precision = percent(agreement["recall"]), percent(agreement["precision"])
    axis.hlines(places, recall, precision, color="#BBBBBB", linewidth=1)
    axis.plot(recall, places, MARKERS[0], color=COLORS[0], markersize=4.5,
              label="recall: fine pixels that coarse labels the same")
    axis.plot(precision, places, MARKERS[1], color=COLORS[1], markersize=4.2,
              label="precision: coarse pixels that fine labels the same")
    axis.set_yticks(places, agreement["class"])
    axis.set(xlim=(-1, 101), ylim=(len(agreement) - 0.4, -0.6), xlabel="share of pixels (%)")
    axis.tick_params(axis="y", length=0)
    axis.grid(axis="x")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@styled
def survival(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """What is left of thin classes when masks are resized, one line per class.

    `table`: `explore.survival` (columns `width`, `class`, `pixels`, `objects`, `best_iou`).
    """
    figure, axes = plt.subplots(1, 3, figsize=(TEXT_WIDTH, 2.3), sharey=True, layout="constrained")
    panels = {"pixels": "pixels still right (%)", "objects": "objects not lost (%)",
              "best_iou": "best possible IoU (%)"}
    widths = sorted(table["width"].unique())
    for axis, (column, title) in zip(axes, panels.items(), strict=True):
        for i, name in enumerate(classes):
            rows = table[table["class"] == name].sort_values("width")
            axis.plot(rows["width"], percent(rows[column]), color=COLORS[i % len(COLORS)],
                      linestyle=LINES[i % len(LINES)], marker=MARKERS[i % len(MARKERS)],
                      label=name)
        axis.set_xscale("log", base=2)
        axis.set_xticks(widths, [f"{width:g}" for width in widths])
        axis.xaxis.set_minor_locator(NullLocator())
        axis.set(title=title, xlabel="image width (px)", ylim=(-2, 104))
        axis.grid(axis="y")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=7,
                  handlelength=2.6)
    return figure


@styled
def split_shift(
    shares: Mapping[str, Any], distances: pd.DataFrame, class_set: Any, reference: str = "train"
) -> Figure:
    """How the splits differ: class shares relative to training, and distances of whole splits.

    `shares`: split to class shares (C,). `distances`: rows with `pair`, `classes` and `colors`
    (Jensen-Shannon distances, 0 identical to 1 disjoint). A class absent on one side has no mark.
    """
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 0.6 + 0.145 * class_set.num_classes), layout="constrained",
        width_ratios=(1.7, 1),
    )
    places = np.arange(class_set.num_classes)
    base = np.asarray(shares[reference], dtype=np.float64)
    others = [split for split in shares if split != reference]
    for i, split in enumerate(others):
        other = np.asarray(shares[split], dtype=np.float64)
        known = (base > 0) & (other > 0)
        ratio = np.divide(other, base, out=np.full(len(base), np.nan), where=known)
        left.plot(ratio, places, MARKERS[i], color=COLORS[i], markersize=4, label=split)
    left.axvline(1, color="#444444", linewidth=0.8)
    left.set_xscale("log", base=2)
    low, high = left.get_xlim()
    reach = 2.0 ** np.ceil(max(1, -np.log2(low), np.log2(high)))
    left.set_xlim(1 / reach, reach)
    left.xaxis.set_major_formatter(FuncFormatter(_ratio))
    left.set_yticks(places, class_set.names)
    left.tick_params(axis="y", length=0)
    left.set(ylim=(len(places) - 0.4, -0.6), xlabel=f"class share relative to {reference}")
    left.grid()
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "ncols": 3, "columnspacing": 1.0}
    left.legend(**above)
    rows = np.arange(len(distances))
    for i, (column, label) in enumerate((("classes", "class shares"), ("colors", "image colours"))):
        bars = right.barh(rows + (i - 0.5) * 0.36, distances[column], 0.34, color=COLORS[i],
                          label=label)
        right.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
    right.set_yticks(rows, distances["pair"])
    right.tick_params(axis="y", length=0)
    right.set(xlabel="Jensen–Shannon distance", ylim=(len(rows) - 0.4, -0.6))
    right.margins(x=0.2)
    right.legend(**above)
    return figure


def _grouped_places(class_set: Any) -> tuple[np.ndarray, dict[int, np.ndarray]]:
    """Row of each class with a small gap between categories, and the classes of each category."""
    places = np.zeros(class_set.num_classes)
    groups: dict[int, np.ndarray] = {}
    row = 0.0
    for category in sorted(set(class_set.category_ids.tolist())):
        groups[category] = np.flatnonzero(class_set.category_ids == category)
        for index in groups[category]:
            places[index] = row
            row += 1
        row += 0.45
    return places, groups


def _plain(value: float, _position: int | None = None) -> str:
    """A percentage with two significant digits and no exponent."""
    if value >= 9.95:
        return f"{value:.0f}"
    digits = max(0, 1 - int(np.floor(np.log10(value)))) if value > 0 else 0
    return f"{value:.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:.0f}"


def _ratio(value: float, _position: int) -> str:
    return f"×{value:g}" if value >= 1 else f"÷{1 / value:g}"
