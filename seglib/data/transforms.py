"""Joint transforms of image and mask, built on torchvision's v2 functions and `tv_tensors`."""

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import tv_tensors
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional

from ..config import RunConfig
from ..devices import memory_format
from ..labels import IGNORE_INDEX
from .cache import SceneCache

# The ImageNet statistics, so that torchvision's pretrained encoders see what they were trained on.
MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
FILL = [round(255 * mean) for mean in MEAN]  # becomes 0 after normalisation


def normalize(image: Tensor) -> Tensor:
    """Map uint8 images (N, 3, H, W) to floats of about zero mean and unit variance."""
    mean = torch.tensor(MEAN, device=image.device)[:, None, None]
    std = torch.tensor(STD, device=image.device)[:, None, None]
    return image.float().div_(255).sub_(mean).div_(std)


def to_device(image: Tensor, mask: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Move a uint8 batch to `device`, as bytes a quarter of the traffic, and normalise it there."""
    early = device.type == "cuda"  # from pinned memory; elsewhere it could be freed too soon
    image = normalize(image.to(device, non_blocking=early))
    return image.to(memory_format=memory_format(device)), mask.to(device, non_blocking=early)


class TrainTransform:
    """Random zoom and crop, flip, rotation and photometric jitter of one scene.

    Maps an uint8 image (3, H, W) and its uint8 mask (H, W) to the size of a training crop. What
    lies outside the scene is filled with the mean colour and ignored in the mask. All randomness
    comes from torch's global generator, which `TrainingSet` seeds.
    """

    def __init__(self, config: RunConfig) -> None:
        self.config = config
        self.crop_size = list(config.crop_size or config.image_size)
        # No change of hue: it alone would cost more time than all other transforms together.
        self.jitter = v2.ColorJitter(config.jitter, config.jitter, config.jitter)

    def __call__(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        image, mask = self._zoom_and_crop(tv_tensors.Image(image), tv_tensors.Mask(mask))
        if self.config.flip:
            image, mask = v2.RandomHorizontalFlip()(image, mask)
        if self.config.rotation:
            angle = uniform(-self.config.rotation, self.config.rotation)
            image = functional.rotate(image, angle, InterpolationMode.BILINEAR, fill=FILL)
            mask = functional.rotate(mask, angle, fill=IGNORE_INDEX)
        if self.config.jitter:
            image = self.jitter(image)
        return image.as_subclass(Tensor), mask.as_subclass(Tensor)

    def _zoom_and_crop(self, image: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Cut a window of crop size / zoom at a random place and resize it to the crop size."""
        height, width = image.shape[-2:]
        zoom, size = uniform(*self.config.scale), self.crop_size
        window = [max(1, round(side / zoom)) for side in size]
        # A window larger than the scene may start before its edge: the rest is filled.
        top, left = (int(torch.randint(min(0, full - part), max(0, full - part) + 1, ()))
                     for full, part in zip((height, width), window, strict=True))
        image = crop(image, (top, left, *window), FILL)
        mask = crop(mask, (top, left, *window), IGNORE_INDEX)
        if window != size:
            image = functional.resize(image, size, InterpolationMode.BILINEAR, antialias=True)
            # Exact: plain nearest samples at pixel corners, which shifts the mask by half a pixel.
            plain = mask.as_subclass(Tensor)[None]  # torchvision < 0.28 takes no mode for a Mask
            plain = functional.resize(plain, size, InterpolationMode.NEAREST_EXACT)
            mask = tv_tensors.Mask(plain[0])
        return image, mask


def crop(image: Tensor, window: tuple[int, int, int, int], fill: int | list[int]) -> Tensor:
    """Cut a window (top, left, height, width) that may reach over the edges, where `fill` shows."""
    top, left, height, width = window
    below, right = top + height - image.shape[-2], left + width - image.shape[-1]
    edges = [max(0, side) for side in (-left, -top, right, below)]
    if any(edges):
        image = functional.pad(image, edges, fill=fill)
    return functional.crop(image, max(0, top), max(0, left), height, width)


def uniform(low: float, high: float) -> float:
    """One number between `low` and `high` from torch's global generator."""
    return float(torch.rand(())) * (high - low) + low


class TrainingSet(Dataset):
    """Augmented training samples; the index is a pair (epoch, position in the cache).

    Each sample seeds the generator from (seed, epoch, position), so what it looks like depends
    neither on the number of workers or processes nor on where an interrupted run was resumed.
    """

    def __init__(self, cache: SceneCache, config: RunConfig) -> None:
        self.cache = cache
        self.transform = TrainTransform(config)
        self.seed = config.seed

    def __len__(self) -> int:
        return len(self.cache)

    def __getitem__(self, key: tuple[int, int]) -> tuple[Tensor, Tensor]:
        epoch, position = key
        image, mask = self.cache[position]
        with torch.random.fork_rng(devices=[]):
            # The CPU's generator only: dropout on a GPU draws from that GPU's own.
            torch.default_generator.manual_seed(mix_seed(self.seed, epoch, position))
            return self.transform(image, mask)


def mix_seed(*numbers: int) -> int:
    """One 64-bit seed from several numbers, well mixed; zeros at their end make no difference."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
