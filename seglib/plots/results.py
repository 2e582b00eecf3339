"""What training and scoring gave: curves, scores with intervals, errors by place, fields."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from . import style

Interval = tuple[float, float, float]  # middle, low, high


@style.styled
def curves(records: Sequence[Any], labels: Sequence[str]) -> Figure:
    """Loss and validation mIoU per epoch of one or several runs; validation is dashed.

    Of `records`, `history` is read: `epoch`, `train_loss`, and `val_loss` and `val_miou`, which may
    be NaN. `labels`: their names. A marker stands at the end of each run's losses and at its best
    validation mIoU.
    """
    figure, (loss, score) = style.axes_row(2, 2.2)
    for record, (label, look) in zip(records, style.looks(labels).items(), strict=True):
        history = record.history
        validated = history.dropna(subset=["val_loss", "val_miou"])
        epochs, miou = validated["epoch"], style.percentages(validated["val_miou"])
        best = int(np.argmax(miou))
        loss.plot(history["epoch"], history["train_loss"], style.TRAINING, markevery=[-1], **look)
        loss.plot(epochs, validated["val_loss"], style.VALIDATION, markevery=[-1], **look)
        score.plot(epochs, miou, style.VALIDATION, markevery=[best],
                   label=f"{label} (best {miou[best]:.1f})", **look)
    loss.set(xlabel="epoch", ylabel="loss", ylim=(min(0, loss.get_ylim()[0]), None))
    score.set(xlabel="epoch", ylabel="validation mIoU (%)", ylim=(0, None))
    for axis in (loss, score):
        axis.margins(x=0.02)
        axis.xaxis.get_major_locator().set_params(integer=True)
    lines = [Line2D([], [], color=style.INK, linestyle=line, label=name)
             for name, line in (("training", style.TRAINING), ("validation", style.VALIDATION))]
    loss.legend(handles=lines)
    score.legend(loc="best")
    return figure


@style.styled
def class_scores(panels: Mapping[str, tuple[Mapping[str, Mapping[str, Any]], Any]]) -> Figure:
    """IoU of every class for one or several runs, the class with the best mean first.

    `panels`: title to (runs, class set), where runs maps names to the scores of one split. A single
    panel has the values written beside it.
    """
    most = max(class_set.num_classes for _, class_set in panels.values())
    figure, axes = style.axes_row(len(panels), 0.85 + 0.135 * most)
    run_looks = style.looks(name for runs, _ in panels.values() for name in runs)
    for axis, (title, (runs, class_set)) in zip(axes, panels.items(), strict=True):
        scores = {name: [*found["iou"], found["miou"]] for name, found in runs.items()}
        shares = 100 * pd.DataFrame(scores, dtype=float)
        order = shares[:-1].fillna(0).mean(axis=1).sort_values(ascending=False, kind="stable").index
        shares = shares.loc[[*order, len(order)]]
        names = [*(class_set.names[index] for index in order), "mean"]
        places = range(len(names))
        axis.hlines(places, shares.min(axis=1), shares.max(axis=1), color=style.PALE)
        for number, (name, values) in enumerate(shares.items()):
            axis.plot(values, places, label=name, **run_looks[name] | {"linestyle": "none"})
            words = [name, *("absent" if np.isnan(each) else f"{each:.1f}" for each in values)]
            for place, word in enumerate(words if len(panels) == 1 else (), -1):
                axis.text(1.05 + 0.075 * number, place, word, fontsize=7, ha="center", va="center",
                          transform=axis.get_yaxis_transform())
        style.name_rows(axis, names, class_set.colors[order])
        axis.set(title=title, xlabel="IoU (%)", xlim=(-2, 102), ylim=(most + 0.6, -0.6))
    style.joint_legend(figure, "outside lower center")
    return figure


@style.styled
def run_intervals(
    runs: Sequence[tuple[str, float, tuple[float, float]]], differences: Mapping[str, Interval]
) -> Figure:
    """Scores of several runs and their paired differences from the first, with 95 % intervals.

    `runs`: label, score and interval, shares of 1. `differences`: another run's label to its
    (difference, low, high) from the first.
    """
    figure, (left, right) = style.axes_row(2, 0.75 + 0.3 * len(runs), sharey=True)
    run_looks = style.looks(label for label, _, _ in runs)
    right.axvline(0, **style.ZERO)
    for place, (label, score, interval) in enumerate(runs):
        style.whisker(left, place, (score, *interval), **run_looks[label])
        style.note(left, f"{100 * score:.1f}", (100 * score, place), (0, 8), fontsize=7.5)
        if label in differences:
            points, *limits = style.percentages(differences[label])
            style.whisker(right, place, differences[label])
            style.note(right, style.signed(points), (points, place), (0, 8), fontsize=7.5,
                       color=style.verdict(*limits))
    for axis in (left, right):
        style.name_rows(axis, [label for label, _, _ in runs])
        axis.margins(x=0.14)
    left.set(xlabel="mIoU (%)", ylim=(len(runs) - 0.5, -0.75))
    right.set(xlabel=f"difference from “{runs[0][0]}” (points)")
    style.note(right, "reference", (0, 0), (0, 0), fontsize=7.5, color=style.ZERO["color"])
    return figure


@style.styled
def class_differences(differences: Sequence[Interval], class_set: Any, label: str) -> Figure:
    """Difference in IoU of every class between two runs; grey where the interval holds zero.

    `differences`: (difference, low, high) per class, shares of 1, NaN for an absent class. `label`:
    of the axis, naming the two runs.
    """
    figure, (axis,) = style.axes_row(1, 0.5 + 0.155 * class_set.num_classes)
    for place, values in enumerate(differences):
        if np.isnan(values[0]):
            style.note(axis, "absent", (0, place), (3, 0), ha="left")
        else:
            style.whisker(axis, place, values)
    axis.axvline(0, **style.ZERO)
    style.name_rows(axis, class_set.names, class_set.colors)
    axis.set_xlabel(label)
    return figure


@style.styled
def confusion_heatmap(confusion: Any, class_set: Any) -> Figure:
    """Percent of each true class's pixels by predicted class; `confusion`: counts, true by row."""
    counts = pd.DataFrame(confusion, dtype=float)
    shares = 100 * counts.div(counts.sum(axis=1).clip(lower=1), axis=0).to_numpy()
    labels = ("predicted class", "true class", "share of the true class's pixels (%)")
    return share_heatmap(shares, class_set.names, class_set.names, labels)


@style.styled
def share_heatmap(
    shares: np.ndarray, rows: Sequence[str], columns: Sequence[str], labels: tuple[str, str, str]
) -> Figure:
    """Percentages as colours and numbers, NaN grey; `labels` of columns, rows and colour bar."""
    import seaborn  # here, since it takes long and nothing else needs it

    cell = min(0.3, (style.TEXT_WIDTH - 1.7) / len(columns))
    figure, (axis,) = style.axes_row(1, cell * len(rows) + 0.95, layout="compressed")
    words = [[f"{share:.0f}" if share >= 0.5 else "" for share in row] for row in shares]
    axis.set_facecolor("#E4E4E4")
    axis.grid(False)
    seaborn.heatmap(
        shares, vmin=0, vmax=100, cmap="Blues", annot=words, fmt="", square=True, ax=axis,
        annot_kws={"fontsize": 5.6 if len(columns) > 12 else 7},
        xticklabels=columns, yticklabels=rows,
        cbar_kws={"label": labels[2], "shrink": 0.6, "aspect": 25, "pad": 0.02},
    )
    axis.set_xticks(axis.get_xticks(), columns, rotation=55, ha="right", rotation_mode="anchor")
    axis.tick_params(length=0)
    axis.set(xlabel=labels[0], ylabel=labels[1])
    return figure


@style.styled
def error_distance(tables: Sequence[tuple[str, pd.DataFrame]]) -> Figure:
    """Errors by distance from a boundary; `tables`: label and `boundaries.errors_by_distance`."""
    figure, (rate, near) = style.axes_row(2, 2.2)
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
def grid_phases(phases: Sequence[tuple[str, np.ndarray]], truth: np.ndarray) -> Figure:
    """Boundaries' places within a grid cell; `phases` and `truth` are `boundary_phases` counts."""
    figure, (axis,) = style.axes_row(1, 2.1)
    shares = pd.DataFrame({label: 100 * counts / counts.sum() for label, counts in phases})
    colors = [look["color"] for look in style.looks(shares).values()]
    shares.plot.bar(ax=axis, color=colors, width=0.8, rot=0, legend=False)
    edges = np.arange(len(truth) + 1) - 0.5
    axis.stairs(100 * truth / truth.sum(), edges, baseline=None, color=style.UNCLEAR, linewidth=2,
                label="truth")
    axis.set_xticks(shares.index, ["on a line\nof the grid", *(f"+{i}" for i in shares.index[1:])])
    axis.tick_params(axis="x", length=0)
    axis.set(xlabel="place of the boundary within the grid cell (input pixels)",
             ylabel="share of boundaries (%)")
    style.joint_legend(figure)
    return figure


@style.styled
def receptive_fields(fields: Sequence[tuple[str, np.ndarray, int | None]]) -> Figure:
    """How far the centre pixel's logits look: gradient strength and the theoretical square.

    `fields`: label, strength (H, W) with maximum 1 (`inspection.effective_receptive_field`) and
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
