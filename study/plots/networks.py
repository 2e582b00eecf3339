"""One network, or a few beside each other: where it looks and errs, and what its parts bring."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seglib.plots import style
from seglib.plots.scenes import plate

from .parts import note, signed, verdict, whisker


@style.styled
def receptive_fields(fields: Sequence[tuple[str, np.ndarray, int | None]]) -> Figure:
    """How far the centre pixel's logits look: gradient strength and the theoretical square.

    `fields`: label, strength (H, W) with maximum 1 (`effective_receptive_field`) and
    side of the theoretical field in pixels (None: everything), drawn where it fits the map.
    """
    height, width = fields[0][1].shape
    figure, axes = style.picture_axes(len(fields), 3, height / width, head=0.2, extra=0.1)
    for axis, (label, strength, side) in zip(axes, fields, strict=True):
        picture = axis.imshow(np.log10(np.maximum(strength, 1e-12)), "inferno", vmin=-4, vmax=0)
        if side is not None and side <= min(height, width):
            # Not centred on the pixel: a network with strides sees all pixels of a cell alike.
            corner = [np.flatnonzero(strength.max(axis=i))[0] - 0.5 for i in (0, 1)]
            axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="#33CCEE"))
        axis.set(title=label, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    bar = figure.colorbar(picture, ax=axes, shrink=0.85, aspect=25, pad=0.02)
    bar.set_ticks([-4, -2, 0], labels=["≤ 0.0001", "0.01", "1"])
    bar.set_label("relative gradient")
    bar.outline.set_visible(False)
    return figure


@style.styled
def error_distance(tables: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Errors by distance from a boundary; `tables`: label and `boundaries.errors_by_distance`."""
    figure, (rate, near) = style.axes_row(2, 1.8)
    names, pixels = tables[0][1]["distance"], tables[0][1]["pixels"]
    near.plot(names, 100 * pixels.cumsum() / pixels.sum(), color=style.UNCLEAR, linewidth=2,
              zorder=0, label="all pixels")
    run_looks = style.looks(label for label, _ in tables)
    for label, table in tables:
        wrong = table["wrong"]
        rate.plot(names, 100 * wrong / table["pixels"], label=label, **run_looks[label])
        near.plot(names, 100 * wrong.cumsum() / max(wrong.sum(), 1), **run_looks[label])
    rate.set(ylabel="wrong pixels at this distance (%)", ylim=(0, None))
    near.set(ylabel="errors up to this distance (%)", ylim=(0, 103))
    for axis, corner in ((rate, "upper right"), (near, "lower right")):
        axis.set_xlabel("distance to the nearest boundary (pixels)")
        axis.legend(loc=corner)
    return figure


@style.styled
def run_intervals(
    runs: Sequence[tuple[str, float, tuple[float, float]]], differences: Mapping[str, tuple]
) -> Figure:
    """Scores of several runs and their paired differences from the first, with 95 % intervals.

    `runs`: label, score and interval, shares of 1. `differences`: another run's label to its
    `PairedDifference` from the first, grey where its corrected p-value is not below 0.05.
    """
    figure, (left, right) = style.axes_row(2, 0.55 + 0.16 * len(runs), sharey=True)
    first = runs[0][0]
    family = style.looks([first, *(f"{first}, {label}" for label, _, _ in runs[1:])]).values()
    right.axvline(0, **style.ZERO)
    for place, ((label, score, interval), look) in enumerate(zip(runs, family, strict=True)):
        whisker(left, place, (score, *interval), **look)
        beside = [(left, f"{100 * score:.1f}", look["color"])]
        if label in differences:
            points, color = 100 * differences[label][0], verdict(*differences[label][1:])
            whisker(right, place, differences[label][:3], color=color)
            beside.append((right, signed(points), color))
        for axis, text, color in beside:
            axis.text(1.01, place, text, fontsize=7.5, color=color, va="center",
                      transform=axis.get_yaxis_transform())
    for axis in (left, right):
        style.name_rows(axis, [label for label, _, _ in runs])
        axis.margins(x=0.14)
    left.set(xlabel="mIoU (%)", ylim=(len(runs) - 0.5, -0.75))
    right.set(xlabel=f"difference from “{first}” (points)")
    note(right, "reference", (0, 0), (-4, 0), fontsize=7.5, ha="right", color=style.ZERO["color"])
    return figure


@style.styled
def confusion_heatmap(confusion: Any, class_set: Any) -> Figure:
    """Percent of each true class's pixels by predicted class; `confusion`: counts, true by row."""
    import seaborn  # here, since it takes long and nothing else needs it
    counts, names = pd.DataFrame(confusion, dtype=float), class_set.names
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    cell = min(0.3, (style.TEXT_WIDTH - 1.7) / len(names))
    figure, (axis,) = style.axes_row(1, cell * len(names) + 0.95, layout="compressed")
    words = [[f"{share:.0f}" if share >= 0.5 else "" for share in row] for row in shares]
    axis.grid(False)
    seaborn.heatmap(
        shares, vmin=0, vmax=100, cmap="Blues", annot=words, fmt="", square=True, ax=axis,
        annot_kws={"fontsize": 5.6 if len(names) > 12 else 7}, xticklabels=names, yticklabels=names,
        cbar_kws={"label": "share of the true class's pixels (%)", "shrink": 0.6, "aspect": 25,
                  "pad": 0.02},
    )
    axis.set_xticks(axis.get_xticks(), names, rotation=55, ha="right", rotation_mode="anchor")
    axis.tick_params(length=0)
    axis.set(xlabel="predicted class", ylabel="true class")
    return figure


@style.styled
def closeups(
    rows: Sequence[Sequence[np.ndarray]], titles: Sequence[str], class_set: Any,
    grid: tuple[float, float] | None = None, offsets: Iterable[tuple[int, int]] = (),
    columns: int = 5,
) -> Figure:
    """Cut-outs of images and masks side by side, the lines of the network's grid over the masks.

    `rows`: an image followed by masks each, all of one size; a row goes on below after `columns`
    pictures. `grid`: (height, width) of a grid cell in pixels of the cut-outs. `offsets`: (row,
    column) of each cut-out's upper left pixel in its scene.
    """
    figure, axes = plate(rows, titles, class_set, columns=columns)
    for number, offset in enumerate(offsets if grid else ()):
        for axis in axes[number * len(titles) + 1 : (number + 1) * len(titles)]:
            for side, draw in enumerate((axis.axhline, axis.axvline)):
                start, end, step = offset[side], offset[side] + rows[0][0].shape[side], grid[side]
                for line in np.arange(int(np.ceil(start / step)) * step, end + 1e-6, step):
                    draw(line - start - 0.5, color="white", linewidth=0.35, alpha=0.8)
    return figure
