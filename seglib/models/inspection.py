"""What a network is made of: layers, shapes, parameters, multiply-adds and receptive field.

All but the effective receptive field is read off one forward pass of a copy on PyTorch's `meta`
device, which tracks shapes without computing anything.
"""

import copy
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.modules import module as hooks
from torch.utils.flop_counter import FlopCounterMode

from ..errors import ConfigError

# Layers that look at one position only: they leave the receptive field as it is.
POINTWISE = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.ReLU, nn.GELU, nn.SiLU)
WINDOWED = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d)


class _Call(NamedTuple):
    """One call of one module, and the share of the arithmetic that its submodules don't do."""

    module: nn.Module
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    own_flops: int
    is_leaf: bool


def count_parameters(model: nn.Module) -> int:
    """Number of parameters of a model; a parameter used in two places counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, size: int | tuple[int, int]) -> int:
    """Multiply-adds of one forward pass for one image of `size` (height, width) or a square side.

    Counts convolutions, transposed convolutions, linear layers and both matrix products of
    attention; normalisation, activations, pooling and interpolation are left out, as is usual.
    """
    return sum(call.own_flops for call in _trace(model, size)) // 2


def layer_table(model: nn.Module, size: int | tuple[int, int]) -> pd.DataFrame:
    """One row per layer in the order of the forward pass, for one image of `size`.

    Columns: `name`, `kind` (class name), `input_shape` and `shape` (of the output, both without the
    batch axis), `parameters`, `multiply_adds` and `receptive_field` (side in input pixels along the
    main path, <NA> from the first layer on that sees the whole image). Both number columns add up
    to the model's totals: a module that computes something besides calling others (attention's
    matrix products, a position embedding) has a row for that part.
    """
    names = {module: name for name, module in model.named_modules()}
    counted: set[nn.Parameter] = set()  # a parameter that is used twice is counted once
    rows, path = [], []
    for call in _trace(model, size):
        own = set(call.module.parameters()) - counted
        counted |= own
        if not (call.is_leaf or own or call.own_flops):
            continue
        path.append(call.module)
        kind = type(call.module).__name__
        rows.append(
            {
                "name": names[call.module] or kind,
                "kind": kind,
                "input_shape": call.input_shape,
                "shape": call.output_shape,
                "parameters": sum(parameter.numel() for parameter in own),
                "multiply_adds": call.own_flops // 2,
                "receptive_field": _receptive_field_of(path),
            }
        )
    return pd.DataFrame(rows).astype({"receptive_field": "Int64"})


def receptive_field(model: nn.Module, size: int | tuple[int, int] = 64) -> int | None:
    """Side in pixels of the square of the input that one output position can depend on.

    Layers are taken in the order of a forward pass for one image of `size`, which has no influence
    on the result. Skip connections are not followed: the deepest path sees most. None where a layer
    sees the whole image. Arithmetic of Araujo, Norris and Sim, "Computing Receptive Fields of
    Convolutional Neural Networks", Distill 2019, at the best aligned output position.
    """
    calls = _trace(model, size)
    return _receptive_field_of([call.module for call in calls if call.is_leaf or call.own_flops])


def effective_receptive_field(
    model: nn.Module, size: int | tuple[int, int], inputs: Tensor | int = 8, seed: int = 0
) -> np.ndarray:
    """How strongly each input pixel moves the output at the centre: float64 (H, W), maximum 1.

    The mean absolute input gradient of a random projection of the centre logits, over `inputs`:
    normalised images float (N, 3, H, W), or how many normally distributed ones to draw. Luo et al.,
    "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", NeurIPS
    2016.
    """
    height, width = _sides(size)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(inputs, int):
        inputs = torch.randn(inputs, 3, height, width, generator=generator)
    model = copy.deepcopy(model).eval()
    weight = next(model.parameters())
    total = torch.zeros(height, width, dtype=torch.float64)
    for image in inputs:
        image = image[None].to(weight).requires_grad_()
        logits = model(image)  # (1, C, H, W)
        centre = logits[0, :, logits.shape[2] // 2, logits.shape[3] // 2]
        direction = torch.randn(centre.shape, generator=generator).to(weight)
        (gradient,) = torch.autograd.grad((centre * direction).sum(), image)
        total += gradient[0].abs().sum(dim=0).double().cpu()
    return (total / total.max().clamp_min(torch.finfo(torch.float64).tiny)).numpy()


def _sides(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ConfigError(f"image size {height}x{width}: both sides must be at least 1")
    return int(height), int(width)


def _trace(model: nn.Module, size: int | tuple[int, int]) -> list[_Call]:
    """The calls of a model's modules in one forward pass, in the order in which they end."""
    on_meta = copy.deepcopy(model).to("meta").eval()
    originals = dict(zip(on_meta.modules(), model.modules(), strict=True))
    counter = FlopCounterMode(display=False)
    begun: list[tuple[int, int]] = []  # at the beginning of each open call: flops, finished calls
    finished: list[_Call] = []

    def enter(module, args):
        begun.append((counter.get_total_flops(), len(finished)))

    def leave(module, args, output):
        flops_before, calls_before = begun.pop()
        inner = finished[calls_before:]
        flops = counter.get_total_flops() - flops_before - sum(call.own_flops for call in inner)
        shapes = _shape(args), _shape(output if isinstance(output, tuple) else (output,))
        finished.append(_Call(originals[module], *shapes, own_flops=flops, is_leaf=not inner))

    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    with (
        torch.no_grad(),
        hooks.register_module_forward_pre_hook(enter),
        hooks.register_module_forward_hook(leave),
        sdpa_kernel(SDPBackend.MATH),  # the counter can't see into fused attention
        counter,
    ):
        on_meta(torch.empty(1, 3, *_sides(size), dtype=dtype, device="meta"))
    return finished


def _shape(values: tuple) -> tuple[int, ...]:
    return tuple(values[0].shape[1:]) if values and isinstance(values[0], Tensor) else ()


def _receptive_field_of(layers: list[nn.Module]) -> int | None:
    """Walk from one output position back to the input; None where a layer sees everything."""
    extent = 1
    for layer in reversed(layers):
        if isinstance(layer, POINTWISE):
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
