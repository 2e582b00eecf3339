"""The diagram of an encoder-decoder, drawn from the model object itself."""

from dataclasses import dataclass, field

import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from torch import nn

from ..models.inspection import count_parameters, layer_table, multiply_adds
from .style import TEXT_WIDTH, styled

FILL = {"image": "#D9D9D9", "conv": "#6699CC", "pool": "#EECC66", "up": "#EE99AA",
        "attention": "#66BB99", "skip": "#FFFFFF", "logits": "#004488"}
MEANING = {"conv": "convolution", "pool": "max-pool", "attention": "self-attention",
           "up": "transposed convolution", "skip": "copied by a skip connection",
           "logits": "logits"}
KIND = {"Conv2d": "conv", "MaxPool2d": "pool", "ConvTranspose2d": "up"}


@dataclass
class _Slice:
    """One feature map: `channels` wide, made by `kind`."""

    kind: str
    channels: int
    x: float = 0.0
    width: float = 0.0


@dataclass
class _Stage:
    """Consecutive feature maps of one resolution."""

    height: int
    width: int
    slices: list[_Slice] = field(default_factory=list)
    x: float = 0.0
    extent: float = 0.0


@styled
def draw_network(
    model: nn.Module, size: tuple[int, int] = (160, 320), title: str | None = None
) -> Figure:
    """Draw an encoder-decoder as its feature maps from left to right.

    A slice is one feature map: its height is proportional to the resolution, its width to the
    channels, its colour tells which layer made it (for tokens, the attention layer). Where a
    convolution receives more channels than the layer before it gave, the rest came over a skip
    connection, which is drawn as an arrow from the last encoder map of that resolution. Numbers
    below are channels and resolution.

    Args:
        model: takes float (1, 3, H, W); its layers are those of `inspection.layer_table`.
        size: (height, width) of the input.
        title: default: class name, parameters and multiply-adds.
    """
    stages, skips = _stages(model, size)
    _place(stages)
    tallest = 1.65 / size[0]
    figure, axis = plt.subplots(figsize=(TEXT_WIDTH, 2.85), layout="constrained")
    for stage in stages:
        half = stage.height * tallest / 2
        for piece in stage.slices:
            style = {"hatch": "/////"} if piece.kind == "skip" else {}
            edge = "#888888" if piece.kind == "skip" else "#333333"
            box = Rectangle((piece.x, -half), piece.width, 2 * half, linewidth=0.5, **style)
            box.set(edgecolor=edge, facecolor=FILL[piece.kind])
            axis.add_patch(box)
        middle = stage.x + stage.extent / 2
        channels = list(dict.fromkeys(piece.channels for piece in stage.slices))
        text = ", ".join(str(count) for count in channels) + f"\n{stage.height}×{stage.width}"
        axis.text(middle, -half - 0.05, text, ha="center", va="top", fontsize=6.2, linespacing=1.15)
    for left, right in zip(stages, stages[1:], strict=False):
        _arrow(axis, left.x + left.extent, 0, right.x, "#333333")
    for source, target in skips:
        y = 0.36 * source.height * tallest
        start = source.slices[-1].x + source.slices[-1].width
        end = next(piece.x for piece in target.slices if piece.kind == "skip")
        _arrow(axis, start, y, end, "#BB5566")
    kinds = {piece.kind for stage in stages for piece in stage.slices}
    handles = [
        Patch(facecolor=FILL[kind], edgecolor="#333333", linewidth=0.5, label=meaning,
              hatch="/////" if kind == "skip" else None)
        for kind, meaning in MEANING.items()
        if kind in kinds
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, handlelength=1.2)
    axis.set(xlim=(-0.05, stages[-1].x + stages[-1].extent + 0.05), ylim=(-1.2, 0.9))
    axis.set_axis_off()
    axis.set_title(
        title
        if title is not None
        else f"{type(model).__name__}: {count_parameters(model) / 1e6:.2f} M parameters, "
        f"{multiply_adds(model, size) / 1e9:.2f} G multiply-adds at {size[0]}×{size[1]}"
    )
    return figure


def _stages(
    model: nn.Module, size: tuple[int, int]
) -> tuple[list[_Stage], list[tuple[_Stage, _Stage]]]:
    """Group the feature maps by resolution; find the skips by the channels that appear."""
    stages = [_Stage(*size, [_Slice("image", 3)])]
    skips: list[tuple[_Stage, _Stage]] = []
    table = layer_table(model, size)
    for row in table.itertuples():
        kind = "attention" if "Attention" in row.kind else KIND.get(row.kind)
        if kind is None:
            continue
        channels, height, width = _map_shape(row.shape, kind, stages[-1])
        previous = stages[-1].slices[-1].channels
        if (height, width) != (stages[-1].height, stages[-1].width):
            stages.append(_Stage(height, width))
        elif len(stages) == 1:
            stages.append(_Stage(height, width))  # the image stays a stage of its own
        stage = stages[-1]
        extra = row.input_shape[0] - previous
        source = next(
            (s for s in stages[1:-1] if s.height == height and s.slices[-1].channels == extra), None
        )
        if kind == "conv" and source is not None:
            stage.slices.append(_Slice("skip", extra))
            skips.append((source, stage))
        stage.slices.append(_Slice(kind, channels))
    last = stages[-1].slices.pop()
    if stages[-1].slices:
        stages.append(_Stage(stages[-1].height, stages[-1].width))
    stages[-1].slices.append(_Slice("logits", last.channels))
    return stages, skips


def _map_shape(shape: tuple[int, ...], kind: str, before: _Stage) -> tuple[int, int, int]:
    """Channels, height and width of a layer's output; tokens come as (L, C) or (H, W, C)."""
    if kind != "attention":
        return shape
    if len(shape) == 3:
        return shape[2], shape[0], shape[1]
    return shape[1], before.height, before.width


def _place(stages: list[_Stage]) -> None:
    """Give every slice its x and width in inches, so that the whole fills the page's width."""
    gap, pitch = 0.14, 0.36  # between stages; least room for a stage's label
    total = sum(piece.channels for stage in stages for piece in stage.slices)
    widest = max(piece.channels for stage in stages for piece in stage.slices)
    scale = min(0.5 / widest, 4.4 / total)
    for _ in range(40):  # labels need room: shrink the scale until the drawing fits
        x = 0.0
        for stage in stages:
            widths = [max(0.022, piece.channels * scale) for piece in stage.slices]
            stage.extent = sum(widths)
            stage.x = x + max(0.0, (pitch - stage.extent) / 2)
            x = stage.x + stage.extent + max(0.0, (pitch - stage.extent) / 2) + gap
            offset = stage.x
            for piece, width in zip(stage.slices, widths, strict=True):
                piece.x, piece.width = offset, width
                offset += width
        if x - gap <= TEXT_WIDTH - 0.3:
            return
        scale *= 0.93


def _arrow(axis: plt.Axes, start: float, y: float, end: float, color: str) -> None:
    axis.annotate(
        "", (end, y), (start, y),
        arrowprops={"arrowstyle": "-|>,head_length=0.25,head_width=0.12", "color": color,
                    "linewidth": 0.8, "shrinkA": 0.5, "shrinkB": 0.5},
    )
