"""How far a network looks: the effective receptive field, by gradients."""

import copy

import numpy as np
import torch
from torch import Tensor, nn


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
        total += gradient[0].abs().sum(dim=0).double().cpu()
    return (total / total.max().clamp_min(torch.finfo(torch.float64).tiny)).numpy()
