"""Scenes decoded and resized once, then read from uint8 memory maps.

Decoding a 2048×1024 PNG costs more than a training step on its resized pixels. A cache's name
holds a hash of everything it depends on, so it is never stale.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.contrib.concurrent import thread_map

from .. import paths
from ..files import atomic_folder, locked
from ..labels import ClassSet
from .images import read_label_ids, read_photo
from .tree import Scene

VERSION = 1  # counts changes of how scenes are resized or stored


@dataclass(frozen=True)
class SceneCache:
    """Resized scenes of one split: images (N, H, W, 3), masks (N, H, W) of class indices, uint8."""

    names: list[str]
    images: np.ndarray
    masks: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, position: int) -> tuple[Tensor, Tensor]:
        """One scene as tensors: image (3, H, W) and mask (H, W), uint8, copied from the map."""
        image = torch.from_numpy(self.images[position].copy()).permute(2, 0, 1)
        return image, torch.from_numpy(self.masks[position].copy())

    def class_pixels(self, num_classes: int) -> Tensor:
        """Pixels of each class over all masks, int64 (num_classes,)."""
        counts = sum(np.bincount(mask.ravel(), minlength=256) for mask in self.masks)
        return torch.from_numpy(counts[:num_classes])

    def subset(self, count: int, seed: int) -> "SceneCache":
        """A random subset of `count` scenes; a larger one of the same seed contains it."""
        chosen = np.random.default_rng(seed).permutation(len(self))[:count]
        chosen.sort()
        names = [self.names[position] for position in chosen]
        return SceneCache(names, self.images[chosen], self.masks[chosen])


def load_cache(
    scenes: list[Scene], size: tuple[int, int], class_set: ClassSet, progress: bool = True
) -> SceneCache:
    """Open the cache of scenes of one split at `size` (H, W), building it where it is missing.

    Safe when several processes ask at once (one builds, the others wait) or a build is killed.
    Raises `DatasetError` for the first broken file of the scenes.
    """
    folder = paths.cache_dir() / _name(scenes, size, class_set)
    if not folder.exists():
        with locked(Path(f"{folder}.lock"), "builds this cache"):
            if not folder.exists():
                with atomic_folder(folder) as temporary:
                    _build(temporary, scenes, size, class_set, progress)
    images, masks = (np.load(folder / f"{kind}.npy", mmap_mode="r") for kind in ("images", "masks"))
    return SceneCache([scene.name for scene in scenes], images, masks)


def _name(scenes: list[Scene], size: tuple[int, int], class_set: ClassSet) -> str:
    """The cache's folder name; it changes with any input file's name, size or time stamp."""
    root, split, mode = scenes[0].root, scenes[0].split, scenes[0].mode
    digest = hashlib.sha256(f"{VERSION} {root.absolute()} {class_set.ids}".encode())
    for scene in scenes:
        for path in (scene.image, scene.label_ids):
            stat = path.stat()
            digest.update(f"{path.name} {stat.st_size} {stat.st_mtime_ns}\n".encode())
    return f"{root.name}-{split}-{mode}-{size[0]}x{size[1]}-{digest.hexdigest()[:12]}"


def _build(folder: Path, scenes: list[Scene], size, class_set: ClassSet, progress: bool) -> None:
    images = _new_map(folder / "images.npy", (len(scenes), *size, 3))
    masks = _new_map(folder / "masks.npy", (len(scenes), *size))

    def resize(position: int) -> None:
        image = read_photo(scenes[position].image)
        label_ids = read_label_ids(scenes[position].label_ids, image.shape[:2])
        images[position] = resize_image(image, size)
        masks[position] = class_set.encode(resize_mask(label_ids, size))

    title = f"cache {scenes[0].root.name} {scenes[0].split}"
    thread_map(resize, range(len(scenes)), desc=title, disable=not progress, leave=False)
    images.flush()
    masks.flush()


def _new_map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new uint8 map whose space on disk is reserved: a store to a full disk kills a process."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 (H, W, 3) to `size` (H, W) with an antialiasing bilinear filter."""
    return np.asarray(Image.fromarray(image).resize(size[::-1], Image.Resampling.BILINEAR))


def resize_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize uint8 class indices (H, W) to `size` (H, W) by nearest pixel: no new labels appear."""
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))
