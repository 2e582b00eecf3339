"""What a dataset is like: its classes, objects, coarse masks, resized masks and splits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from seglib.plots import style
from seglib.plots.results import share_heatmap

from .parts import binary_axis, log_axis, ratio_axis


@style.styled
def class_frequencies(panels: Mapping[str, tuple[Mapping[str, Any], Any]]) -> Figure:
    """Share of labelled pixels per class on a logarithmic axis, commonest first.

    `panels`: dataset's title to (shares, class set), where shares maps splits to float (C,) that
    sum to 1; a class without a pixel has no mark. The first split is in the label colours.
    """
    most = max(class_set.num_classes for _, class_set in panels.values())
    figure, axes = style.axes_row(len(panels), 0.75 + 0.13 * most)
    for axis, (title, (shares, class_set)) in zip(axes, panels.items(), strict=True):
        order = np.argsort(-np.asarray(next(iter(shares.values()))), kind="stable")
        styles = iter((("o", None, 6), ("|", "black", 7), ("D", "white", 3), ("x", "black", 4)))
        for split, (marker, face, size) in zip(shares, styles, strict=False):
            look = {"marker": marker, "linestyle": "none", "markersize": size,
                    "markeredgecolor": "black", "markeredgewidth": 0.6}
            for place, index in enumerate(order):
                if (value := 100 * shares[split][index]) > 0:
                    color = class_set.colors[index] / 255 if face is None else face
                    axis.plot(value, place, color=color, **look)
            axis.plot([], [], color=face or style.PALE, label=split, **look)
        log_axis(axis, _plain)
        style.name_rows(axis, [class_set.names[index] for index in order])
        axis.set(title=title, xlabel="share of labelled pixels (%)", ylim=(most - 0.4, -0.6))
        axis.legend(loc="lower right")
    return figure


@style.styled
def cooccurrence(matrix: np.ndarray, class_set: Any) -> Figure:
    """Percent of scenes with the row's class that hold the column's; `matrix`: shares (C, C)."""
    labels = ("… also hold this class", "of the scenes with this class …", "share of scenes (%)")
    return share_heatmap(style.percentages(matrix), class_set.names, class_set.names, labels)


@style.styled
def spatial_priors(priors: np.ndarray, class_set: Any, aspect: float = 0.5) -> Figure:
    """Where in the frame each class lies: a map per class, its title the map's largest value.

    `priors`: float (C, h, w), the share of scenes in which the cell's pixels have the class.
    `aspect`: height over width of the frame.
    """
    figure, axes = style.picture_axes(len(priors), 5, aspect)
    for axis, prior, name in zip(axes, priors, class_set.names, strict=True):
        peak = style.percentages(prior.max())
        picture = axis.imshow(prior / max(prior.max(), 1e-9), "magma", vmin=0, vmax=1,
                              interpolation="bilinear", extent=(0, 1, 0, aspect))
        axis.set_title(f"{name}: {_plain(peak)} %" if peak > 0 else f"{name}: absent", pad=2,
                       fontsize=7.5)
    bar = figure.colorbar(picture, ax=axes, shrink=0.4, aspect=25, pad=0.02)
    bar.set_ticks([0, 1], labels=["0", "most"])
    bar.outline.set_visible(False)
    return figure


@style.styled
def instance_sizes(instances: pd.DataFrame, class_set: Any) -> Figure:
    """Distribution of the areas of single objects, one row per class, on a logarithmic axis.

    `instances`: one row per object with `class` (name) and `pixels` (area). Boxes hold the middle
    half, whiskers reach from the 5th to the 95th percentile.
    """
    groups = {name: rows["pixels"] for name, rows in instances.groupby("class")}
    names = [name for name in class_set.names if name in groups]
    figure, (axis,) = style.axes_row(1, 0.55 + 0.22 * len(names))
    for place, name in enumerate(names):
        color = class_set.colors[class_set.names.index(name)] / 255
        # A dark box has a light median, and the other way round.
        contrast = "white" if color @ (0.30, 0.59, 0.11) < 0.35 else "black"
        thin = {"color": style.INK, "linewidth": 0.8}
        axis.boxplot(
            groups[name], positions=[place], orientation="horizontal", widths=0.62, whis=(5, 95),
            showfliers=False, patch_artist=True, manage_ticks=False, whiskerprops=thin,
            capprops=thin, boxprops={"facecolor": color, "edgecolor": style.INK, "linewidth": 0.5},
            medianprops={"color": contrast, "linewidth": 1.3},
        )
        axis.text(1.01, place, f"{len(groups[name]):,} objects", fontsize=7, va="center",
                  transform=axis.get_yaxis_transform())
    log_axis(axis, "{x:,.0f}")
    style.name_rows(axis, names)
    axis.set_xlabel("area of an object (pixels)")
    return figure


@style.styled
def fine_coarse(agreement: pd.DataFrame) -> Figure:
    """Recall and precision of coarse masks; `agreement`: `exploration.fine_coarse_agreement`."""
    figure, (axis,) = style.axes_row(1, 0.65 + 0.165 * len(agreement))
    labels = {"recall": "recall: fine pixels that coarse labels the same",
              "precision": "precision: coarse pixels that fine labels the same"}
    places, shares = range(len(agreement)), 100 * agreement[list(labels)]
    axis.hlines(places, shares["recall"], shares["precision"], color=style.PALE, linewidth=1)
    for i, (column, label) in enumerate(labels.items()):
        axis.plot(shares[column], places, linestyle="none", label=label, **style.series(i))
    style.name_rows(axis, agreement["class"])
    axis.set(xlim=(-1, 101), xlabel="share of pixels (%)")
    figure.legend(loc="outside upper center", ncols=2)
    return figure


@style.styled
def survival(table: pd.DataFrame, classes: Sequence[str]) -> Figure:
    """What resizing leaves of thin classes, a line each; `table`: `exploration.survival`."""
    figure, axes = style.axes_row(3, 2.3, sharey=True)
    panels = {"pixels": "pixels still right (%)", "objects": "objects not lost (%)",
              "best_iou": "best possible IoU (%)"}
    for axis, (column, title) in zip(axes, panels.items(), strict=True):
        left = 100 * table.pivot(index="width", columns="class", values=column)[classes]
        for i, name in enumerate(classes):
            axis.plot(left[name], label=name, **style.series(i))
        binary_axis(axis, left.index)
        axis.tick_params(axis="x", labelsize=6.5)
        axis.set(title=title, xlabel="image width (px)", ylim=(-2, 104))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return figure


@style.styled
def split_shift(shares: Mapping[str, Any], distances: pd.DataFrame, class_set: Any) -> Figure:
    """How the splits differ: class shares relative to training, and distances of whole splits.

    `shares`: split to class shares (C,). `distances`: rows with `pair`, `classes` and `colors`
    (Jensen-Shannon distances, 0 identical to 1 disjoint). A class absent on one side has no mark.
    """
    height = 0.6 + 0.145 * class_set.num_classes
    figure, (left, right) = style.axes_row(2, height, width_ratios=(1.7, 1))
    places = np.arange(class_set.num_classes)
    ratios = pd.DataFrame(shares).div(shares["train"], axis=0).replace([0, np.inf], np.nan)
    for i, (split, values) in enumerate(ratios.drop(columns="train").items()):
        left.plot(values, places, linestyle="none", label=split, **style.series(i))
    left.axvline(1, **style.ZERO)
    left.set_xscale("log", base=2)
    ratio_axis(left, np.ceil(max(1, *np.abs(np.log2(left.get_xlim())))))
    style.name_rows(left, class_set.names)
    left.set_xlabel("class share relative to train")
    rows = np.arange(len(distances))
    for i, (column, label) in enumerate((("classes", "class shares"), ("colors", "image colours"))):
        places, color = rows + (i - 0.5) * 0.36, style.COLORS[i + 2]
        bars = right.barh(places, distances[column], 0.34, color=color, label=label)
        right.bar_label(bars, fmt="%.3f", fontsize=7, padding=2)
    style.name_rows(right, distances["pair"])
    right.grid(False)
    right.set_xlabel("Jensen–Shannon distance")
    right.margins(x=0.2)
    for axis in (left, right):
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, columnspacing=1.0)
    return figure


def _plain(value: float, _position: int | None = None) -> str:
    """A percentage with two significant digits and no exponent."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")
