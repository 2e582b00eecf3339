"""What a network is made of: layers, shapes, parameters, multiply-adds and receptive field.

All is read off one forward pass of a copy on PyTorch's `meta` device, which tracks shapes without
computing anything.
"""

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode

from ..errors import ConfigError

# Layers that look at one position only: they leave the receptive field as it is.
POINTWISE = (
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU
)
WINDOWED = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d)


def count_parameters(model: nn.Module) -> int:
    """Number of parameters of a model; a parameter used in two places counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, size: int | tuple[int, int]) -> int:
    """Multiply-adds of one forward pass for one image of `size` (height, width) or a square side.

    Counts convolutions, transposed convolutions, linear layers and both matrix products of
    attention; normalisation, activations, pooling and interpolation are left out, as is usual.
    """
    return int(layer_table(model, size)["multiply_adds"].sum())


def receptive_field(model: nn.Module, size: int | tuple[int, int] = 64) -> int | None:
    """Side in pixels of the square of the input that one output position can depend on.

    None where a layer sees the whole image; `size` has no influence. Skip connections are not
    followed: the deepest path sees most. Araujo, Norris and Sim, "Computing Receptive Fields of
    Convolutional Neural Networks", Distill 2019, at the best aligned output position.
    """
    side = layer_table(model, size)["receptive_field"].iloc[-1]
    return None if pd.isna(side) else int(side)


def layer_table(model: nn.Module, size: int | tuple[int, int]) -> pd.DataFrame:
    """One row per layer in the order of the forward pass, for one image of `size`.

    Columns: `name`, `kind` (class name), `input_shape` and `shape` (of the output, both without the
    batch axis), `parameters`, `multiply_adds`, which both add up to the model's totals, and
    `receptive_field` (side in pixels, <NA> once a layer has seen the whole image). What a module
    computes besides calling others, such as attention's matrix products, has a row, too.
    """
    on_meta = copy.deepcopy(model).to("meta").eval()
    names = {module: name for name, module in on_meta.named_modules()}
    counter = FlopCounterMode(display=False)
    begun: list[tuple[int, int]] = []  # at the start of each open call: flops and rows so far
    rows: list[dict[str, Any]] = []
    path: list[nn.Module] = []  # the deepest, with the size of the map after each layer
    sizes: list[tuple[int, ...]] = []
    counted: set[nn.Parameter] = set()  # a parameter that is used twice is counted once

    def enter(module, args):
        begun.append((counter.get_total_flops(), len(rows)))

    def leave(module, args, output):
        flops_before, rows_before = begun.pop()
        inner = rows[rows_before:]  # of the modules that this one called
        work = (counter.get_total_flops() - flops_before) // 2
        work -= sum(row["multiply_adds"] for row in inner)
        own = set(model.get_submodule(names[module]).parameters()) - counted
        if inner and not (own or work):
            return
        counted.update(own)
        taken, given = _shape(args)[1:], _shape(output if isinstance(output, tuple) else (output,))
        if sizes and taken < sizes[-1]:  # pooled, but by no layer
            path.append(nn.AdaptiveAvgPool2d(1))
        if not sizes or taken <= sizes[-1] or len(taken) != 2:  # else of a branch beside the path
            path.append(module)
            sizes.append(given[1:])
        rows.append(
            {
                "name": names[module] or type(module).__name__,
                "kind": type(module).__name__,
                "input_shape": _shape(args),
                "shape": given,
                "parameters": sum(parameter.numel() for parameter in own),
                "multiply_adds": work,
                "receptive_field": _receptive_field_of(path),
            }
        )

    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    with (
        torch.no_grad(),
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave),
        sdpa_kernel(SDPBackend.MATH),  # the counter can't see into fused attention
        counter,
    ):
        on_meta(torch.empty(1, 3, *_sides(size), dtype=dtype, device="meta"))
    return pd.DataFrame(rows).astype({"receptive_field": "Int64"})


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if min(height, width) < 1:
        raise ConfigError(f"image size {height}x{width}: both sides must be at least 1")
    return int(height), int(width)


def _shape(values: tuple) -> tuple[int, ...]:
    return tuple(values[0].shape[1:]) if values and isinstance(values[0], Tensor) else ()


def _receptive_field_of(layers: list[nn.Module]) -> int | None:
    """Walk from one output position back to the input; None where a layer sees everything."""
    extent = 1
    for layer in reversed(layers):
        if isinstance(layer, POINTWISE):
            continue
        if isinstance(layer, nn.Upsample):  # bilinear, to twice the size
            extent = extent // 2 + 2
            continue
        if not isinstance(layer, WINDOWED):
            return None
        kernel, stride, dilation = (
            int(np.max(getattr(layer, name, 1))) for name in ("kernel_size", "stride", "dilation")
        )
        kernel += (dilation - 1) * (kernel - 1)
        if isinstance(layer, nn.ConvTranspose2d):
            extent = (extent + kernel - 2) // stride + 1
        else:
            extent = (extent - 1) * stride + kernel
    return extent
