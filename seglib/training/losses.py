"""Losses over logits (N, C, H, W) and class indices (N, H, W); index 255 is ignored everywhere.

Dice: after Milletari and others, 3DV 2016 (https://doi.org/10.1109/3DV.2016.79), without squares in
the denominator. Soft IoU: Rahman and Wang, 2016 (https://doi.org/10.1007/978-3-319-50835-1_22).
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import choose
from ..labels import IGNORE_INDEX

PARTS = ("cross_entropy", "dice", "iou")


def cross_entropy(
    logits: Tensor, mask: Tensor, weight: Tensor | None = None, smoothing: float = 0.0
) -> Tensor:
    """PyTorch's cross-entropy, but 0 instead of NaN for a batch without a scored pixel."""
    mask = mask.long()
    total = functional.cross_entropy(logits.float(), mask, weight, ignore_index=IGNORE_INDEX,
                                     reduction="sum", label_smoothing=smoothing)
    scored = mask != IGNORE_INDEX
    weights = scored.sum() if weight is None else weight[mask[scored]].sum()
    return total / weights.where(weights > 0, 1)


def overlap_loss(logits: Tensor, mask: Tensor, kind: str) -> Tensor:
    """One minus the soft overlap ("dice" or "iou") over the batch, the mean of its true classes.

    A class without a true pixel is left out: its overlap is 0 whatever is predicted, and its false
    positives already cost the classes they are taken from.
    """
    num_classes = logits.shape[1]
    scored = mask != IGNORE_INDEX
    probability = logits.float().softmax(1) * scored[:, None]
    # Gathering needs no one-hot mask, as large as the logits. Ignored pixels pose as class 0, with
    # probability 0.
    truth = mask.long().where(scored, 0)
    of_truth = probability.gather(1, truth[:, None]).flatten()
    intersection = of_truth.new_zeros(num_classes).index_add(0, truth.flatten(), of_truth)
    true_pixels = torch.bincount(truth[scored], minlength=num_classes)
    both = probability.sum((0, 2, 3)) + true_pixels
    if kind == "dice":
        overlap = 2 * intersection / both.clamp(min=1e-6)
    else:
        overlap = intersection / (both - intersection).clamp(min=1e-6)
    present = true_pixels > 0
    return ((1 - overlap) * present).sum() / present.sum().clamp(min=1)


class SegmentationLoss(nn.Module):
    """The sum of the losses in a name ("dice+iou"); the rest, weights (C,), is of cross-entropy."""

    def __init__(
        self, name: str, class_weights: Tensor | None = None, smoothing: float = 0.0
    ) -> None:
        super().__init__()
        self.smoothing = smoothing
        self.parts = [choose("loss", part, PARTS) for part in name.split("+")]
        self.register_buffer("class_weights", class_weights)

    def forward(self, logits: Tensor, mask: Tensor) -> Tensor:
        return sum(cross_entropy(logits, mask, self.class_weights, self.smoothing)
                   if part == "cross_entropy" else overlap_loss(logits, mask, part)
                   for part in self.parts)


def sqrt_median_weights(pixels: Tensor) -> Tensor:
    """Class weights from pixel counts (C,): the square root of median frequency over frequency.

    Median-frequency balancing (Eigen and Fergus, ICCV 2015), softened lest rare classes drown the
    others. Classes without a pixel get weight 0.
    """
    pixels = pixels.double()
    present = pixels > 0
    weights = (pixels[present].median() / pixels.clamp(min=1)).sqrt() * present
    return (weights / weights[present].mean()).float()
