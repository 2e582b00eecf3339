"""The Cityscapes tree, in which every dataset lies on disk: which scenes a folder holds.

    {root}/leftImg8bit/{split}/{city}/{city}_{seq}_{frame}_leftImg8bit.png
    {root}/gtFine|gtCoarse/{split}/{city}/{city}_{seq}_{frame}_gtFine|gtCoarse_{labelIds.png, ...}

Not torchvision's `Cityscapes`: its index follows the directory's order, trips over stray files,
and takes an image without a mask for a scene.
"""

from dataclasses import dataclass
from pathlib import Path

from ..errors import DatasetError, choose

IMAGE_FOLDER = "leftImg8bit"
MASK_FOLDERS = {"fine": "gtFine", "coarse": "gtCoarse"}
SPLITS = {"fine": ("train", "val", "test"), "coarse": ("train", "val", "train_extra")}


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


def list_scenes(root: Path, split: str, mode: str = "fine") -> list[Scene]:
    """The scenes of one split, sorted by name, each image paired with its label-id mask.

    Args:
        root: the folder that holds `leftImg8bit` and `gtFine` or `gtCoarse`.
        split: "train", "val" or "test"; with coarse masks "train", "val" or "train_extra".
        mode: "fine" or "coarse".

    Raises:
        ConfigError: unknown mode, or a split that the mode does not have.
        DatasetError: a folder is missing, an image lacks its mask or a mask its image, or the
            split is empty; the message names the path, what was expected and its download.
    """
    choose("mask mode", mode, SPLITS)
    choose(f"split of {mode} masks", split, SPLITS[mode])
    root, folder = Path(root), MASK_FOLDERS[mode]
    images = _cities(root, IMAGE_FOLDER, split, ".png")
    masks = _cities(root, folder, split, "_labelIds.png")
    for name, city in sorted({**masks, **images}.items()):
        scene = Scene(root, split, city, name, mode)
        if masks.get(name) != images.get(name):
            found, missing = ("image", "mask") if name in images else ("mask", "image")
            paths = {"image": scene.image, "mask": scene.label_ids}
            source = _download(folder if missing == "mask" else IMAGE_FOLDER, split)
            raise DatasetError(
                f"{paths[found]}: {found} without {missing}, expected {paths[missing]} ({source})"
            )
    return [Scene(root, split, city, name, mode) for name, city in sorted(images.items())]


def _cities(root: Path, component: str, split: str, ending: str) -> dict[str, str]:
    """Scene name to city for every file of one kind; hidden and foreign files are passed over."""
    folder, suffix = root / component / split, f"_{component}{ending}"
    found = {
        path.name.removesuffix(suffix): path.parent.name
        for path in folder.glob(f"[!.]*/[!.]*{suffix}")
    }
    if not found:
        missing = [path for path in (root, root / component, folder) if not path.is_dir()]
        what = "no such folder" if missing else "the split is empty"
        expected = f"expected <root>/{component}/{split}/<city>/*{suffix}"
        raise DatasetError(
            f"{[*missing, folder][0]}: {what}, {expected} ({_download(component, split)})"
        )
    return found


def _download(component: str, split: str) -> str:
    """Which official zip file holds one part of Cityscapes, as a hint."""
    name = {"gtCoarse": "gtCoarse", "gtFine": "gtFine_trainvaltest"}.get(component)
    if name is None:
        name = f"leftImg8bit_{'trainextra' if split == 'train_extra' else 'trainvaltest'}"
    return f"Cityscapes: in {name}.zip"
