"""What a network costs: parameters and multiply-adds."""

import copy

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode


def count_parameters(model: nn.Module) -> int:
    """Number of parameters of a model; a parameter used in two places counts once."""
    return sum(parameter.numel() for parameter in model.parameters())


def multiply_adds(model: nn.Module, size: int | tuple[int, int]) -> int:
    """Multiply-adds of one forward pass for one image of `size` (height, width) or a square side.

    Counts convolutions, transposed convolutions, linear layers and both matrix products of
    attention; normalisation, activations, pooling and interpolation are left out, as is usual.
    """
    counter = FlopCounterMode(display=False)
    dry_run(shapes_of(model), size, counter)
    return counter.get_total_flops() // 2


def shapes_of(model: nn.Module) -> nn.Module:
    """A copy on PyTorch's `meta` device, which tracks shapes and computes nothing."""
    return copy.deepcopy(model).to("meta").eval()


def dry_run(model: nn.Module, size: int | tuple[int, int], counter: FlopCounterMode) -> None:
    """Pass one image of `size` through a model of `shapes_of` and count its operations."""
    height, width = (size, size) if isinstance(size, int) else size
    dtype = next((parameter.dtype for parameter in model.parameters()), torch.float32)
    # The counter can't see into fused attention.
    with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
        model(torch.empty(1, 3, int(height), int(width), dtype=dtype, device="meta"))
