"""What training and scoring gave: curves, per-class scores, confusion and receptive fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .style import COLORS, LINES, MARKERS, TEXT_WIDTH, percent, styled


@styled
def curves(records: Sequence[Any], labels: Sequence[str] | None = None) -> Figure:
    """Loss and validation mIoU per epoch of one or several runs.

    `records`: run records, of which `history` is read: a table with `epoch`, `train_loss`,
    `val_loss` and `val_miou`, where the last two may be NaN. `labels`: their names in the legend;
    by default the record ids. Each run has its marker, at the end of its losses and at the epoch
    with the best validation mIoU.
    """
    labels = list(labels) if labels else [record.id for record in records]
    figure, (loss, score) = plt.subplots(
        1, 2, figsize=(TEXT_WIDTH, 2.35), layout="constrained"
    )
    for i, (record, label) in enumerate(zip(records, labels, strict=True)):
        history, color = record.history, COLORS[i % len(COLORS)]
        validated = history.dropna(subset=["val_loss", "val_miou"])
        look = {"color": color, "marker": MARKERS[i % len(MARKERS)]}
        loss.plot(history["epoch"], history["train_loss"], markevery=[-1], **look)
        loss.plot(validated["epoch"], validated["val_loss"], "--", markevery=[-1], **look)
        miou = percent(validated["val_miou"])
        best = int(np.argmax(miou))
        score.plot(validated["epoch"], miou, markevery=[best], linestyle=LINES[i % len(LINES)],
                   label=f"{label} (best {miou[best]:.1f})", **look)
    loss.set(xlabel="epoch", ylabel="loss", ylim=(min(0, loss.get_ylim()[0]), None))
    score.set(xlabel="epoch", ylabel="validation mIoU (%)")
    for axis in (loss, score):
        axis.grid(axis="y")
        axis.margins(x=0.02)
        axis.xaxis.get_major_locator().set_params(integer=True)
    styles = [Line2D([], [], color="#444444", linestyle=line) for line in ("-", "--")]
    loss.legend(styles, ["training", "validation"])
    score.set_ylim(0, None)
    score.legend(loc="best")
    return figure


@styled
def class_iou_bars(results: Sequence[tuple[str, Mapping[str, Any]]], class_set: Any) -> Figure:
    """IoU of every class for one or several runs, with the mean as a dashed line.

    `results`: pairs of a label and the scores of one split (a mapping with `iou`: one share per
    class, None where the class is absent from truth and prediction, and `miou`).
    """
    count, runs = class_set.num_classes, len(results)
    thickness = 0.8 / runs
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, 0.55 + count * (0.105 + 0.07 * runs)), layout="constrained"
    )
    places = np.arange(count)
    for i, (label, scores) in enumerate(results):
        values = percent(scores["iou"])
        offsets = places + (i - (runs - 1) / 2) * thickness
        color = COLORS[i % len(COLORS)]
        mean = percent(scores["miou"]).item()
        axis.barh(offsets, np.nan_to_num(values), 0.9 * thickness, color=color,
                  label=f"{label} (mean {mean:.1f})")
        axis.axvline(mean, color=color, linestyle="--", linewidth=0.8, zorder=0)
        for place, value in zip(offsets, values, strict=True):
            text = "absent" if np.isnan(value) else f"{value:.1f}"
            axis.text(0 if np.isnan(value) else value, place, f" {text}", va="center",
                      fontsize=min(7, 44 * thickness), color="#333333")
    axis.set(xlim=(0, 106), xlabel="IoU (%)", ylim=(count - 0.4, -0.6))
    axis.set_yticks(places, class_set.names)
    axis.tick_params(axis="y", length=0, pad=11)
    _class_chips(axis, class_set)
    axis.grid(axis="x")
    figure.legend(loc="outside upper center", ncols=min(runs, 4))
    return figure


@styled
def confusion_heatmap(confusion: Any, class_set: Any) -> Figure:
    """Where the pixels of each true class went, in percent of that class (rows sum to 100).

    `confusion`: pixel counts (C, C), rows are truth. Shares below 0.5 % are left blank; rows of
    classes without a pixel too.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    total = confusion.sum(axis=1, keepdims=True)
    share = percent(np.divide(confusion, total, out=np.zeros_like(confusion), where=total > 0))
    figure = share_heatmap(share, class_set.names, class_set.names, "predicted class",
                           "true class", "share of the true class's pixels (%)")
    return figure


def share_heatmap(
    share: np.ndarray, rows: Sequence[str], columns: Sequence[str], column_label: str,
    row_label: str, bar_label: str,
) -> Figure:
    """A table of percentages as colours with the numbers written in; NaN is grey."""
    cell = min(0.3, (TEXT_WIDTH - 1.7) / len(columns))
    figure, axis = plt.subplots(
        figsize=(TEXT_WIDTH, cell * len(rows) + 0.95), layout="compressed"
    )
    colormap = plt.get_cmap("Blues").with_extremes(bad="#E4E4E4")
    picture = axis.imshow(np.ma.masked_invalid(share), cmap=colormap, vmin=0, vmax=100)
    size = 5.6 if len(columns) > 12 else 7
    for (i, j), value in np.ndenumerate(share):
        if np.isfinite(value) and value >= 0.5:
            color = "white" if value > 55 else "#222222"
            axis.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=size, color=color)
    axis.set_xticks(range(len(columns)), columns, rotation=55, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0)
    axis.set(xlabel=column_label, ylabel=row_label)
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axis, shrink=0.6, aspect=25, pad=0.02)
    bar.set_label(bar_label)
    bar.outline.set_visible(False)
    return figure


@styled
def receptive_fields(
    fields: Sequence[tuple[str, np.ndarray, int | None]], image: np.ndarray | None = None
) -> Figure:
    """How far the centre pixel's logits look: gradient strength and the theoretical square.

    `fields`: label, strength (H, W) with maximum 1 (`inspection.effective_receptive_field`) and
    the side of the theoretical receptive field in pixels (None: everything). `image`: uint8
    (H, W, 3) shown in grey underneath.
    """
    height, width = fields[0][1].shape
    columns = min(3, len(fields))
    rows = -(-len(fields) // columns)
    cell = (TEXT_WIDTH - 0.6) / columns
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, layout="compressed",
        figsize=(TEXT_WIDTH, rows * (cell * height / width + 0.22) + 0.05),
    )
    colormap = plt.get_cmap("inferno")
    for axis in axes.flat[len(fields) :]:
        axis.set_visible(False)
    for axis, (label, strength, side) in zip(axes.flat, fields, strict=False):
        decades = np.clip(np.log10(np.maximum(strength, 1e-12)), -4, 0)
        colors = colormap((decades + 4) / 4)[..., :3]
        if image is not None:
            grey = image.mean(axis=-1, keepdims=True) / 255
            weight = ((decades + 4) / 4)[..., None] ** 0.5
            colors = (1 - weight) * (0.25 + 0.6 * grey) + weight * colors
        axis.imshow(colors)
        if side is not None:
            corner = (width // 2 - side / 2, height // 2 - side / 2)
            axis.add_patch(Rectangle(corner, side, side, fill=False, edgecolor="#33CCEE",
                                     linewidth=1))
        axis.set(title=label, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
        axis.set_xticks([])
        axis.set_yticks([])
    scale = plt.cm.ScalarMappable(plt.Normalize(-4, 0), colormap)
    bar = figure.colorbar(scale, ax=axes, shrink=0.85, aspect=25, pad=0.02)
    bar.set_ticks([-4, -2, 0], labels=["≤ 0.0001", "0.01", "1"])
    bar.set_label("relative gradient")
    bar.outline.set_visible(False)
    return figure


def _class_chips(axis: plt.Axes, class_set: Any) -> None:
    """A square in the label's colour between each class name and the axis."""
    for place, color in enumerate(class_set.colors):
        axis.plot(-0.014, place, "s", color=color / 255.0, markersize=5, clip_on=False,
                  markeredgecolor="#666666", markeredgewidth=0.3,
                  transform=axis.get_yaxis_transform())
