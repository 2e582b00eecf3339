"""The Cityscapes tree: which scenes it holds, and reading their files with clear errors.

    {root}/leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png
    {root}/gtFine|gtCoarse/{split}/{city}/{city}_{seq}_{frame}_gtFine|gtCoarse_{labelIds.png, ...}

`list_scenes` is an index of its own because torchvision's follows the directory order, trips over
stray files, pairs nothing and unpacks zip files unchecked. `SceneDataset` puts torchvision's
`Cityscapes` on top of it, so that its targets and transforms serve where a torch dataset is wanted.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torchvision.datasets import Cityscapes, VisionDataset

from ..errors import ConfigError, DatasetError, choose
from ..files import read_json
from ..labels import LARGEST_LABEL_ID, check_label_ids

IMAGE_FOLDER = "leftImg8bit"
IMAGE_SUFFIX = "_leftImg8bit.png"
MASK_FOLDERS = {"fine": "gtFine", "coarse": "gtCoarse"}
SPLITS = {"fine": ("train", "val", "test"), "coarse": ("train", "val", "train_extra")}
TARGETS = ("semantic", "instance", "color", "polygon")
MASK_SUFFIXES = {
    "semantic": "labelIds.png",
    "instance": "instanceIds.png",
    "color": "color.png",
    "polygon": "polygons.json",
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
        return self.root / IMAGE_FOLDER / self.split / self.city / f"{self.name}{IMAGE_SUFFIX}"

    @property
    def label_ids(self) -> Path:
        """The mask of label ids 0..33."""
        return self.target("semantic")

    @property
    def instance_ids(self) -> Path:
        """The mask of instance ids; CamVid has none."""
        return self.target("instance")

    @property
    def color(self) -> Path:
        """The mask in the label table's colours."""
        return self.target("color")

    @property
    def polygons(self) -> Path:
        """The annotated polygons; CamVid has none."""
        return self.target("polygon")

    def target(self, kind: str) -> Path:
        """The file of one of `TARGETS`; ConfigError for any other kind."""
        choose("target", kind, MASK_SUFFIXES)
        folder = MASK_FOLDERS[self.mode]
        name = f"{self.name}_{folder}_{MASK_SUFFIXES[kind]}"
        return self.root / folder / self.split / self.city / name


def official_download(component: str, split: str) -> str:
    """The official zip file that holds `leftImg8bit`, `gtFine` or `gtCoarse` of a split."""
    if component == IMAGE_FOLDER:
        return f"leftImg8bit_{'trainextra' if split == 'train_extra' else 'trainvaltest'}.zip"
    return "gtCoarse.zip" if component == "gtCoarse" else "gtFine_trainvaltest.zip"


def list_scenes(
    root: Path, split: str, mode: str = "fine", *, require_masks: bool = True
) -> list[Scene]:
    """The scenes of one split, sorted by name, each image paired with its label-id mask.

    Args:
        root: the folder that holds `leftImg8bit` and `gtFine` or `gtCoarse`.
        split: "train", "val" or "test"; with coarse masks "train", "val" or "train_extra".
        mode: "fine" or "coarse".
        require_masks: False lists the images whether or not masks exist.

    Raises:
        ConfigError: unknown mode, or a split that the mode does not have.
        DatasetError: a folder is missing, an image lacks its mask or a mask its image, or the
            split is empty; the message names the path, what was expected and its download.
    """
    root = Path(root)
    check_split(split, mode)
    images = _index(root, IMAGE_FOLDER, split, IMAGE_SUFFIX)
    if not images:
        folder = root / IMAGE_FOLDER / split
        raise DatasetError(
            f"{folder}: the split is empty, expected <city>/*{IMAGE_SUFFIX} "
            f"({official_download(IMAGE_FOLDER, split)} holds them)"
        )
    scenes = [Scene(root, split, city, name, mode) for name, city in sorted(images.items())]
    if not require_masks:
        return scenes
    component = MASK_FOLDERS[mode]
    masks = _index(root, component, split, f"_{component}_{MASK_SUFFIXES['semantic']}")
    for scene in scenes:
        if masks.pop(scene.name, None) != scene.city:
            raise DatasetError(
                f"{scene.image}: image without mask, expected {scene.label_ids} "
                f"({official_download(component, split)} holds it)"
            )
    if masks:
        name, city = min(masks.items())
        orphan = Scene(root, split, city, name, mode)
        raise DatasetError(
            f"{orphan.label_ids}: mask without image, expected {orphan.image} "
            f"({official_download(IMAGE_FOLDER, split)} holds it)"
        )
    return scenes


def check_split(split: str, mode: str) -> None:
    """Raise ConfigError unless `mode` is "fine" or "coarse" and has masks of `split`."""
    choose("mask mode", mode, SPLITS)
    choose(f"split of {mode} masks", split, SPLITS[mode])


def _index(root: Path, component: str, split: str, suffix: str) -> dict[str, str]:
    """Scene name to city for every file of one kind; hidden and foreign files are passed over."""
    folder = root / component / split
    if not folder.is_dir():
        missing = next(path for path in (root, root / component, folder) if not path.is_dir())
        raise DatasetError(
            f"{missing}: no such folder, expected <root>/{component}/{split}/<city>/*{suffix} "
            f"({official_download(component, split)} holds it)"
        )
    found: dict[str, str] = {}
    for path in folder.glob(f"[!.]*/[!.]*{suffix}"):
        found[path.name.removesuffix(suffix)] = path.parent.name
    return found


def read_image(path: Path) -> np.ndarray:
    """Read a photograph as uint8 RGB (H, W, 3); DatasetError names a missing or damaged file."""
    return np.asarray(decode_image(path))


def decode_image(path: Path) -> Image.Image:
    """Decode a photograph as a Pillow image in RGB, for what resizes it; errors of `read_image`."""
    with _opened(path) as image:
        fast = _fast_pixels(path, image)
        image = _decoded(path, image) if fast is None else Image.fromarray(fast)
        return image if image.mode == "RGB" else image.convert("RGB")


def read_label_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a label-id mask.

    Args:
        path: an 8-bit PNG of one channel.
        size: the (H, W) that it must have, usually its image's.

    Returns:
        uint8 (H, W), values 0..33.

    Raises:
        DatasetError: the file is missing, damaged, not of one 8-bit channel, of another size, or
            holds an id outside the table; the message names the file and what was found.
    """
    label_ids = read_mask_bytes(path, size)
    check_label_ids(label_ids, str(path))
    return label_ids


def read_mask_bytes(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read a mask of one 8-bit channel as uint8 (H, W), as `read_label_ids` but with any values."""
    with _opened(path) as image:
        if image.mode != "L":
            raise DatasetError(
                f"{path}: expected one channel of 8 bits, found mode {image.mode} (a colour mask?)"
            )
        mask = _pixels(path, image)
    _check_size(path, mask, size)
    return mask


def read_instance_ids(path: Path, size: tuple[int, int] | None = None) -> np.ndarray:
    """Read an instance-id mask as int32 (H, W).

    A pixel of the k-th object of a class with instances holds `id * 1000 + k`, any other pixel its
    label id. DatasetError as for `read_label_ids`.
    """
    with _opened(path) as image:
        if image.mode not in ("L", "I", "I;16", "I;16B"):
            raise DatasetError(f"{path}: expected one channel of 16 bits, found mode {image.mode}")
        instance_ids = _pixels(path, image).astype(np.int32)
    _check_size(path, instance_ids, size)
    known = (instance_ids >= 0) & (instance_ids <= LARGEST_LABEL_ID)
    known |= (instance_ids >= 1000) & (instance_ids < 1000 * (LARGEST_LABEL_ID + 1))
    if not known.all():
        unknown = instance_ids[~known]
        check_label_ids(np.where(unknown >= 1000, unknown // 1000, unknown), str(path))
    return instance_ids


def read_polygons(path: Path) -> dict[str, Any]:
    """Read an annotation: `imgHeight`, `imgWidth` and `objects`, each with `label` and `polygon`.

    Polygons are lists of [x, y] in pixels, in drawing order (later objects cover earlier ones).
    DatasetError names the file if it is missing, not JSON or not such an annotation.
    """
    annotation = read_json(path, DatasetError)
    try:
        sizes = annotation["imgHeight"] > 0 and annotation["imgWidth"] > 0
        objects = all(
            isinstance(item["label"], str) and all(len(point) == 2 for point in item["polygon"])
            for item in annotation["objects"]
        )
    except (KeyError, TypeError):
        sizes = objects = False
    if not (sizes and objects):
        raise DatasetError(
            f"{path}: not a Cityscapes annotation, expected imgHeight, imgWidth and objects "
            "with label and polygon"
        )
    return annotation


def image_size(path: Path) -> tuple[int, int]:
    """The (H, W) of an image file, from its header alone; DatasetError if it can't be read."""
    with _opened(path) as image:
        return image.height, image.width


def _opened(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except FileNotFoundError:
        raise DatasetError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as problem:
        reason = "not an image" if "cannot identify" in str(problem) else problem
        raise DatasetError(f"{path}: cannot be read ({reason})") from None


def _decoded(path: Path, image: Image.Image) -> Image.Image:
    try:
        image.load()
    except (OSError, SyntaxError, ValueError) as problem:
        raise DatasetError(f"{path}: damaged or truncated image ({problem})") from None
    return image


def _pixels(path: Path, image: Image.Image) -> np.ndarray:
    fast = _fast_pixels(path, image)
    return np.asarray(_decoded(path, image)) if fast is None else fast


FAST_MODES = {"RGB": (np.uint8, (3,)), "L": (np.uint8, ()), "I;16": (np.uint16, ())}


def _fast_pixels(path: Path, image: Image.Image) -> np.ndarray | None:
    """The pixels of a PNG in three quarters of Pillow's time, where imagecodecs is installed.

    None for files other than photographs and masks, and for damaged ones: Pillow then finds the
    words for what is wrong.
    """
    if image.format != "PNG" or image.mode not in FAST_MODES:
        return None
    try:
        from imagecodecs import png_decode
    except ImportError:
        return None
    try:
        pixels = png_decode(path.read_bytes())
    except (OSError, RuntimeError, ValueError):
        return None
    dtype, channels = FAST_MODES[image.mode]
    as_pillow = pixels.dtype == dtype and pixels.shape == (image.height, image.width, *channels)
    return pixels if as_pillow else None


def _check_size(path: Path, mask: np.ndarray, size: tuple[int, int] | None) -> None:
    if size is not None and mask.shape != tuple(size):
        raise DatasetError(
            f"{path}: mask is {mask.shape[0]}x{mask.shape[1]} (height x width), "
            f"its image is {size[0]}x{size[1]}"
        )


class SceneDataset(Cityscapes):
    """torchvision's Cityscapes dataset over the validated, sorted scenes of `list_scenes`.

    Items are (image, target) as torchvision documents them: PIL images, a polygon target as dict,
    a tuple of targets when `target_type` is a list.
    """

    def __init__(
        self,
        root: Path,
        split: str = "train",
        mode: str = "fine",
        target_type: str | Sequence[str] = "semantic",
        transforms: Callable | None = None,
    ) -> None:
        # Cityscapes.__init__ would build its own index; everything else of it is inherited.
        VisionDataset.__init__(self, root, transforms)
        self.scenes = list_scenes(root, split, mode)
        self.split, self.mode = split, MASK_FOLDERS[mode]
        self.target_type = [target_type] if isinstance(target_type, str) else list(target_type)
        self.images = [str(scene.image) for scene in self.scenes]
        self.targets = [
            [str(scene.target(kind)) for kind in self.target_type] for scene in self.scenes
        ]

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        try:
            return super().__getitem__(index)
        except OSError as problem:
            raise DatasetError(f"{self.scenes[index].image} or its mask: {problem}") from None
