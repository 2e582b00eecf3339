"""Summing a tree up, which checks it on the way."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from ..labels import CITYSCAPES_34
from .parallel import in_parallel
from .tree import (
    IMAGE_FOLDER,
    MASK_FOLDERS,
    SPLITS,
    Scene,
    image_size,
    list_scenes,
    read_image,
    read_instance_ids,
    read_label_ids,
)


def describe(root: Path, *, deep: bool = False, progress: bool = False) -> dict[str, Any]:
    """Sum up a tree and check it: every label-id mask is read and held against its image's size.

    Args:
        root: the tree's root.
        deep: also decode every image and instance mask, instead of the images' headers only.
        progress: show a progress bar per split.

    Returns:
        JSON-ready: `root`, and `splits`, a list with per split and mode the keys `split`, `mode`,
        `scenes` (count), `cities` (name to count), `sizes` ("HxW" to count), `pixels` (label name
        to count, table order, those that occur) and `instances` (whether all scenes have them).

    Raises:
        DatasetError: the first thing that is missing, damaged or inconsistent.
    """
    root = Path(root)
    summaries = []
    for split, mode in _parts(root):
        scenes = list_scenes(root, split, mode)
        results = in_parallel(
            lambda scene: _examine(scene, deep),
            scenes,
            description=f"checking {split} ({mode})",
            progress=progress,
        )
        pixels = sum(counts for counts, _ in results)
        summaries.append(
            {
                "split": split,
                "mode": mode,
                "scenes": len(scenes),
                "cities": dict(Counter(scene.city for scene in scenes)),
                "sizes": dict(Counter(f"{height}x{width}" for _, (height, width) in results)),
                "pixels": {
                    name: int(count)
                    for name, count in zip(CITYSCAPES_34.names, pixels, strict=True)
                    if count
                },
                "instances": all(scene.instance_ids.is_file() for scene in scenes),
            }
        )
    return {"root": str(root), "splits": summaries}


def _parts(root: Path) -> list[tuple[str, str]]:
    """The (split, mode) pairs to look at, also those that lack a half, so that it is reported."""
    parts = []
    for split in ("train", "val", "test", "train_extra"):
        has_images = (root / IMAGE_FOLDER / split).is_dir()
        modes = [
            mode
            for mode, folder in MASK_FOLDERS.items()
            if split in SPLITS[mode] and (root / folder / split).is_dir()
        ]
        if has_images and not modes:
            modes = ["coarse" if split == "train_extra" else "fine"]
        # gtCoarse.zip brings masks of train_extra to everyone; few also fetch its 44 GB of images.
        if has_images or split != "train_extra":
            parts += [(split, mode) for mode in modes]
    return parts or [("train", "fine")]


def _examine(scene: Scene, deep: bool) -> tuple[np.ndarray, tuple[int, int]]:
    size = read_image(scene.image).shape[:2] if deep else image_size(scene.image)
    label_ids = read_label_ids(scene.label_ids, size)
    if deep and scene.instance_ids.is_file():
        read_instance_ids(scene.instance_ids, size)
    return np.bincount(label_ids.ravel(), minlength=CITYSCAPES_34.num_classes), size
