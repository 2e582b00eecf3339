"""The diagram of an encoder-decoder, drawn from the model object itself."""

from typing import Any, NamedTuple

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import nn

from seglib.models.inspection import count_parameters, multiply_adds
from seglib.plots.style import axes_row, styled
from seglib.text import MODEL_NAMES

from ..layers import layer_table

LEGEND = {
    "image": ("image", "#D9D9D9"), "conv": ("convolution", "#6699CC"),
    "pool": ("max-pool", "#EECC66"), "attention": ("self-attention", "#66BB99"),
    "up": ("transposed convolution", "#EE99AA"),
    "skip": ("copied by a skip connection", "#FFFFFF"), "logits": ("logits", "#004488"),
}
KIND = {"Conv2d": "conv", "MaxPool2d": "pool", "ConvTranspose2d": "up"}
GAP, ROOM, THINNEST = 0.14, 0.36, 0.022  # between stages, for a label, of a slice


class Stage(NamedTuple):
    """Feature maps of one resolution: for each, what made it and its channels."""

    height: int
    width: int
    maps: list[tuple[str, int]]


@styled
def draw_network(model: nn.Module, size: tuple[int, int] = (160, 320)) -> Figure:
    """Draw an encoder-decoder as its feature maps from left to right.

    A slice is a feature map: as high as its resolution, as wide as its channels, coloured by the
    layer that made it (for tokens, the attention layer). Maps that came over a skip connection are
    hatched, with an arrow from the encoder. `model` takes float (1, 3, H, W); `size`: (H, W).
    """
    stages, skips = find_stages(model, size)
    scale = 2.5 / sum(channels for stage in stages for _, channels in stage.maps)
    figure, (axis,) = axes_row(1, 1.6)
    x, ends, copies = 0.0, [], {}  # where each stage ends, and where its copied maps begin
    for number, stage in enumerate(stages):
        widths = [max(THINNEST, channels * scale) for _, channels in stage.maps]
        extent, half = max(ROOM, sum(widths)), 0.5 * stage.height / size[0]
        left = x + (extent - sum(widths)) / 2
        if ends:
            _arrow(axis, ends[-1], 0, left, "#333333")
        for (kind, _), width in zip(stage.maps, widths, strict=True):
            if kind == "skip":
                copies[number] = left
            axis.add_patch(Rectangle((left, -half), width, 2 * half, **_fill(kind)))
            left += width
        channels = ", ".join(dict.fromkeys(str(count) for _, count in stage.maps))
        axis.text(x + extent / 2, -half - 0.03, f"{channels}\n{stage.height}×{stage.width}",
                  ha="center", va="top", fontsize=6.5, linespacing=1.1)
        ends.append(left)
        x += extent + GAP
    for source, target in skips:
        height = 0.36 * stages[source].height / size[0]
        _arrow(axis, ends[source], height, copies[target], "#BB5566")
    drawn = {kind for stage in stages for kind, _ in stage.maps}
    handles = [Patch(label=LEGEND[kind][0], **_fill(kind)) for kind in LEGEND if kind in drawn]
    figure.legend(handles=handles, loc="outside lower center", ncols=6, handlelength=1.2)
    axis.set(xlim=(-0.05, x - GAP + 0.05), ylim=(-0.84, 0.51))
    axis.set_axis_off()
    name = MODEL_NAMES.get(type(model).__name__.lower(), type(model).__name__)
    millions, giga = count_parameters(model) / 1e6, multiply_adds(model, size) / 1e9
    axis.set_title(f"{name}: {millions:.2f} M parameters, {giga:.2f} G multiply-adds "
                   f"at {size[0]}×{size[1]}")
    return figure


def find_stages(model: nn.Module, size: tuple[int, int]) -> tuple[list[Stage], list]:
    """The feature maps by resolution, and the skips as pairs of numbers of stages."""
    stages, skips = [Stage(*size, [("image", 3)])], []
    for row in layer_table(model, size).itertuples():
        kind = "attention" if "Attention" in row.kind else KIND.get(row.kind)
        if kind is None:
            continue
        channels, *resolution = row.shape
        if kind == "attention":  # tokens come as (L, C) or (H, W, C)
            *resolution, channels = row.shape
        if len(resolution) == 1:
            resolution = stages[-1][:2]
        extra = row.input_shape[0] - stages[-1].maps[-1][1]
        if len(stages) == 1 or tuple(resolution) != stages[-1][:2]:  # the image is on its own
            stages.append(Stage(*resolution, []))
        # Where a convolution takes more channels than the map before it has, and an earlier stage
        # of that resolution ended with just so many, a skip brought them.
        for source, stage in enumerate(stages[1:-1], 1):
            if kind == "conv" and (stage.height, stage.maps[-1][1]) == (resolution[0], extra):
                stages[-1].maps.append(("skip", extra))
                skips.append((source, len(stages) - 1))
                break
        stages[-1].maps.append((kind, channels))
    logits = stages[-1].maps.pop()
    if stages[-1].maps:
        stages.append(Stage(*stages[-1][:2], []))
    stages[-1].maps.append(("logits", logits[1]))
    return stages, skips


def _fill(kind: str) -> dict[str, Any]:
    look = {"facecolor": LEGEND[kind][1], "edgecolor": "#333333", "linewidth": 0.5}
    return look | {"edgecolor": "#888888", "hatch": "/////"} if kind == "skip" else look


def _arrow(axis: plt.Axes, start: float, y: float, end: float, color: str) -> None:
    look = {"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "linewidth": 0.8, "color": color}
    axis.annotate("", (end, y), (start, y), arrowprops=look | {"shrinkA": 0.5, "shrinkB": 0.5})
