"""Figures that lay the study's networks side by side on one page of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from .scenes import _entries, _picture_grid
from .style import (
    COLORS,
    CORRECT,
    IGNORED,
    MARKERS,
    TEXT_WIDTH,
    WRONG,
    class_legend,
    colorize,
    percent,
    styled,
)

SPLIT_MARKERS = {"train": ("|", "black"), "val": ("o", "black"), "test": ("o", "white")}


@styled
def class_shares(panels: Sequence[tuple[str, Mapping[str, Any], Any]]) -> Figure:
    """Share of the labelled pixels by class, commonest first, on one logarithmic axis each.

    `panels`: title, split to shares (C,), and the class set. Bars are the first split in the
    label colours, marks the others.
    """
    count = max(classes.num_classes for _, _, classes in panels)
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(TEXT_WIDTH, 0.75 + 0.125 * count),
        layout="constrained",
        squeeze=False,
    )
    for axis, (title, shares, classes) in zip(axes.flat, panels, strict=True):
        first, *others = shares
        values = percent(shares[first])
        order = np.argsort(-values, kind="stable")
        low = 0.01
        places = np.arange(len(order))
        axis.barh(
            places,
            np.maximum(values[order], low) - low,
            0.72,
            left=low,
            color=classes.colors[order] / 255,
            edgecolor="#555555",
            linewidth=0.4,
        )
        for split in others:
            marker, fill = SPLIT_MARKERS[split]
            axis.plot(
                np.maximum(percent(shares[split])[order], low),
                places,
                marker,
                color=fill,
                markersize=2.8,
                markeredgecolor="black",
                markeredgewidth=0.6,
                label=split,
            )
        axis.set_xscale("log")
        axis.set_xticks([0.01, 0.1, 1, 10, 100], ["0.01", "0.1", "1", "10", "100"])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set(xlim=(low, 100), ylim=(count - 0.4, -0.6), title=title)
        axis.set_xlabel("share of labelled pixels (%)")
        axis.set_yticks(places, [classes.names[i] for i in order])
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
        axis.legend(loc="lower right", handletextpad=0.1, labelspacing=0.2)
    return figure


@styled
def class_scores(panels: Sequence[tuple[str, Mapping[str, Sequence[float | None]], Any]]) -> Figure:
    """IoU of every class for several networks, as marks on one line per class.

    `panels`: title, network to IoU (C,) as shares of 1 (None: absent), and the class set. Classes
    stand in the order of the first panel's mean over its networks, best first.
    """
    count = max(classes.num_classes for _, _, classes in panels)
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(TEXT_WIDTH, 0.8 + 0.165 * count),
        layout="constrained",
        squeeze=False,
    )
    for axis, (title, results, classes) in zip(axes.flat, panels, strict=True):
        table = np.array([percent(iou) for iou in results.values()])
        order = np.argsort(-np.nan_to_num(table).mean(axis=0), kind="stable")
        places = np.arange(len(order))
        low, high = np.nanmin(table, axis=0)[order], np.nanmax(table, axis=0)[order]
        axis.hlines(places, low, high, color="#BBBBBB", linewidth=1.6, zorder=1)
        for i, (network, _) in enumerate(results.items()):
            face = COLORS[i] if i % 2 == 0 else "white"
            axis.plot(
                table[i][order],
                places,
                MARKERS[i],
                color=COLORS[i],
                markersize=4,
                markerfacecolor=face,
                markeredgewidth=0.9,
                label=network,
                zorder=2,
            )
        axis.set(xlim=(-2, 102), ylim=(count - 0.4, -0.6), title=title, xlabel="IoU (%)")
        axis.set_yticks(places, [classes.names[i] for i in order])
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    return figure


@styled
def score_against_cost(
    panels: Sequence[tuple[str, Mapping[str, tuple[float, float, tuple[float, float]]]]],
) -> Figure:
    """mIoU with its interval over the multiply-adds of one image, a point per network.

    `panels`: title, and network to (multiply-adds in G, score, interval), scores as shares of 1.
    """
    figure, axes = plt.subplots(
        1, len(panels), figsize=(TEXT_WIDTH, 2.3), layout="constrained", squeeze=False
    )
    for axis, (title, points) in zip(axes.flat, panels, strict=True):
        for i, (network, (work, score, interval)) in enumerate(points.items()):
            low, high = (100 * bound for bound in interval)
            axis.plot((work, work), (low, high), color=COLORS[i], linewidth=1)
            axis.plot(work, 100 * score, MARKERS[i], color=COLORS[i], markersize=5)
            axis.annotate(
                network,
                (work, 100 * score),
                (6, 0),
                textcoords="offset points",
                va="center",
                fontsize=7.5,
                color="#333333",
            )
        axis.set_xlim(0, 1.3 * max(work for work, _, _ in points.values()))
        axis.margins(y=0.12)
        axis.set(title=title, xlabel="multiply-adds of one image (G)", ylabel="mIoU (%)")
        axis.grid(axis="y")
    return figure


@styled
def networks_side_by_side(
    truths: Sequence[np.ndarray],
    predicted: Mapping[str, Sequence[np.ndarray]],
    class_set: Any,
    images: Sequence[np.ndarray] | None = None,
) -> Figure:
    """The same scenes as several networks see them: (image,) truth, one column per network.

    Masks are class indices uint8 (H, W), 255 is void; `images` uint8 (H, W, 3). Without images the
    last network's wrong pixels make one more column.
    """
    titles = [*(["image"] if images else []), "truth", *predicted]
    rows = []
    for i, truth in enumerate(truths):
        row = [images[i]] if images else []
        row.append(colorize(truth, class_set))
        row += [colorize(masks[i], class_set) for masks in predicted.values()]
        if not images:
            guess = list(predicted.values())[-1][i]
            errors = np.where((truth == guess)[..., None], CORRECT, WRONG).astype(np.uint8)
            errors[truth == IGNORED] = 255
            row.append(errors)
        rows.append(row)
    if not images:
        titles.append(f"wrong ({list(predicted)[-1]})")
    masks = [*truths, *(mask for masks in predicted.values() for mask in masks)]
    figure = _picture_grid(rows, titles, None, _entries(masks))
    class_legend(figure, class_set, masks)
    return figure
