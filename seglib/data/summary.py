"""Summing a tree up, which checks it on the way."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .images import image_size, read_instance_ids, read_label_ids, read_photo
from .parallel import in_parallel
from .tree import IMAGE_FOLDER, MASK_FOLDERS, SPLITS, Scene, list_scenes


def describe(root: Path, *, deep: bool = False, progress: bool = False) -> list[dict[str, Any]]:
    """Sum up a tree and check it: every label-id mask is read and held against its image's size.

    Args:
        root: the tree's root.
        deep: also decode every image and instance mask, instead of the images' headers only.
        progress: show a progress bar per split.

    Returns:
        Per split and mode: `split`, `mode`, `scenes` (count), `cities` and `sizes` ("HxW"), both
        with the number of scenes of each.

    Raises:
        DatasetError: the first thing that is missing, damaged or inconsistent.
    """
    parts = []
    for split, mode in _parts(Path(root)) or [("train", "fine")]:
        scenes = list_scenes(root, split, mode)
        title = f"checking {split} ({mode})"
        sizes = in_parallel(lambda scene: _check(scene, deep), scenes, title, progress)
        parts.append(
            {
                "split": split,
                "mode": mode,
                "scenes": len(scenes),
                "cities": dict(Counter(scene.city for scene in scenes)),
                "sizes": dict(Counter(f"{height}x{width}" for height, width in sizes)),
            }
        )
    return parts


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
    return parts


def _check(scene: Scene, deep: bool) -> tuple[int, int]:
    size = read_photo(scene.image).shape[:2] if deep else image_size(scene.image)
    read_label_ids(scene.label_ids, size)
    if deep and scene.instance_ids.is_file():
        read_instance_ids(scene.instance_ids, size)
    return size
