"""Losses over logits (N, C, H, W) and class indices (N, H, W); index 255 is ignored everywhere.

Dice: Milletari, Navab and Ahmadi, "V-Net", 3DV 2016 (https://doi.org/10.1109/3DV.2016.79).
Soft Jaccard: Rahman and Wang, "Optimizing Intersection-Over-Union in Deep Neural Networks for Image
Segmentation", ISVC 2016 (https://doi.org/10.1007/978-3-319-50835-1_22).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import CHOICES
from ..errors import choose
from ..labels import IGNORE_INDEX

LOSSES = CHOICES["loss"]


class CrossEntropy(nn.Module):
    """Mean negative log-likelihood of the true class over all pixels that are not ignored.

    With `weight` (C,) it is the weighted mean, as in `torch.nn.CrossEntropyLoss`. A batch without
    a single scored pixel has loss 0, where PyTorch's own returns NaN and ends the training.
    """

    def __init__(self, weight: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        mask = mask.long()
        total = functional.cross_entropy(
            logits.float(), mask, self.weight, ignore_index=IGNORE_INDEX, reduction="sum"
        )
        scored = mask != IGNORE_INDEX
        if self.weight is None:
            return total / scored.sum().clamp(min=1)
        weight = self.weight[mask[scored]].sum()
        return total / weight.where(weight > 0, 1)


class OverlapLoss(nn.Module):
    """One minus the soft overlap of prediction and truth, averaged over the batch's true classes.

    Overlaps are summed over the whole batch, so that a class with a few pixels in one image is
    not a fraction of tiny numbers. A class without a true pixel in the batch is left out: its
    overlap is 0 whatever is predicted, and its false positives already cost the classes they are
    taken from.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind  # "dice" or "iou"

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        num_classes = logits.shape[1]
        scored = mask != IGNORE_INDEX
        probability = logits.float().softmax(1) * scored[:, None]
        # Gathering the true class's probability needs no one-hot copy of the mask, which would be
        # as large as the logits. Ignored pixels pose as class 0, with probability 0.
        truth = mask.long().where(scored, 0)
        of_truth = probability.gather(1, truth[:, None]).flatten()
        intersection = of_truth.new_zeros(num_classes).index_add(0, truth.flatten(), of_truth)
        true_pixels = torch.bincount(truth[scored], minlength=num_classes)
        both = probability.sum((0, 2, 3)) + true_pixels
        present = true_pixels > 0
        if self.kind == "dice":
            overlap = 2 * intersection / both.clamp(min=1e-6)
        else:
            overlap = intersection / (both - intersection).clamp(min=1e-6)
        return ((1 - overlap) * present).sum() / present.sum().clamp(min=1)


class SumLoss(nn.Module):
    """The sum of several losses with equal weight."""

    def __init__(self, *losses: nn.Module) -> None:
        super().__init__()
        self.losses = nn.ModuleList(losses)

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        return torch.stack([loss(logits, mask) for loss in self.losses]).sum()


def build_loss(name: str, class_weights: Tensor | None = None) -> nn.Module:
    """The loss of that name; `class_weights` (C,) apply to its cross-entropy part."""
    choose("loss", name, LOSSES)
    parts = [
        CrossEntropy(class_weights) if part == "cross_entropy" else OverlapLoss(part)
        for part in name.split("+")
    ]
    return parts[0] if len(parts) == 1 else SumLoss(*parts)


def sqrt_median_weights(pixels: Tensor) -> Tensor:
    """Class weights from pixel counts (C,): the square root of median frequency over frequency.

    Median-frequency balancing (Eigen and Fergus, ICCV 2015) weights rare classes in full; the
    square root keeps them from drowning the others. Classes without a pixel get weight 0.
    """
    pixels = pixels.double()
    present = pixels > 0
    weights = (pixels[present].median() / pixels.clamp(min=1)).sqrt() * present
    return (weights / weights[present].mean()).float()
