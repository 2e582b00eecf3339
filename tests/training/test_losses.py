"""Losses against hand-computed values, and what ignored pixels and absent classes must not do."""

import math

import pytest
import torch
from torch import Tensor

from seglib.config import CHOICES
from seglib.errors import ConfigError
from seglib.labels import IGNORE_INDEX
from seglib.training.losses import SegmentationLoss, sqrt_median_weights

# Pixel 0 is class 0 and found at 0.75, pixel 1 is class 1 and found at 0.5, pixel 2 is ignored.
PROBABILITY = torch.tensor([[0.75, 0.25], [0.5, 0.5], [0.01, 0.99]])
TRUTH = torch.tensor([[[0, 1, IGNORE_INDEX]]])  # (N=1, H=1, W=3)
CROSS_ENTROPY = -(math.log(0.75) + math.log(0.5)) / 2
# Class 0: overlap 0.75 of 1.25 predicted and 1 true; class 1: overlap 0.5 of 0.75 and 1.
DICE = 1 - (2 * 0.75 / 2.25 + 2 * 0.5 / 1.75) / 2
IOU = 1 - (0.75 / 1.5 + 0.5 / 1.25) / 2
BY_HAND = {
    "cross_entropy": CROSS_ENTROPY, "dice": DICE,
    "iou": IOU, "cross_entropy+dice": CROSS_ENTROPY + DICE,
    "cross_entropy+iou": CROSS_ENTROPY + IOU,
}


def logits_of(probability: Tensor) -> Tensor:
    """Logits (1, C, 1, W) whose softmax is `probability` (W, C)."""
    return probability.log().T[None, :, None]


def batch(seed: int = 0, classes: int = 5) -> tuple[Tensor, Tensor]:
    """Random logits (2, C, 6, 7) that want gradients, and a mask with a fifth of it ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2, classes, 6, 7, generator=generator).requires_grad_()
    mask = torch.randint(classes, (2, 6, 7), generator=generator)
    mask[torch.rand(mask.shape, generator=generator) < 0.2] = IGNORE_INDEX
    return logits, mask


@pytest.mark.parametrize("name", CHOICES["loss"])
def test_value_by_hand(name: str) -> None:
    loss = SegmentationLoss(name)(logits_of(PROBABILITY), TRUTH)
    assert loss.shape == ()
    assert loss.item() == pytest.approx(BY_HAND[name], abs=1e-6)


def test_another_loss_is_refused() -> None:
    for name in ("nonsense", "Dice", "cross_entropy+", ""):
        with pytest.raises(ConfigError, match="loss '.*' is unknown; choose one of: cross_entropy"):
            SegmentationLoss(name)


def test_class_weights_by_hand() -> None:
    weights = torch.tensor([1.0, 3.0])
    weighted = -(1 * math.log(0.75) + 3 * math.log(0.5)) / 4
    logits = logits_of(PROBABILITY)
    assert SegmentationLoss("cross_entropy", weights)(logits, TRUTH).item() == pytest.approx(
        weighted
    )
    smooth = SegmentationLoss("cross_entropy", weights, 0.1)(logits, TRUTH).item()
    whole = torch.nn.functional.cross_entropy(
        logits, TRUTH.long(), weights, ignore_index=255, label_smoothing=0.1
    )
    assert smooth == pytest.approx(whole.item()) and smooth > weighted
    combined = SegmentationLoss("cross_entropy+dice", weights)(logits, TRUTH).item()
    assert combined == pytest.approx(weighted + DICE)


@pytest.mark.parametrize("name", ("dice", "iou"))
def test_absent_class_does_not_contribute(name: str) -> None:
    """Half of one pixel's probability goes to a class that is nowhere in the truth."""
    overlap = {"dice": 2 * 0.5 / 1.5, "iou": 0.5}[name]
    truth = torch.zeros(1, 1, 1, dtype=torch.long)
    for absent in (1, 4):
        spread = [0.5] + [0.5 / absent] * absent
        loss = SegmentationLoss(name)(logits_of(torch.tensor([spread])), truth)
        assert loss.item() == pytest.approx(1 - overlap, abs=1e-6)


@pytest.mark.parametrize("name", ("dice", "iou"))
def test_overlap_is_of_the_batch_not_of_its_images(name: str) -> None:
    """A class with one pixel in the first image and 41 in the second has one overlap."""
    logits, mask = batch(classes=2)
    whole = SegmentationLoss(name)(logits, mask)
    side_by_side = SegmentationLoss(name)(
        torch.cat(tuple(logits), dim=-1)[None], torch.cat(tuple(mask), dim=-1)[None]
    )
    assert whole.item() == pytest.approx(side_by_side.item(), abs=1e-6)


@pytest.mark.parametrize("weights", (None, "positive", "with a zero"))
@pytest.mark.parametrize("name", CHOICES["loss"])
def test_all_ignored_batch_is_zero_with_zero_gradients(name: str, weights: str | None) -> None:
    logits, mask = batch()
    values = {"positive": [1.0, 2, 3, 4, 5], "with a zero": [1.0, 2, 0, 4, 5]}.get(weights or "")
    loss = SegmentationLoss(name, torch.tensor(values) if values else None)(
        logits, torch.full_like(mask, IGNORE_INDEX)
    )
    loss.backward()
    assert loss.item() == 0
    assert torch.count_nonzero(logits.grad) == 0  # NaN would count


@pytest.mark.parametrize("name", CHOICES["loss"])
def test_ignored_pixels_change_nothing_and_get_no_gradient(name: str) -> None:
    logits, mask = batch()
    ignored = (mask == IGNORE_INDEX)[:, None].expand_as(logits)
    loss = SegmentationLoss(name)(logits, mask)
    loss.backward()
    assert torch.count_nonzero(logits.grad[ignored]) == 0
    assert torch.count_nonzero(logits.grad[~ignored]) > 0
    shaken = torch.where(ignored, 50 * torch.randn_like(logits), logits)
    assert SegmentationLoss(name)(shaken, mask).item() == pytest.approx(loss.item(), abs=1e-6)


@pytest.mark.parametrize("name", CHOICES["loss"])
def test_gradient_raises_the_true_class_at_every_pixel(name: str) -> None:
    logits, mask = batch()
    SegmentationLoss(name)(logits, mask).backward()
    scored = mask != IGNORE_INDEX
    gradient = logits.grad.gather(1, mask.where(scored, 0)[:, None])[:, 0][scored]
    assert (gradient < 0).all()


@pytest.mark.parametrize("name", CHOICES["loss"])
def test_mask_may_be_bytes_and_logits_half_precision(name: str) -> None:
    logits, mask = batch()
    loss = SegmentationLoss(name)
    assert torch.equal(loss(logits, mask.to(torch.uint8)), loss(logits, mask))
    half = loss((logits * 1000).to(torch.bfloat16), mask)
    assert half.dtype == torch.float32
    assert torch.isfinite(half)


def test_square_root_median_weights_by_hand() -> None:
    weights = sqrt_median_weights(torch.tensor([100, 400, 0, 25]))
    # The median present class has 100 pixels: roots of 1, 1/4 and 4, then a mean of 1.
    expected = [value / (3.5 / 3) for value in (1.0, 0.5, 0.0, 2.0)]
    assert weights.dtype == torch.float32
    assert weights.tolist() == pytest.approx(expected, abs=1e-6)
