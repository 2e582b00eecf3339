"""Attention: windows on a scene, the shift and its mask, where heads look, need of data."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from seglib.evaluation.intervals import bootstrap_interval
from seglib.plots import style
from seglib.plots.style import TEXT_WIDTH, axes_row, looks, picture_axes, styled

from ..attention import window_ids
from .parts import log_axis

QUERY_COLOR = "#33CCEE"
PASTELS = ("#BBCCEE", "#CCEEFF", "#CCDDAA", "#EEEEBB", "#FFCCCC", "#DDDDDD", "#EECCDD", "#DDEEDD",
           "#FFE0C0")


@styled
def token_windows(
    image: np.ndarray, grids: Sequence[tuple[str, np.ndarray]], query: tuple[float, float]
) -> Figure:
    """What the token at one point can look at: the tokens and windows of several grids on a scene.

    `image`: uint8 (H, W, 3). `grids`: a title and the number of each token's window, int (h, w), as
    if they covered the image evenly. `query`: (row, column) in pixels; its window is bright.
    """
    height, width = image.shape[:2]
    figure, axes = picture_axes(len(grids), 2, height / width)
    for axis, (title, ids) in zip(axes, grids, strict=True):
        row, column = (int(query[i] / (image.shape[i] / ids.shape[i])) for i in (0, 1))
        inside = ids == ids[row, column]
        dimmed = np.where(_enlarged(inside, (height, width))[..., None], image, 0.55 * image)
        dimmed = dimmed.round().astype(np.uint8)
        side = _token_picture(axis, dimmed, title, ids.shape, (row, column))
        for place in np.argwhere(inside):
            _frame(axis, place, side, "white", linewidth=0.25, alpha=0.7)
        _window_lines(axis, ids, side, "white", 0.8)
    return figure


@styled
def shift_steps(
    maps: Sequence[tuple[str, np.ndarray]], masks: Sequence[np.ndarray],
    window: tuple[int, int],
) -> Figure:
    """The windows of a small map before, during and after the cyclic shift, and the masks.

    `maps`: a title and the number of each token's piece, int (H, W) from 0; lines are drawn around
    equal numbers, in the last map around the windows of the attention, of `window` (H, W) tokens.
    `masks`: bool (L, L) of each window after the shift; true pairs are light.
    """
    figure = plt.figure(figsize=(TEXT_WIDTH, 3.75), layout="constrained")
    upper, lower = figure.subfigures(2, 1, height_ratios=(1.45, 1))
    for number, axis in enumerate(upper.subplots(1, len(maps)), 1):
        title, ids = maps[number - 1]
        height, width = ids.shape
        axis.imshow(ids % len(PASTELS), cmap=ListedColormap(PASTELS), vmin=-0.5,
                    vmax=len(PASTELS) - 0.5, extent=(0, width, height, 0))
        for (row, column), piece in np.ndenumerate(ids):
            axis.text(column + 0.5, row + 0.54, str(piece + 1), ha="center", va="center",
                      fontsize=6.5, color="#333333")
        _window_lines(axis, ids, (1, 1), "#888888", 0.7, "--")
        whole = window_ids(ids.shape, window).numpy() if number == len(maps) else ids
        _window_lines(axis, whole, (1, 1), "black", 1.4)
        axis.add_patch(Rectangle((0, 0), width, height, fill=False, clip_on=False, linewidth=1.4))
        axis.set_title(title, pad=4)
        axis.set_axis_off()
    axes = lower.subplots(1, len(masks))
    for number, (axis, mask) in enumerate(zip(axes, masks, strict=True), 1):
        axis.imshow(mask, cmap=ListedColormap(("#444444", "#F4F4F4")), vmin=0, vmax=1)
        axis.set_title(f"mask of window {number}", pad=3, fontsize=8)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(True)
    axes[0].set_ylabel("token that looks", fontsize=7.5)
    axes[0].set_xlabel("looked at", fontsize=7.5)
    return figure


@styled
def attention_maps(
    image: np.ndarray, maps: Sequence[tuple[str, np.ndarray, tuple[int, int]]]
) -> Figure:
    """Where single tokens look, laid over the scene in grey, each on a scale of its own.

    `image`: uint8 (H, W, 3). `maps`: title, weights float (h, w) over the grid of tokens, NaN where
    the token can't look, and its (row, column), marked in blue.
    """
    height, width = image.shape[:2]
    figure, axes = picture_axes(len(maps), 3, height / width)
    colormap = plt.get_cmap("inferno")
    grey = image.mean(axis=-1, keepdims=True) / 255
    for axis, (title, weights, query) in zip(axes, maps, strict=True):
        strength = _enlarged(weights / np.nanmax(weights), (height, width))
        under = np.where(np.isnan(strength)[..., None], 0.45 * grey, 0.2 + 0.6 * grey)
        strength = np.nan_to_num(strength)
        glow = strength[..., None] ** 0.5
        picture = (1 - glow) * under + glow * colormap(0.15 + 0.85 * strength)[..., :3]
        _token_picture(axis, picture, title, weights.shape, query)
    return figure


@styled
def attention_distances(
    networks: Sequence[tuple[str, Sequence[np.ndarray], Sequence[float]]],
) -> Figure:
    """How far each head looks, block by block.

    `networks`: a title; the mean distances of each block's heads in pixels (heads,); and for every
    block, as a grey bar, the distance of a head that looks everywhere it can alike.
    """
    widths = [len(heads) for _, heads, _ in networks]
    figure, axes = axes_row(len(networks), 2.3, sharey=True, width_ratios=widths)
    for axis, (title, heads, even) in zip(axes, networks, strict=True):
        blocks = np.arange(1, len(heads) + 1)
        dot = {"linestyle": "none", "markersize": 2.6, **looks([title])[title]}
        axis.hlines(even, blocks - 0.36, blocks + 0.36, color="#999999", linewidth=2,
                    label="looking everywhere alike")
        for block, values in zip(blocks, heads, strict=True):
            spread = np.linspace(-0.25, 0.25, len(values)) if len(values) > 1 else [0]
            axis.plot(block + np.asarray(spread), np.sort(values), **dot,
                      label="one head" if block == 1 else None)
        axis.set_xticks(blocks)
        axis.set(title=title, xlabel="block", xlim=(0.4, len(heads) + 0.6))
    axes[0].set(ylabel="mean distance (pixels)", ylim=(0, None))
    axes[0].legend(loc="lower left")
    return figure


@styled
def data_size(
    curves: Mapping[str, Mapping[int, Sequence]], ends: Mapping[str, Mapping[int, Any]]
) -> Figure:
    """Test scores and final losses of networks by the number of scenes they were trained on.

    Both map a network's name to, by number of scenes, `curves` the scores of all its seeds, `ends`
    the last row of one's history. Drawn are seeds (dashes), their mean, and its interval.
    """
    figure, (score, loss) = axes_row(2, 1.95)
    for number, (name, look) in enumerate(looks(curves).items()):
        sizes = np.array(list(curves[name]))
        places = sizes * 1.07 ** (number - 1)  # beside each other
        mious = [style.percentages([run["miou"] for run in runs]) for runs in curves[name].values()]
        score.plot(places, [values.mean() for values in mious], label=name, **look)
        for place, values, runs in zip(places, mious, curves[name].values(), strict=True):
            limits = style.percentages(bootstrap_interval(runs))
            score.plot([place, place], limits, color=look["color"])
            score.plot([place] * len(values), values, "_", color=style.INK, markersize=7, zorder=3)
        for part, line in (("train_loss", style.TRAINING), ("val_loss", style.VALIDATION)):
            loss.plot(sizes, [row[part] for row in ends[name].values()], line, **look)
    for axis, label in ((score, "test mIoU (%)"), (loss, "loss (dashed: validation)")):
        log_axis(axis, lambda value, _: f"{value:,.0f}")
        axis.set(xlabel="training scenes", ylabel=label, ylim=(0, None), xticks=sizes)
    score.legend()
    return figure


def _token_picture(axis, picture, title, grid, query) -> tuple[float, float]:
    """A picture over which a grid of tokens lies, the token `query` framed; a token's size."""
    height, width = picture.shape[:2]
    side = (height / grid[0], width / grid[1])
    axis.imshow(picture, extent=(0, width, height, 0))
    _frame(axis, query, side, QUERY_COLOR, linewidth=1.2, zorder=3)
    axis.set(xlim=(0, width), ylim=(height, 0))
    axis.set_title(title, pad=3)
    return side


def _enlarged(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Values (h, w) of a grid of tokens at each pixel (H, W) of the image that it covers."""
    rows, columns = (np.arange(size[i]) * values.shape[i] // size[i] for i in (0, 1))
    return values[rows][:, columns]


def _window_lines(axis, ids, side, color, linewidth, linestyle="-") -> None:
    """Lines where neighbouring tokens belong to different windows."""
    look = {"colors": color, "linewidth": linewidth, "linestyles": linestyle}
    rows, columns = np.nonzero(ids[1:] != ids[:-1])
    axis.hlines((rows + 1) * side[0], columns * side[1], (columns + 1) * side[1], **look)
    rows, columns = np.nonzero(ids[:, 1:] != ids[:, :-1])
    axis.vlines((columns + 1) * side[1], rows * side[0], (rows + 1) * side[0], **look)


def _frame(axis, place, side, color, **look) -> None:
    """A frame around the token at (row, column)."""
    corner = (place[1] * side[1], place[0] * side[0])
    axis.add_patch(Rectangle(corner, side[1], side[0], fill=False, edgecolor=color, **look))
