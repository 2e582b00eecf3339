"""Pictures: photographs, masks and predictions side by side, always in the label palette.

Everywhere, an image is uint8 (H, W, 3) and a mask class indices uint8 (H, W), 255 is void.
"""

from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from ..labels import IGNORE_INDEX
from .style import CORRECT, TEXT_WIDTH, WRONG, class_legend, picture_axes, styled

Pictures = Sequence[np.ndarray]


@styled
def predictions(
    images: Pictures, truths: Pictures, predicted: Pictures, class_set: Any,
    names: Sequence[str] = (),
) -> Figure:
    """Image, truth, prediction and errors (red, right is grey, void white), one row per scene."""
    errors = [agreement(*masks, void=255) for masks in zip(truths, predicted, strict=True)]
    rows = list(zip(images, truths, predicted, errors, strict=True))
    titles = ("image", "truth", "prediction", "errors")
    wrong = Patch(facecolor=np.array(WRONG) / 255, label="wrong pixel")
    return plate(rows, titles, class_set, names, extra=[wrong])[0]


@styled
def label_pictures(
    pictures: Pictures, titles: Sequence[str], class_set: Any | None = None, columns: int = 3
) -> Figure:
    """Images, and masks in the colours of `class_set`, drawn equally large under their titles."""
    return plate([pictures], titles, class_set, columns=columns)[0]


def agreement(truth: np.ndarray, other: np.ndarray, void: int) -> np.ndarray:
    """Pixels that agree in grey, others in red, the truth's void ones in the grey `void`."""
    colors = np.where((truth == other)[..., None], CORRECT, WRONG).astype(np.uint8)
    colors[truth == IGNORE_INDEX] = void
    return colors


def plate(
    rows: Sequence[Pictures], titles: Sequence[str], class_set: Any, names: Sequence[str] = (),
    columns: int = 5, extra: Sequence[Patch] = (),
) -> tuple[Figure, list[plt.Axes]]:
    """Pictures in rows, under titles of their columns or, where a row wraps, of their own.

    With a legend of the masks' classes and of what is `extra`.
    """
    height, width = rows[0][0].shape[:2]
    columns = min(columns, len(titles))
    room = {"head": 0.03, "extra": 0.2} if columns == len(titles) else {}
    figure, axes = picture_axes(len(rows) * len(titles), columns, height / width, **room)
    for number, axis in enumerate(axes):
        row, column = divmod(number, len(titles))
        picture = rows[row][column]
        aspect = height * picture.shape[1] / (width * picture.shape[0])
        axis.imshow(class_set.colorize(picture) if picture.ndim == 2 else picture, aspect=aspect)
        if row == 0 or not room:
            axis.set_title(titles[column], pad=3)
    points = 72 * TEXT_WIDTH / columns * height / width  # along a picture's side
    for axis, name in zip(axes[::columns], names, strict=False):
        # A letter takes about half its font size.
        axis.set_ylabel(name, fontsize=min(6.5, 1.8 * points / len(name)), labelpad=2)
    if masks := [picture for row in rows for picture in row if picture.ndim == 2]:
        class_legend(figure, class_set, masks, extra)
    return figure, axes
