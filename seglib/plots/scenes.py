"""Pictures: photographs, masks and predictions side by side, always in the label palette."""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from .style import (
    CORRECT,
    IGNORED,
    TEXT_WIDTH,
    WRONG,
    class_legend,
    colorize,
    legend_height,
    overlay,
    styled,
)


@styled
def show_scenes(
    images: Sequence[np.ndarray],
    masks: Sequence[np.ndarray],
    class_set: Any,
    names: Sequence[str] | None = None,
) -> Figure:
    """Image, mask and both overlaid, one row per scene, with the legend of the classes shown.

    `images`: uint8 (H, W, 3). `masks`: class indices uint8 (H, W), 255 is void. `names`: written
    beside the rows. All scenes have one size.
    """
    rows = [
        (image, colorize(mask, class_set), overlay(image, mask, class_set))
        for image, mask in zip(images, masks, strict=True)
    ]
    figure = _picture_grid(rows, ("image", "mask", "overlay"), names, _entries(masks))
    class_legend(figure, class_set, masks)
    return figure


@styled
def predictions(
    images: Sequence[np.ndarray],
    truths: Sequence[np.ndarray],
    predicted: Sequence[np.ndarray],
    class_set: Any,
    names: Sequence[str] | None = None,
) -> Figure:
    """Image, truth, prediction and error map, one row per scene.

    `images`: uint8 (H, W, 3). `truths`, `predicted`: class indices uint8 (H, W); truth may be
    255. The error map shows wrong pixels in red, right ones in grey and void ones in white.
    """
    rows = []
    for image, truth, guess in zip(images, truths, predicted, strict=True):
        errors = np.where((truth == guess)[..., None], CORRECT, WRONG).astype(np.uint8)
        errors[truth == IGNORED] = 255
        rows.append((image, colorize(truth, class_set), colorize(guess, class_set), errors))
    titles = ("image", "truth", "prediction", "errors")
    masks = [*truths, *predicted]
    figure = _picture_grid(rows, titles, names, _entries(masks) + 1)
    wrong = Patch(facecolor=np.array(WRONG) / 255, label="wrong pixel")
    class_legend(figure, class_set, masks, extra=[wrong])
    return figure


@styled
def fine_coarse_scenes(
    images: Sequence[np.ndarray],
    fine: Sequence[np.ndarray],
    coarse: Sequence[np.ndarray],
    class_set: Any,
    names: Sequence[str] | None = None,
) -> Figure:
    """Overlays of the fine and the coarse mask, and where they disagree, one row per scene.

    The third column shows pixels that coarse leaves unlabeled in white, agreement in grey and
    contradiction in red; what fine ignores is black. Masks as in `show_scenes`.
    """
    rows = []
    for image, exact, rough in zip(images, fine, coarse, strict=True):
        verdict = np.where((exact == rough)[..., None], CORRECT, WRONG).astype(np.uint8)
        verdict[rough == IGNORED] = 255
        verdict[exact == IGNORED] = 0
        rows.append((overlay(image, exact, class_set), overlay(image, rough, class_set), verdict))
    masks = [*fine, *coarse]
    titles = ("fine mask", "coarse mask", "agreement")
    figure = _picture_grid(rows, titles, names, _entries(masks) + 3)
    extra = [
        Patch(facecolor=np.array(CORRECT) / 255, label="same class"),
        Patch(facecolor="white", edgecolor="#666666", linewidth=0.3, label="not in coarse"),
        Patch(facecolor=np.array(WRONG) / 255, label="contradiction"),
    ]
    class_legend(figure, class_set, masks, extra=extra)
    return figure


@styled
def label_pictures(
    pictures: Sequence[np.ndarray], titles: Sequence[str], class_set: Any | None = None,
    columns: int = 3,
) -> Figure:
    """Pictures in a grid, each under its title.

    `pictures`: images uint8 (h, w, 3), or masks of class indices uint8 (h, w), which are coloured
    with `class_set` and get its legend. Sizes may differ: all are drawn equally large, so that the
    pixels of a small one show as squares.
    """
    masks = [picture for picture in pictures if picture.ndim == 2]
    painted = [colorize(p, class_set) if p.ndim == 2 else p for p in pictures]
    columns = min(columns, len(painted))
    rows = -(-len(painted) // columns)
    height, width = painted[0].shape[:2]
    cell = TEXT_WIDTH / columns
    entries = _entries(masks) if masks else 0
    figure, axes = plt.subplots(
        rows, columns, squeeze=False, layout="compressed",
        figsize=(TEXT_WIDTH, rows * (cell * height / width + 0.18) + legend_height(entries)),
    )
    for axis in axes.flat[len(painted) :]:
        axis.set_visible(False)
    for axis, picture, title in zip(axes.flat, painted, titles, strict=False):
        axis.imshow(picture, aspect=height * picture.shape[1] / (width * picture.shape[0]))
        axis.set_title(title, pad=3)
        _bare(axis)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    if masks:
        class_legend(figure, class_set, masks)
    return figure


def _entries(masks: Sequence[np.ndarray]) -> int:
    return len(set().union(*(np.unique(mask).tolist() for mask in masks)))


def _bare(axis: plt.Axes) -> None:
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def _picture_grid(
    rows: Sequence[Sequence[np.ndarray]],
    titles: Sequence[str],
    names: Sequence[str] | None,
    legend_entries: int,
) -> Figure:
    """Equal pictures in rows and columns, as tight as a printed plate."""
    height, width = rows[0][0].shape[:2]
    cell = (TEXT_WIDTH - (0.16 if names else 0)) / len(titles)
    figure, axes = plt.subplots(
        len(rows), len(titles), squeeze=False, layout="compressed",
        figsize=(TEXT_WIDTH,
                 len(rows) * (cell * height / width + 0.03) + 0.2 + legend_height(legend_entries)),
    )
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            axes[i, j].imshow(picture)
            _bare(axes[i, j])
            if i == 0:
                axes[i, j].set_title(titles[j], pad=3)
        if names:
            room = 72 * cell * height / width  # points; a letter takes about half its font size
            axes[i, 0].set_ylabel(names[i], fontsize=min(6.5, 1.8 * room / len(names[i])),
                                  labelpad=2)
    figure.get_layout_engine().set(w_pad=0.015, h_pad=0.015, wspace=0.01, hspace=0.01)
    return figure
