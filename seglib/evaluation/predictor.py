"""The one path from photographs to classes: scoring, measuring, predicting and the panel use it.

Photographs are resized to what the network was trained at, go through it in one batch, and their
logits are enlarged bilinearly to the size at which classes are wanted before the winner is taken.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..config import RunConfig
from ..data.datasets import dataset_spec
from ..data.images import checked_image, resize_image
from ..data.transforms import normalize
from ..devices import autocast, choose_device, inference_precision, memory_format
from ..labels import ClassSet
from ..records import Record

WHOLE_VALUES = 1 << 24  # enlarged logits that are held at once, 64 MB; of more only
STRIP_VALUES = 1 << 20  # so many: what fits into a processor's cache is enlarged and read sooner
TILE, MARGIN = 1024, 128  # pixels: how a network sees a photograph larger than two tiles


class Prediction(NamedTuple):
    """Class indices, uint8 (H, W), and each one's probability, float32 (H, W), 0 to 1, or None."""

    indices: np.ndarray
    confidence: np.ndarray | None = None


@dataclass(frozen=True)
class Predictor:
    """A network with what is needed to label any photograph with it."""

    model: nn.Module  # normalised floats (N, 3, h, w) → logits (N, C, h, w), C at most 255
    class_set: ClassSet
    image_size: tuple[int, int] | None = None  # (H, W) it was trained at; None: any photo's own
    scene_size: tuple[int, int] | None = None  # (H, W) of the scenes before they were resized
    precision: str = "fp32"
    flip: bool = False  # average the logits with those of the mirrored photograph

    @classmethod
    def from_model(cls, model: nn.Module, config: RunConfig) -> "Predictor":
        """A run's network, on the device where it is, with the run's sizes and precision."""
        config, dataset = config.resolved(), dataset_spec(config.dataset)
        device = next(model.parameters(), torch.empty(0)).device
        model = model.to(memory_format=memory_format(device))
        precision = inference_precision(config.precision, device)
        return cls(model, dataset.class_set, config.image_size, dataset.scene_size, precision)

    @classmethod
    def from_record(cls, record: Record, device: str | None = None) -> "Predictor":
        """The network of a recorded run, on `device` (None: the fastest one here)."""
        return cls.from_model(record.load_model(choose_device(device)), record.config)

    def __call__(self, image: np.ndarray, confidence: bool = False) -> Prediction:
        """Label one photograph, uint8 RGB (H, W, 3), of any size and proportions.

        A network knows objects at the size at which it was trained on them, so the photograph is
        scaled to as many pixels as the training images had. Without such a size, a large one is
        seen tile by tile: the same to a network that looks no further than `MARGIN`, in memory that
        grows little beyond the results. Raises ImageError for other arrays.
        """
        full = checked_image(image).shape[:2]
        if self.image_size:
            size = working_size(full, self.image_size, self.scene_size or self.image_size)
            return next(self._label([resize_image(image, size)], [full], confidence))
        found = _unfilled(full, confidence)
        step = TILE if full[0] * full[1] > 2 * TILE**2 else max(full)
        for top, left in product(*(range(0, side, step) for side in full)):
            above, before = min(top, MARGIN), min(left, MARGIN)
            seen = image[top - above : top + step + MARGIN, left - before : left + step + MARGIN]
            tile = next(self._label([seen], [seen.shape[:2]], confidence))
            for whole, part in zip(found, tile, strict=True):
                if whole is not None:
                    target = whole[top : top + step, left : left + step]
                    target[:] = part[above:, before:][: len(target), : target.shape[1]]
        return found

    def label(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]] | None = None,
        confidence: bool = False,
    ) -> Iterator[Prediction]:
        """Label a batch of photographs, uint8 RGB (H, W, 3), each at the training images' size.

        `sizes`: (H, W) of each prediction; None is its own. Raises ImageError for other arrays.
        """
        own = [checked_image(image).shape[:2] for image in images]
        pairs = zip(images, own, strict=True)
        resized = [resize_image(image, self.image_size or size) for image, size in pairs]
        return self._label(resized, sizes or own, confidence)

    @torch.inference_mode()
    def _label(
        self, images: Sequence[np.ndarray], sizes: Sequence[tuple[int, int]], confidence: bool
    ) -> Iterator[Prediction]:
        """Label images of one size as they are, and enlarge each one's logits to its `sizes`."""
        self.model.eval()
        device = next(self.model.parameters(), torch.empty(0)).device
        pixels = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)  # uint8 (N, 3, h, w)
        batch = normalize(pixels.to(device)).to(memory_format=memory_format(device))
        with autocast(self.precision, device):
            logits = self.model(batch)
            if self.flip:
                logits = (logits + self.model(batch.flip(-1)).flip(-1)) / 2
        for scene_logits, size in zip(logits, sizes, strict=True):
            yield _winners(scene_logits, size, confidence)


def working_size(
    photo: tuple[int, int], image_size: tuple[int, int], scene_size: tuple[int, int]
) -> tuple[int, int]:
    """The (h, w) at which a photo (H, W) has objects of the size and shape known from training.

    It has the number of pixels and the distortion of the training images, of size `image_size`,
    which were made from scenes of `scene_size`.
    """
    stretch = (image_size[1] / scene_size[1]) / (image_size[0] / scene_size[0])
    aspect = photo[1] / photo[0] * stretch  # w / h
    height = (image_size[0] * image_size[1] / aspect) ** 0.5
    # A strip of a panorama still needs rows for a network to look at.
    return max(32, round(height)), max(32, round(height * aspect))


def _unfilled(size: tuple[int, int], confidence: bool) -> Prediction:
    return Prediction(np.empty(size, np.uint8), np.empty(size, np.float32) if confidence else None)


def _winners(logits: Tensor, size: tuple[int, int], confidence: bool) -> Prediction:
    """The class of the largest logit at every pixel of `size` (H, W), from logits (C, h, w)."""
    found, top = _unfilled(size, confidence), 0
    for strip in _enlarged(logits, size):
        rows = slice(top, top + strip.shape[1])
        top = rows.stop
        highest, winner = strip.max(dim=0)  # faster than argmax, and of the same index
        found.indices[rows] = winner.to(torch.uint8).cpu()
        if confidence:  # the softmax of the winner alone
            found.confidence[rows] = (1 / (strip - highest).exp_().sum(dim=0)).cpu()
    return found


def _enlarged(logits: Tensor, size: tuple[int, int]) -> Iterator[Tensor]:
    """Logits (C, h, w) resized bilinearly to `size` (H, W), as float32 strips (C, rows, W).

    Together they equal `interpolate(..., align_corners=False)` of the whole, which would need
    gigabytes for a photograph of 12 megapixels.
    """
    height, width = size
    rows_at_once = max(1, STRIP_VALUES // (len(logits) * width))
    if len(logits) * height * width <= WHOLE_VALUES:
        rows_at_once = height
    source_height = logits.shape[1]
    if logits.shape[1:] == size:
        yield from (strip.float() for strip in logits.split(rows_at_once, dim=1))
    elif rows_at_once == height:
        yield functional.interpolate(logits[None].float(), size, mode="bilinear")[0]
    else:
        for rows in torch.arange(height, device=logits.device).split(rows_at_once):
            source = ((rows + 0.5) * source_height / height - 0.5).clamp(min=0)
            above = source.long().clamp(max=source_height - 1)
            below = (above + 1).clamp(max=source_height - 1)
            share = (source - above)[:, None]
            strip = torch.lerp(logits[:, above].float(), logits[:, below].float(), share)
            # (1, C, rows, w), a pixel's classes side by side: the winner is found sooner
            strip = strip[None].to(memory_format=torch.channels_last)
            yield functional.interpolate(strip, (len(rows), width), mode="bilinear")[0]
