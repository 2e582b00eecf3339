"""Scenes decoded and resized once, then read from uint8 memory maps.

Decoding a 1024×2048 PNG costs more than a training step on its resized pixels. A cache's name
holds a hash of everything it depends on, so it is never stale; one that is damaged is built anew.
"""

import hashlib
import json
import os
import sys
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm.contrib.concurrent import thread_map

from .. import paths
from ..files import atomic_folder, locked, write_json
from ..labels import ClassSet
from .images import read_label_ids, read_photo, resize_image, resize_mask
from .tree import Scene, check_labels, stamp

FILES = ("images.npy", "masks.npy")
VERSION = 2  # counts changes of how scenes are resized or stored


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
        chosen = np.sort(np.random.default_rng(seed).permutation(len(self))[:count])
        return SceneCache([self.names[n] for n in chosen], self.images[chosen], self.masks[chosen])


def load_cache(
    scenes: list[Scene], size: tuple[int, int], class_set: ClassSet, progress: bool = True
) -> SceneCache:
    """Open the cache of scenes of one split at `size` (H, W), building it where it is missing.

    Safe when several processes ask at once (one builds, the others wait) or a build is killed.
    Raises `DatasetError` for the first broken file of the scenes.
    """
    folder = paths.cache_dir() / _name(scenes, size, class_set)
    maps = _open(folder)
    if maps is None:
        with locked(Path(f"{folder}.lock"), "builds this cache"):
            maps = _open(folder)  # another process may have built it meanwhile
            if maps is None:
                if folder.exists():
                    print(f"note: {folder} is damaged, building it anew", file=sys.stderr)
                with atomic_folder(folder) as temporary:
                    _build(temporary, scenes, size, class_set, progress)
                maps = _open(folder)
    return SceneCache([scene.name for scene in scenes], *maps)


def _name(scenes: list[Scene], size: tuple[int, int], class_set: ClassSet) -> str:
    """The cache's folder name; it changes with any input file's path, size or time stamp."""
    files = stamp(path for scene in scenes for path in (scene.image, scene.label_ids))
    digest = hashlib.sha256(f"{VERSION} {files} {class_set.ids}".encode()).hexdigest()
    scene = scenes[0]
    return f"{scene.root.name}-{scene.split}-{scene.mode}-{size[0]}x{size[1]}-{digest[:12]}"


def _open(folder: Path) -> list[np.ndarray] | None:
    """The maps of images and masks; None if they are not there, or not as they were built."""
    with suppress(OSError, ValueError, RecursionError):
        if json.loads((folder / "checksums.json").read_bytes()) == _checksums(folder):
            return [np.load(folder / name, mmap_mode="r") for name in FILES]
    return None


def _checksums(folder: Path) -> list[int]:
    """CRC-32 of both files, at about 1 GB/s."""
    return [zlib.crc32(np.memmap(folder / name, mode="r")) for name in FILES]


def _build(folder: Path, scenes: list[Scene], size, class_set: ClassSet, progress: bool) -> None:
    images = _new_map(folder / FILES[0], (len(scenes), *size, 3))
    masks = _new_map(folder / FILES[1], (len(scenes), *size))

    def resize(position: int) -> np.ndarray:
        image = read_photo(scenes[position].image)
        label_ids = read_label_ids(scenes[position].label_ids, image.shape[:2])
        images[position] = resize_image(image, size)
        label_ids = resize_mask(label_ids, size)
        masks[position] = class_set.encode(label_ids)
        return np.bincount(label_ids.ravel(), minlength=256)

    title = f"cache {scenes[0].root.name} {scenes[0].split}"
    counts = thread_map(resize, range(len(scenes)), desc=title, disable=not progress, leave=False)
    check_labels(scenes, sum(counts), class_set.ids)
    images.flush()
    masks.flush()
    write_json(folder / "checksums.json", _checksums(folder))


def _new_map(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """A new uint8 map whose space on disk is reserved: a store to a full disk kills a process."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with open(path, "r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array
