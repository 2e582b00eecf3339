"""What a dataset is like: its classes, objects, coarse masks and resized masks."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from seglib.labels import IGNORE_INDEX
from seglib.plots import style
from seglib.plots.scenes import agreement, label_pictures, plate

from .parts import log_axis


@style.styled
def show_scenes(
    images: Sequence[np.ndarray], masks: Sequence[np.ndarray], class_set: Any,
    names: Sequence[str] = (),
) -> Figure:
    """Image, mask and both overlaid, one row per scene, all of one size; `names` of the rows."""
    overlays = [class_set.overlay(*scene) for scene in zip(images, masks, strict=True)]
    rows = list(zip(images, masks, overlays, strict=True))
    return plate(rows, ("image", "mask", "overlay"), class_set, names)[0]


@style.styled
def class_frequencies(panels: Mapping[str, tuple[Mapping[str, Any], Any]]) -> Figure:
    """Share of labelled pixels per class on a logarithmic axis, commonest first.

    `panels`: dataset's title to (shares, class set), where shares maps splits to float (C,) that
    sum to 1; a class without a pixel has no mark. The first split is in the label colours.
    """
    most = max(class_set.num_classes for _, class_set in panels.values())
    figure, axes = style.axes_row(len(panels), 0.7 + 0.115 * most)
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
def spatial_priors(priors: np.ndarray, class_set: Any, aspect: float = 0.5) -> Figure:
    """Where in the frame each class lies: a map per class, its title the map's largest value.

    `priors`: float (C, h, w), the share of scenes in which the cell's pixels have the class.
    `aspect`: height over width of the frame.
    """
    figure, axes = style.picture_axes(len(priors), 4, aspect)
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
def fine_coarse_scenes(
    images: Sequence[np.ndarray], fine: Sequence[np.ndarray], coarse: Sequence[np.ndarray],
    class_set: Any,
) -> Figure:
    """Overlays of the fine and the coarse mask, and where they disagree, one row per scene.

    There, white is what coarse leaves out, grey agrees, red contradicts, black is void in fine.
    """
    pictures = []
    for image, exact, rough in zip(images, fine, coarse, strict=True):
        same = agreement(exact, rough, void=0)
        same[(rough == IGNORE_INDEX) & (exact != IGNORE_INDEX)] = 255
        pictures += [*(class_set.overlay(image, mask) for mask in (exact, rough)), same]
    figure = label_pictures(pictures, ["fine mask", "coarse mask", "agreement"] * len(images))
    marks = {"same class": style.CORRECT, "not in coarse": (255, 255, 255),
             "contradiction": style.WRONG}
    thin = {"edgecolor": "#666666", "linewidth": 0.3}
    extra = [Patch(facecolor=np.array(color) / 255, label=label, **thin)
             for label, color in marks.items()]
    style.class_legend(figure, class_set, [*fine, *coarse], extra)
    return figure


@style.styled
def fine_coarse(table: pd.DataFrame) -> Figure:
    """Recall and precision of coarse masks; `table`: `exploration.fine_coarse_agreement`."""
    figure, (axis,) = style.axes_row(1, 0.65 + 0.165 * len(table))
    labels = {"recall": "recall: fine pixels that coarse labels the same",
              "precision": "precision: coarse pixels that fine labels the same"}
    places, shares = range(len(table)), 100 * table[list(labels)]
    axis.hlines(places, shares["recall"], shares["precision"], color=style.PALE, linewidth=1)
    for i, (column, label) in enumerate(labels.items()):
        axis.plot(shares[column], places, linestyle="none", label=label, **style.series(i))
    style.name_rows(axis, table["class"])
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
        log_axis(axis, "{x:g}", 2)
        axis.set_xticks(left.index)
        axis.tick_params(axis="x", labelsize=6.5)
        axis.set(title=title, xlabel="image width (px)", ylim=(-2, 104))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside lower center", ncols=7)
    return figure


def _plain(value: float, _position: int | None = None) -> str:
    """A percentage with two significant digits and no exponent."""
    return np.format_float_positional(value, precision=2, fractional=False, trim="-")
