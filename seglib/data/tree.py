"""The Cityscapes tree, in which every dataset lies on disk: its scenes, and a check of them.

    {root}/leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png
    {root}/gtFine|gtCoarse/{split}/{city}/{city}_{seq}_{frame}_gtFine|gtCoarse_{labelIds.png, ...}

torchvision's own index follows the directory's order and takes an image without a mask for a scene.
"""

import hashlib
import os
import re
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from tqdm.contrib.concurrent import thread_map

from ..errors import ConfigError, DatasetError, choose
from ..labels import CITYSCAPES_19
from .images import SUFFIXES, photo_size, read_instance_ids, read_label_ids, read_photo

IMAGE_FOLDER = "leftImg8bit"
MASK_FOLDERS = {"fine": "gtFine", "coarse": "gtCoarse"}
SPLITS = {"fine": ("train", "val", "test"), "coarse": ("train", "val")}


@dataclass(frozen=True)
class Scene:
    """One street scene: where its image and the files of its mask lie (or would lie)."""

    root: Path
    split: str  # "train", "val" or "test"
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
    or "test"; with `mode` "coarse" instead of "fine" masks "train" or "val".
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
        raise DatasetError(f"{what}, expected {expected}")
    if split == "train":
        cities = sorted({city for _, city in images})
        for city in hold_out:
            choose("held-out city", city, cities)
        images = {(name, city) for name, city in images if (city in hold_out) == held_out}
        if not images:
            raise ConfigError(f"hold_out {', '.join(hold_out)}: no city of train is left")
    return [Scene(root, split, city, name, mode) for name, city in sorted(images)]


def has_instances(scenes: Collection[Scene]) -> bool:
    """Whether scenes have masks of instance ids; DatasetError if some have and others lack them."""
    missing = [scene.instance_ids for scene in scenes if not scene.instance_ids.is_file()]
    if missing and len(missing) < len(scenes):
        raise DatasetError(f"{missing[0]}: no such file, but other scenes have theirs")
    return not missing


def _refuse(problem: OSError) -> None:
    if not isinstance(problem, FileNotFoundError):  # of what is missing others speak
        raise DatasetError(f"{problem.filename}: cannot be read ({problem.strerror})")


def _names_and_cities(root: Path, part: str, ending: str) -> set[tuple[str, str]]:
    """Every file of one kind as (scene, city); refused at another place or named otherwise."""
    folder, found, foreign = root / part, set(), []
    for place, folders, names in os.walk(folder, followlinks=True, onerror=_refuse):
        depth, city = len(Path(place).relative_to(folder).parts), os.path.basename(place)
        scene = re.compile(f"({re.escape(city)}_[^_]+_[^_]+){re.escape(ending)}")
        # Not deeper: a link may lead round in circles.
        folders[:] = sorted(name for name in folders if not name.startswith(".") and depth < 4)
        for name in sorted(name for name in names if not name.startswith(".")):
            path = os.path.join(place, name)
            if name.lower().endswith(ending.lower()):
                if depth != 1 or not (fits := scene.fullmatch(name)):
                    where = f"{folder}/<city>/<city>_<sequence>_<frame>{ending}"
                    raise DatasetError(f"{path}: expected {where}")
                found.add((fits[1], city))
            elif f"_{folder.parent.name}" not in name or not name.endswith((".png", ".json")):
                if not os.path.exists(path):
                    raise DatasetError(f"{path}: a link to nothing")
                foreign += [name] if name.lower().endswith(SUFFIXES) else []
    if foreign:
        what = f"{len(foreign)} pictures not named *{ending} are passed over, such as {foreign[0]}"
        note(f"{folder}: {what}")
    if not found:
        missing = [path for path in (root, folder.parent, folder) if not path.is_dir()]
        what = f"{missing[0]}: no such folder" if missing else f"{folder}: the split is empty"
        raise DatasetError(f"{what}, expected <root>/{part}/<city>/*{ending}")
    return found


@cache
def note(text: str) -> None:
    """Print a note on stderr, the same one once in a process."""
    print(f"note: {text}", file=sys.stderr)


def compare_counts(root: Path, found: Mapping[str, int], published: Mapping[str, int]) -> None:
    """Note on stderr if splits hold other numbers of scenes than the published dataset's."""
    if found != published:
        texts = [", ".join(f"{n} {split}" for split, n in c.items()) for c in (found, published)]
        note(f"{root} holds {texts[0]}; the published split is {texts[1]}")


def stamp(files: Iterable[Path]) -> str:
    """A hash of files' paths, sizes and times of change; DatasetError if one is not there."""
    digest = hashlib.sha256()
    for file in files:
        try:
            stat = file.stat()
        except OSError as problem:
            raise DatasetError(f"{file}: {problem.strerror}") from None
        digest.update(os.fsencode(file.absolute()))
        digest.update(f"\0{stat.st_size} {stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def describe(root: Path, *, deep: bool = False, progress: bool = False) -> list[dict[str, Any]]:
    """Sum up a tree and check it: every label-id mask is read and held against its image's size.

    `deep`: also decode every image and instance mask, instead of the images' headers only.
    Returns per mode and split: `split`, `mode`, `scenes` (count), `cities` and `sizes` ("HxW"),
    both with the number of scenes of each. Raises DatasetError for the first thing that is
    missing, damaged or inconsistent, and for train ids in place of label ids.
    """
    root = Path(root)
    wanted = [(mode, split) for mode in SPLITS for split in SPLITS[mode]
              if (root / MASK_FOLDERS[mode] / split).is_dir()
              or (mode == "fine" and (root / IMAGE_FOLDER / split).is_dir())]  # misses masks
    parts = []
    for mode, split in wanted or [("fine", "train")]:
        scenes = list_scenes(root, split, mode)
        title, check = f"checking {split} ({mode})", partial(_check, deep=deep)
        found = thread_map(check, scenes, desc=title, disable=not progress)
        sizes, counts = zip(*found, strict=True)
        check_labels(scenes, sum(counts), CITYSCAPES_19.ids)
        cities = dict(Counter(scene.city for scene in scenes))
        sizes = dict(Counter(f"{height}x{width}" for height, width in sizes))
        parts.append({"split": split, "mode": mode, "scenes": len(scenes),
                      "cities": cities, "sizes": sizes})
    return parts


def _check(scene: Scene, deep: bool) -> tuple[tuple[int, int], np.ndarray]:
    """The size of a scene (H, W), and how often each of 256 label ids occurs in it."""
    size = read_photo(scene.image).shape[:2] if deep else photo_size(scene.image)
    label_ids = read_label_ids(scene.label_ids, size)
    if deep and scene.instance_ids.is_file():
        read_instance_ids(scene.instance_ids, size)
    return size, np.array(Image.fromarray(label_ids).histogram())


def check_labels(scenes: list[Scene], pixels: np.ndarray, scored: Sequence[int]) -> None:
    """Raise DatasetError if a split, with `pixels` of each label id, seems to hold train ids.

    These end with 18; numbers that are void as label ids (2, building; 10, sky) are common, and 7
    (sign; as label id road) is not. Notes on stderr if none of the `scored` ids occurs.
    """
    folder, shares = scenes[0].label_ids.parents[1], pixels / pixels.sum()
    void = [number for number in range(1, 19) if number not in CITYSCAPES_19.ids]
    if shares[void].sum() > 0.05 > shares[7] and shares[7:19].any() and not shares[19:].any():
        what = "the masks look like train ids (all are below 19), expected label ids: 7 is road"
        raise DatasetError(f"{folder}: {what}")
    if not pixels[list(scored)].any():
        note(f"{folder}: no pixel of a class that is scored")
