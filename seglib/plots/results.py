"""What training and scoring gave: curves, scores with intervals, confusion, receptive fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from .style import (
    INK,
    PALE,
    TEXT_WIDTH,
    TRAINING,
    VALIDATION,
    axes_row,
    joint_legend,
    looks,
    name_rows,
    note,
    percentages,
    picture_axes,
    signed,
    styled,
    verdict,
    whisker,
)


@styled
def curves(records: Sequence[Any], labels: Sequence[str] | None = None) -> Figure:
    """Loss and validation mIoU per epoch of one or several runs; validation is dashed.

    `records`: run records, of which `history` is read: a table with `epoch`, `train_loss`,
    `val_loss` and `val_miou`, where the last two may be NaN. `labels`: their names in the legend;
    by default the record ids. Each run has its marker, at the end of its losses and at the epoch
    with the best validation mIoU.
    """
    labels = list(labels) if labels else [record.id for record in records]
    figure, (loss, score) = axes_row(2, 2.2)
    for record, (label, look) in zip(records, looks(labels).items(), strict=True):
        history = record.history
        validated = history.dropna(subset=["val_loss", "val_miou"])
        epochs, miou = validated["epoch"], percentages(validated["val_miou"])
        best = int(np.argmax(miou))
        loss.plot(history["epoch"], history["train_loss"], TRAINING, markevery=[-1], **look)
        loss.plot(epochs, validated["val_loss"], VALIDATION, markevery=[-1], **look)
        score.plot(epochs, miou, VALIDATION, markevery=[best],
                   label=f"{label} (best {miou[best]:.1f})", **look)
    loss.set(xlabel="epoch", ylabel="loss", ylim=(min(0, loss.get_ylim()[0]), None))
    score.set(xlabel="epoch", ylabel="validation mIoU (%)", ylim=(0, None))
    for axis in (loss, score):
        axis.grid(axis="y")
        axis.margins(x=0.02)
        axis.xaxis.get_major_locator().set_params(integer=True)
    styles = [Line2D([], [], color=INK, linestyle=line) for line in (TRAINING, VALIDATION)]
    loss.legend(styles, ["training", "validation"])
    score.legend(loc="best")
    return figure


@styled
def class_scores(panels: Mapping[str, tuple[Mapping[str, Mapping[str, Any]], Any]]) -> Figure:
    """IoU of every class for one or several runs, as marks on one line per class.

    `panels`: title to (runs, class set), where runs maps names to the scores of one split (`iou`:
    one share per class, None where the class is absent, and `miou`). A single panel has the values
    written beside it. Classes stand in the order of the mean over the runs, best first.
    """
    most = max(class_set.num_classes for _, class_set in panels.values())
    figure, axes = axes_row(len(panels), 0.85 + 0.135 * most)
    run_looks = looks(name for runs, _ in panels.values() for name in runs)
    for axis, (title, (runs, class_set)) in zip(axes, panels.items(), strict=True):
        shares = percentages([[*scores["iou"], scores["miou"]] for scores in runs.values()])
        order = np.argsort(-np.nan_to_num(shares[:, :-1]).mean(axis=0), kind="stable")
        shares = shares[:, [*order, -1]]
        names = [*(class_set.names[index] for index in order), "mean"]
        places = np.arange(len(names))
        axis.hlines(places, np.nanmin(shares, axis=0), np.nanmax(shares, axis=0), color=PALE)
        for number, (name, values) in enumerate(zip(runs, shares, strict=True)):
            axis.plot(values, places, label=name, **run_looks[name] | {"linestyle": "none"})
            for place, value in enumerate(values if len(panels) == 1 else ()):
                text = "absent" if np.isnan(value) else f"{value:.1f}"
                axis.text(1.02 + 0.07 * number, place, text, fontsize=7, va="center",
                          color=run_looks[name]["color"], transform=axis.get_yaxis_transform())
        name_rows(axis, names, class_set.colors[order])
        axis.set(title=title, xlabel="IoU (%)", xlim=(-2, 102), ylim=(most + 0.6, -0.6))
    joint_legend(figure, "outside lower center")
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
    figure, (left, right) = axes_row(2, 0.75 + 0.3 * len(runs), sharey=True)
    run_looks = looks(label for label, _, _ in runs)
    right.axvline(0, color="#444444", linewidth=0.8)
    for place, (label, score, interval) in enumerate(runs):
        values = percentages((score, *interval))
        whisker(left, place, values, **run_looks[label])
        note(left, f"{values[0]:.1f}", (values[0], place), (0, 8), fontsize=7.5)
        if label in differences:
            values = percentages(differences[label])
            color = verdict(*values[1:])
            whisker(right, place, values, color=color)
            note(right, signed(values[0]), (values[0], place), (0, 8), fontsize=7.5, color=color)
    name_rows(left, [label for label, _, _ in runs])
    left.set(xlabel="mIoU (%)", ylim=(len(runs) - 0.5, -0.75))
    right.set(xlabel=f"difference from “{runs[0][0]}” (points)")
    note(right, "reference", (0, 0), (0, 0), fontsize=7.5, color="#444444")
    right.tick_params(axis="y", length=0)
    right.grid(axis="x")
    for axis in (left, right):
        axis.margins(x=0.14)
    return figure


@styled
def class_differences(
    differences: Sequence[tuple[float, float, float]], class_set: Any, label: str
) -> Figure:
    """Difference in IoU of every class between two runs, with intervals.

    `differences`: (difference, low, high) per class, shares of 1; NaN where a class is absent.
    `label`: of the axis, naming the two runs. Grey where the interval holds zero.
    """
    figure, (axis,) = axes_row(1, 0.5 + 0.155 * class_set.num_classes)
    for place, values in enumerate(percentages(differences)):
        if np.isnan(values[0]):
            note(axis, "absent", (0, place), (3, 0), ha="left")
        else:
            whisker(axis, place, values, color=verdict(*values[1:]))
    axis.axvline(0, color="#444444", linewidth=0.8)
    name_rows(axis, class_set.names, class_set.colors)
    axis.set_xlabel(label)
    return figure


@styled
def confusion_heatmap(confusion: Any, class_set: Any) -> Figure:
    """Where the pixels of each true class went, in percent of that class (rows sum to 100).

    `confusion`: pixel counts (C, C), rows are truth. Shares below 0.5 % are left blank; rows of
    classes without a pixel too.
    """
    confusion = np.asarray(confusion, dtype=np.float64)
    shares = percentages(confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1))
    labels = ("predicted class", "true class", "share of the true class's pixels (%)")
    return share_heatmap(shares, class_set.names, class_set.names, labels)


@styled
def share_heatmap(
    shares: np.ndarray, rows: Sequence[str], columns: Sequence[str], labels: tuple[str, str, str]
) -> Figure:
    """A table of percentages as colours with the numbers written in; NaN is grey.

    `labels`: of the columns, the rows and the colour bar.
    """
    cell = min(0.3, (TEXT_WIDTH - 1.7) / len(columns))
    figure, axis = plt.subplots(figsize=(TEXT_WIDTH, cell * len(rows) + 0.95), layout="compressed")
    colormap = plt.get_cmap("Blues").with_extremes(bad="#E4E4E4")
    picture = axis.imshow(np.ma.masked_invalid(shares), cmap=colormap, vmin=0, vmax=100)
    size = 5.6 if len(columns) > 12 else 7
    for (i, j), value in np.ndenumerate(shares):
        if value >= 0.5:
            color = "white" if value > 55 else "#222222"
            axis.text(j, i, f"{value:.0f}", ha="center", va="center", fontsize=size, color=color)
    axis.set_xticks(range(len(columns)), columns, rotation=55, ha="right", rotation_mode="anchor")
    axis.set_yticks(range(len(rows)), rows)
    axis.tick_params(length=0)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    axis.spines[:].set_visible(False)
    bar = figure.colorbar(picture, ax=axis, shrink=0.6, aspect=25, pad=0.02)
    bar.set_label(labels[2])
    bar.outline.set_visible(False)
    return figure


@styled
def receptive_fields(fields: Sequence[tuple[str, np.ndarray, int | None]]) -> Figure:
    """How far the centre pixel's logits look: gradient strength and the theoretical square.

    `fields`: label, strength (H, W) with maximum 1 (`inspection.effective_receptive_field`) and
    the side of the theoretical receptive field in pixels (None: everything).
    """
    height, width = fields[0][1].shape
    figure, axes = picture_axes(len(fields), 3, height / width, head=0.2, extra=0.1)
    for axis, (label, strength, side) in zip(axes, fields, strict=True):
        picture = axis.imshow(np.log10(np.maximum(strength, 1e-12)), "inferno", vmin=-4, vmax=0)
        if side is not None:
            corner = [_start(strength.max(axis=i) > 0, side) - 0.5 for i in (0, 1)]
            box = Rectangle(corner, side, side, fill=False, edgecolor="#33CCEE", linewidth=1)
            axis.add_patch(box)
        axis.set(title=label, xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    bar = figure.colorbar(picture, ax=axes, shrink=0.85, aspect=25, pad=0.02)
    bar.set_ticks([-4, -2, 0], labels=["≤ 0.0001", "0.01", "1"])
    bar.set_label("relative gradient")
    bar.outline.set_visible(False)
    return figure


def _start(reached: np.ndarray, side: int) -> int:
    """Where a field of `side` pixels begins: around what is reached, else around the centre.

    It isn't centred on its pixel: a network with strides sees all pixels of a cell alike.
    """
    first, *_, last = np.flatnonzero(reached).repeat(2)
    if first == 0 and last == len(reached) - 1:  # larger than the map
        return len(reached) // 2 - side // 2
    return last + 1 - side if first == 0 else first
