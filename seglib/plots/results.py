"""What training and scoring gave: curves, and scores by class."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from . import style


@style.styled
def curves(records: Sequence[Any], labels: Sequence[str]) -> Figure:
    """Loss and validation mIoU per epoch of one or several runs; validation is dashed.

    Of `records`, `history` is read: `epoch`, `train_loss`, and `val_loss` and `val_miou`, which may
    be NaN. `labels`: their names. Markers: losses at the end, mIoU of the weights that are kept.
    """
    figure, (loss, score) = style.axes_row(2, 2.2)
    for record, (label, look) in zip(records, style.looks(labels).items(), strict=True):
        history = record.history
        validated = history.dropna(subset=["val_loss", "val_miou"])
        epochs, miou = validated["epoch"], style.percentages(validated["val_miou"])
        kept = np.flatnonzero(epochs == record.environment.get("best_epoch")).tolist()
        loss.plot(history["epoch"], history["train_loss"], style.TRAINING, markevery=[-1], **look)
        loss.plot(epochs, validated["val_loss"], style.VALIDATION, markevery=[-1], **look)
        score.plot(epochs, miou, style.VALIDATION, markevery=kept,
                   label=f"{label} ({miou[kept[0]]:.1f})" if kept else label, **look)
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
    figure, axes = style.axes_row(len(panels), 0.8 + 0.115 * most)
    run_looks = style.looks(name for runs, _ in panels.values() for name in runs)
    for axis, (title, (runs, class_set)) in zip(axes, panels.items(), strict=True):
        shares = style.percentages([[*found["iou"], found["miou"]] for found in runs.values()]).T
        order = np.argsort(-np.nan_to_num(shares[:-1]).mean(axis=1), kind="stable")
        shares = shares[[*order, len(order)]]  # (C + 1, runs)
        names = [*(class_set.names[index] for index in order), "mean"]
        places = range(len(names))
        lowest, highest = (each.reduce(shares, axis=1) for each in (np.fmin, np.fmax))
        axis.hlines(places, lowest, highest, color=style.PALE)
        for number, (name, values) in enumerate(zip(runs, shares.T, strict=True)):
            axis.plot(values, places, label=name, **run_looks[name] | {"linestyle": "none"})
            words = [name, *("absent" if np.isnan(each) else f"{each:.1f}" for each in values)]
            for place, word in enumerate(words if len(panels) == 1 else (), -1):
                axis.text(1.05 + 0.075 * number, place, word, fontsize=7, ha="center", va="center",
                          transform=axis.get_yaxis_transform())
        style.name_rows(axis, names, class_set.colors[order])
        axis.set(title=title, xlabel="IoU (%)", xlim=(-2, 102), ylim=(most + 0.6, -0.6))
    style.joint_legend(figure, "outside lower center")
    return figure
