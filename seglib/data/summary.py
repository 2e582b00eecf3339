"""Summing a tree up, which checks it on the way."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.contrib.concurrent import thread_map

from .images import image_size, read_instance_ids, read_label_ids, read_photo
from .tree import IMAGE_FOLDER, MASK_FOLDERS, SPLITS, Scene, list_scenes


def describe(root: Path, *, deep: bool = False, progress: bool = False) -> list[dict[str, Any]]:
    """Sum up a tree and check it: every label-id mask is read and held against its image's size.

    `deep`: also decode every image and instance mask, instead of the images' headers only.
    Returns per mode and split: `split`, `mode`, `scenes` (count), `cities` and `sizes` ("HxW"),
    both with the number of scenes of each. Raises DatasetError for the first thing that is
    missing, damaged or inconsistent.
    """
    wanted = [(mode, split) for mode in SPLITS for split in SPLITS[mode]]
    wanted = [part for part in wanted if _should_be_there(Path(root), *part)]
    parts = []
    for mode, split in wanted or [("fine", "train")]:
        scenes = list_scenes(root, split, mode)
        title, check = f"checking {split} ({mode})", partial(_check, deep=deep)
        sizes = thread_map(check, scenes, desc=title, disable=not progress)
        cities = dict(Counter(scene.city for scene in scenes))
        sizes = dict(Counter(f"{height}x{width}" for height, width in sizes))
        part = {"split": split, "mode": mode, "scenes": len(scenes)}
        parts.append({**part, "cities": cities, "sizes": sizes})
    return parts


def _should_be_there(root: Path, mode: str, split: str) -> bool:
    """Whether there is a part of the tree, or half of one, whose other half then is missed."""
    images, masks = (
        (root / folder / split).is_dir() for folder in (IMAGE_FOLDER, MASK_FOLDERS[mode])
    )
    # gtCoarse.zip brings masks of train_extra to everyone; few also fetch its 44 GB of images.
    return images if split == "train_extra" else masks or (images and mode == "fine")


def _check(scene: Scene, deep: bool) -> tuple[int, int]:
    size = read_photo(scene.image).shape[:2] if deep else image_size(scene.image)
    read_label_ids(scene.label_ids, size)
    if deep and scene.instance_ids.is_file():
        read_instance_ids(scene.instance_ids, size)
    return size
