"""The Cityscapes tree, in which every dataset lies on disk: its scenes, and a check of them.

    {root}/leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png
    {root}/gtFine|gtCoarse/{split}/{city}/{city}_{seq}_{frame}_gtFine|gtCoarse_{labelIds.png, ...}

torchvision's own index follows the directory's order and takes an image without a mask for a scene.
"""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from tqdm.contrib.concurrent import thread_map

from ..errors import ConfigError, DatasetError, choose
from .images import image_size, read_instance_ids, read_label_ids, read_photo

IMAGE_FOLDER = "leftImg8bit"
MASK_FOLDERS = {"fine": "gtFine", "coarse": "gtCoarse"}
SPLITS = {"fine": ("train", "val", "test"), "coarse": ("train", "val", "train_extra")}
# The official downloads and the folders in them.
PACKAGES = {
    "leftImg8bit_trainvaltest.zip": ("leftImg8bit/train", "leftImg8bit/val", "leftImg8bit/test"),
    "leftImg8bit_trainextra.zip": ("leftImg8bit/train_extra",),
    "gtFine_trainvaltest.zip": ("gtFine/train", "gtFine/val", "gtFine/test"),
    "gtCoarse.zip": ("gtCoarse/train", "gtCoarse/train_extra", "gtCoarse/val"),
}


@dataclass(frozen=True)
class Scene:
    """One street scene: where its image and the files of its mask lie (or would lie)."""

    root: Path
    split: str  # "train", "val", "test" or "train_extra"
    city: str
    name: str  # "{city}_{seq}_{frame}", unique within a tree
    mode: str = "fine"  # whose masks: "fine" or "coarse"

    @property
    def image(self) -> Path:
        """The photograph."""
        return self._file(IMAGE_FOLDER, ".png")

    @property
    def label_ids(self) -> Path:
        """The mask of label ids 0..33."""
        return self._file(MASK_FOLDERS[self.mode], "_labelIds.png")

    @property
    def instance_ids(self) -> Path:
        """The mask of instance ids, which not every dataset has."""
        return self._file(MASK_FOLDERS[self.mode], "_instanceIds.png")

    def _file(self, folder: str, ending: str) -> Path:
        return self.root / folder / self.split / self.city / f"{self.name}_{folder}{ending}"


def list_scenes(
    root: Path, split: str, mode: str = "fine", hold_out: Collection[str] = ()
) -> list[Scene]:
    """The scenes of one split, sorted by name, each image paired with its label-id mask.

    `root`: the folder that holds `leftImg8bit` and `gtFine` or `gtCoarse`. `split`: "train", "val"
    or "test"; with `mode` "coarse" instead of "fine" masks "train", "val" or "train_extra".
    `hold_out`: cities of train that are left out of it; "held_out" is the split of their scenes.
    Raises ConfigError for another split, mode or city, or if no city is left; DatasetError for a
    missing or empty folder, an image without its mask or a mask without its image.
    """
    choose("mask mode", mode, SPLITS)
    held_out = split == "held_out"
    if held_out and not hold_out:
        raise ConfigError("split 'held_out' is empty: no city of train is held out")
    split = "train" if held_out else choose(f"split of {mode} masks", split, SPLITS[mode])
    root, folder = Path(root), MASK_FOLDERS[mode]
    images = _names_and_cities(root, f"{IMAGE_FOLDER}/{split}", f"_{IMAGE_FOLDER}.png")
    masks = _names_and_cities(root, f"{folder}/{split}", f"_{folder}_labelIds.png")
    for name, city in sorted(images ^ masks):
        scene = Scene(root, split, city, name, mode)
        if (name, city) in images:
            what, expected = f"{scene.image}: image without mask", scene.label_ids
        else:
            what, expected = f"{scene.label_ids}: mask without image", scene.image
        hint = _download(expected.relative_to(root).parent.parent.as_posix())
        raise DatasetError(f"{what}, expected {expected} ({hint})")
    if split == "train":
        cities = sorted({city for _, city in images})
        for city in hold_out:
            choose("held-out city", city, cities)
        images = {(name, city) for name, city in images if (city in hold_out) == held_out}
        if not images:
            raise ConfigError(f"hold_out {', '.join(hold_out)}: no city of train is left")
    return [Scene(root, split, city, name, mode) for name, city in sorted(images)]


def has_coarse(root: Path, split: str = "train") -> bool:
    """Whether a tree has the coarse masks of a split, and images to go with them."""
    return all((Path(root) / part / split).is_dir() for part in (IMAGE_FOLDER, "gtCoarse"))


def has_instances(scenes: Collection[Scene]) -> bool:
    """Whether scenes have masks of instance ids; DatasetError if some have and others lack them."""
    missing = [scene.instance_ids for scene in scenes if not scene.instance_ids.is_file()]
    if missing and len(missing) < len(scenes):
        raise DatasetError(f"{missing[0]}: no such file, but other scenes have theirs")
    return not missing


def _names_and_cities(root: Path, part: str, ending: str) -> set[tuple[str, str]]:
    """Every file of one kind as (scene, city); hidden and foreign files are passed over."""
    folder = root / part
    found = {
        (path.name.removesuffix(ending), path.parent.name)
        for path in folder.glob(f"[!.]*/[!.]*{ending}")
    }
    if not found:
        missing = [path for path in (root, folder.parent, folder) if not path.is_dir()]
        what = f"{missing[0]}: no such folder" if missing else f"{folder}: the split is empty"
        raise DatasetError(f"{what}, expected <root>/{part}/<city>/*{ending} ({_download(part)})")
    return found


def _download(part: str) -> str:
    """Which official zip file holds one part of Cityscapes, as a hint."""
    return f"Cityscapes: in {next(name for name, parts in PACKAGES.items() if part in parts)}"


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
    images, masks = (root / folder / split for folder in (IMAGE_FOLDER, MASK_FOLDERS[mode]))
    # gtCoarse.zip brings masks of train_extra to everyone; few also fetch its 44 GB of images.
    if split == "train_extra":
        return images.is_dir()
    return masks.is_dir() or (images.is_dir() and mode == "fine")


def _check(scene: Scene, deep: bool) -> tuple[int, int]:
    size = read_photo(scene.image).shape[:2] if deep else image_size(scene.image)
    read_label_ids(scene.label_ids, size)
    if deep and scene.instance_ids.is_file():
        read_instance_ids(scene.instance_ids, size)
    return size
