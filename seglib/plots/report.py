"""Figures that lay the study's networks side by side on one page of the report."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from .errors import TRUTH_COLOR
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
        figsize=(TEXT_WIDTH, 0.7 + 0.105 * count),
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
        figsize=(TEXT_WIDTH, 0.75 + 0.122 * count),
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
        1, len(panels), figsize=(TEXT_WIDTH, 1.85), layout="constrained", squeeze=False
    )
    for axis, (title, points) in zip(axes.flat, panels, strict=True):
        for i, (network, (work, score, interval)) in enumerate(points.items()):
            low, high = (100 * bound for bound in interval)
            axis.plot((work, work), (low, high), color=COLORS[i], linewidth=1)
            axis.plot(work, 100 * score, MARKERS[i], color=COLORS[i], markersize=5, label=network)
        axis.set_xlim(0, 1.15 * max(work for work, _, _ in points.values()))
        axis.margins(y=0.12)
        axis.set(title=title, xlabel="multiply-adds of one image (G)", ylabel="mIoU (%)")
        axis.grid(axis="y")
    handles, labels = axes.flat[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles))
    return figure


@styled
def half_width(figure: Figure, label: str, height: float = 2.05) -> Figure:
    """A figure with panels in a row, made half as wide as the text; `label` is of all x axes."""
    for axis in figure.axes:
        axis.set_xlabel("")
    figure.supxlabel(label, fontsize=8.5)
    figure.set_size_inches(TEXT_WIDTH / 2 - 0.05, height)
    return figure


@styled
def factor_gains(summary: pd.DataFrame, runs: pd.DataFrame, columns: int = 2) -> Figure:
    """What single changes do to a run: the mean gain of each over the seeds, with its interval.

    `summary`: `study.one_factor_summary` without the unchanged run itself; `runs`:
    `study.one_factor_table`, whose gains are the small marks. Factors stay together and fill the
    columns from the left; grey where the interval holds zero.
    """
    rows = [(factor, part) for factor, part in summary.groupby("factor", sort=False)]
    target, filled, parts = len(summary) / columns, 0, [[] for _ in range(columns)]
    for factor, part in rows:
        parts[min(columns - 1, int((filled + len(part) / 2) / target))].append((factor, part))
        filled += len(part)
    most = max(sum(len(part) for _, part in column) for column in parts)
    figure, axes = plt.subplots(
        1,
        columns,
        sharex=True,
        squeeze=False,
        figsize=(TEXT_WIDTH, 0.6 + 0.15 * most),
        layout="constrained",
    )
    for axis, column in zip(axes.flat, parts, strict=True):
        labels = []
        for factor, part in column:
            for row in part.itertuples():
                place = len(labels)
                clear = row.low > 0 or row.high < 0
                color = (COLORS[0] if row.gain > 0 else COLORS[1]) if clear else TRUTH_COLOR
                marker = "o" if not clear or row.gain > 0 else "s"
                mine = runs[(runs["factor"] == factor) & (runs["level"] == row.level)]
                gains = percent(mine["gain"])
                axis.plot((100 * row.low, 100 * row.high), (place, place), color=color)
                axis.plot(gains, [place] * len(gains), "|", color="#333333", markersize=5, zorder=3)
                axis.plot(100 * row.gain, place, marker, color=color, markersize=4.5, zorder=2)
                labels.append(f"{factor}: {row.level}")
        axis.axvline(0, color="#444444", linewidth=0.8, zorder=0)
        axis.set_yticks(range(len(labels)), labels)
        axis.tick_params(axis="y", length=0)
        axis.set_ylim(most - 0.4, -0.6)
        axis.grid(axis="x")
    figure.supxlabel("gain in val mIoU over the unchanged run (points)", fontsize=8.5)
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
