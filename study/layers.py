"""A network layer by layer, and how far it looks: by its layers, and by its gradients.

Shapes and counts are read off one forward pass that computes nothing.
"""

import copy
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode

from seglib.config import RunConfig
from seglib.models.inspection import dry_run, shapes_of

# Layers that look at one position only: they leave the receptive field as it is.
POINTWISE = (
    nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.ReLU, nn.ReLU6, nn.GELU, nn.SiLU
)
WINDOWED = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d)


def receptive_field(model: nn.Module) -> int | None:
    """Side in pixels of the square of the input that one output position can depend on.

    None where a layer sees the whole image. Skip connections are not followed: the deepest path
    sees most. Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural
    Networks", Distill 2019, at the best aligned output position.
    """
    side = layer_table(model, 64)["receptive_field"].iloc[-1]
    return None if pd.isna(side) else int(side)


def layer_table(model: nn.Module, size: int | tuple[int, int]) -> pd.DataFrame:
    """One row per layer in the order of the forward pass, for one image of `size`.

    Columns: `name`, `kind` (class name), `input_shape` and `shape` (of the output, both without the
    batch axis), `parameters`, `multiply_adds`, which both add up to the model's totals, and
    `receptive_field` (side in pixels, <NA> once a layer has seen the whole image). What a module
    computes besides calling others, such as attention's matrix products, has a row, too.
    """
    model = shapes_of(model)
    names = {module: name for name, module in model.named_modules()}
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
        own = set(module.parameters()) - counted
        if inner and not (own or work):
            return
        counted.update(own)
        taken, given = _shape(args)[1:], _shape(output if isinstance(output, tuple) else (output,))
        if sizes and taken < sizes[-1]:  # pooled, but by no layer
            path.append(nn.AdaptiveAvgPool2d(1))
        if not sizes or taken <= sizes[-1] or len(taken) != 2:  # else of a branch beside the path
            path.append(module)
            sizes.append(given[1:])
        rows.append({
            "name": names[module] or type(module).__name__, "kind": type(module).__name__,
            "input_shape": _shape(args), "shape": given,
            "parameters": sum(parameter.numel() for parameter in own), "multiply_adds": work,
            "receptive_field": _receptive_field_of(path),
        })

    with (
        hooks.register_module_forward_pre_hook(enter), hooks.register_module_forward_hook(leave),
    ):
        dry_run(model, size, counter)
    return pd.DataFrame(rows).astype({"receptive_field": "Int64"})


def network_shape(config: RunConfig) -> nn.Module:
    """The network of a run without memory, random numbers or downloads: its shapes are enough."""
    with torch.device("meta"):
        return config.build_model(download=False)


def effective_receptive_field(
    model: nn.Module, size: tuple[int, int], inputs: Tensor | int = 8, seed: int = 0
) -> np.ndarray:
    """How strongly each input pixel moves the output at the centre: float64 (H, W), maximum 1.

    The mean absolute input gradient of a random projection of the centre logits, over `inputs`:
    normalised images float (N, 3, H, W), or how many normally distributed ones to draw. Luo et al.,
    "Understanding the Effective Receptive Field in Deep CNNs" (arXiv 1701.04128), NeurIPS 2016.
    """
    generator = torch.Generator().manual_seed(seed)
    if isinstance(inputs, int):
        inputs = torch.randn(inputs, 3, *size, generator=generator)
    model = copy.deepcopy(model).eval()
    weight = next(model.parameters())
    total = torch.zeros(*size, dtype=torch.float64)
    for image in inputs:
        image = image[None].to(weight).requires_grad_()
        logits = model(image)  # (1, C, H, W)
        centre = logits[0, :, logits.shape[2] // 2, logits.shape[3] // 2]
        direction = torch.randn(centre.shape, generator=generator).to(weight)
        (gradient,) = torch.autograd.grad((centre * direction).sum(), image)
        total += gradient[0].abs().sum(dim=0).cpu().double()
    return (total / total.max().clamp_min(torch.finfo(torch.float64).tiny)).numpy()


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
