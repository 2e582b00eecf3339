"""What a network is made of: layers, shapes, parameters, multiply-adds and receptive field.

Everything is read off the model object itself, by hooks on one forward pass of a copy on PyTorch's
`meta` device, which tracks shapes without computing anything.
"""

import copy
from contextlib import ExitStack
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from ..errors import ConfigError

# Layers that look at one position only: they leave the receptive field as it is.
POINTWISE = (nn.Identity, nn.Dropout, nn.Dropout2d, nn.BatchNorm2d, nn.ReLU, nn.GELU, nn.SiLU)
WINDOWED = (nn.Conv2d, nn.ConvTranspose2d, nn.MaxPool2d, nn.AvgPool2d)


@dataclass
class _Call:
    """One call of one module: shapes, and the share of the work that is its own."""

    name: str
    module: nn.Module
    flops_before: int
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...] = ()
    own_flops: int = 0
    submodules_called: list[nn.Module] = field(default_factory=list)

    @property
    def own_parameters(self) -> list[nn.Parameter]:
        """All parameters but those of the submodules that the module calls."""
        called = {id(p) for module in self.submodules_called for p in module.parameters()}
        return [p for p in self.module.parameters() if id(p) not in called]


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

    Args:
        model: takes float (1, 3, H, W).
        size: (height, width) of the input, or the side of a square.

    Returns:
        Columns `name`, `kind` (class name), `input_shape` and `shape` (of the output, both without
        the batch axis), `parameters`, `multiply_adds` and `receptive_field` (side in input pixels
        along the main path, <NA> from the first layer on that sees the whole image). Both number
        columns add up to the model's totals. A module that computes something besides calling
        other modules (attention's matrix products, a position embedding) has a row for that part.
    """
    calls = _trace(model, size)
    counted: set[int] = set()  # a module or parameter that is used twice is counted once
    rows, path = [], []
    for call in calls:
        own = [parameter for parameter in call.own_parameters if id(parameter) not in counted]
        counted.update(map(id, own))
        if call.submodules_called and not own and not call.own_flops:
            continue
        path.append(call.module)
        rows.append(
            {
                "name": call.name or type(call.module).__name__,
                "kind": type(call.module).__name__,
                "input_shape": call.input_shape,
                "shape": call.output_shape,
                "parameters": sum(parameter.numel() for parameter in own),
                "multiply_adds": call.own_flops // 2,
                "receptive_field": _receptive_field_of(path),
            }
        )
    table = pd.DataFrame(rows)
    return table.astype({"receptive_field": "Int64", "parameters": int, "multiply_adds": int})


def receptive_field(model: nn.Module, size: int | tuple[int, int] = 64) -> int | None:
    """Side in pixels of the square of the input that one output position can depend on.

    Layers are taken in the order of a forward pass for one image of `size`, which has no influence
    on the result. Skip connections are not followed: the deepest path sees most. None where a layer
    sees the whole image. Arithmetic of Araujo, Norris and Sim, "Computing Receptive Fields of
    Convolutional Neural Networks", Distill 2019, at the best aligned output position.
    """
    calls = _trace(model, size)
    layers = [call.module for call in calls if not call.submodules_called or call.own_flops]
    return _receptive_field_of(layers)


def effective_receptive_field(
    model: nn.Module, size: int | tuple[int, int], inputs: Tensor | int = 8, seed: int = 0
) -> np.ndarray:
    """How strongly each input pixel moves the output at the centre of the image.

    Args:
        model: takes float (N, 3, H, W), returns (N, C, H, W); evaluated on its own device.
        size: (height, width) of the input, or the side of a square.
        inputs: normalised images float (N, 3, H, W) to average over, or how many normally
            distributed ones to draw.
        seed: of the drawn inputs and of the random output directions.

    Returns:
        float64 (H, W), largest value 1: the mean absolute input gradient of a random projection of
        the centre logits, as in Luo et al., "Understanding the Effective Receptive Field in Deep
        Convolutional Neural Networks", NeurIPS 2016.
    """
    height, width = _pair(size)
    generator = torch.Generator().manual_seed(seed)
    if isinstance(inputs, int):
        inputs = torch.randn(inputs, 3, height, width, generator=generator)
    weight = next(model.parameters())
    was_training = model.training
    model.eval()
    total = torch.zeros(height, width, dtype=torch.float64)
    try:
        for image in inputs:
            image = image[None].to(weight).requires_grad_()
            logits = model(image)  # (1, C, H, W)
            centre = logits[0, :, logits.shape[2] // 2, logits.shape[3] // 2]
            direction = torch.randn(centre.shape, generator=generator).to(weight)
            (gradient,) = torch.autograd.grad((centre * direction).sum(), image)
            total += gradient[0].abs().sum(dim=0).double().cpu()
    finally:
        model.train(was_training)
    return (total / total.max().clamp_min(torch.finfo(torch.float64).tiny)).numpy()


def _pair(size: int | tuple[int, int]) -> tuple[int, int]:
    height, width = (size, size) if isinstance(size, int) else size
    if height < 1 or width < 1:
        raise ConfigError(f"image size {height}x{width}: both sides must be at least 1")
    return int(height), int(width)


def _trace(model: nn.Module, size: int | tuple[int, int]) -> list[_Call]:
    """Run a `meta` copy of the model once and return the calls of its modules, by completion."""
    height, width = _pair(size)
    model = copy.deepcopy(model).to("meta").eval()
    counter = FlopCounterMode(display=False)
    stack: list[_Call] = []
    finished: list[_Call] = []

    def enter(name: str):
        def hook(module, args):
            if stack:
                stack[-1].submodules_called.append(module)
            flops = counter.get_total_flops()
            stack.append(_Call(name, module, flops, _shape(args[0] if args else None)))

        return hook

    def leave(module, args, output):
        call = stack.pop()
        flops = counter.get_total_flops() - call.flops_before
        call.own_flops += flops  # from which those of its children are taken already
        call.output_shape = _shape(output[0] if isinstance(output, tuple) else output)
        if stack:
            stack[-1].own_flops -= flops
        finished.append(call)

    # The fused attention kernels are invisible to the counter; their plain form does the same work.
    fastpath = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with ExitStack() as context:
            for name, module in model.named_modules():
                context.callback(module.register_forward_pre_hook(enter(name)).remove)
                context.callback(module.register_forward_hook(leave).remove)
            context.enter_context(torch.no_grad())
            context.enter_context(sdpa_kernel(SDPBackend.MATH))
            context.enter_context(counter)
            dtype = next((p.dtype for p in model.parameters()), torch.float32)
            model(torch.empty(1, 3, height, width, dtype=dtype, device="meta"))
    finally:
        torch.backends.mha.set_fastpath_enabled(fastpath)
    return finished


def _shape(value: object) -> tuple[int, ...]:
    return tuple(value.shape[1:]) if isinstance(value, Tensor) else ()


def _receptive_field_of(layers: list[nn.Module]) -> int | None:
    """Walk from one output position back to the input; None where a layer sees everything."""
    extent = 1
    for layer in reversed(layers):
        if isinstance(layer, POINTWISE):
            continue
        if not isinstance(layer, WINDOWED):
            return None
        kernel, stride = _side(layer.kernel_size), _side(layer.stride)
        kernel += (_side(getattr(layer, "dilation", 1)) - 1) * (kernel - 1)
        if isinstance(layer, nn.ConvTranspose2d):
            extent = (extent + kernel - 2) // stride + 1
        else:
            extent = (extent - 1) * stride + kernel
    return extent


def _side(value: int | tuple[int, int]) -> int:
    return value if isinstance(value, int) else max(value)
