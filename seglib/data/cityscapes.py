"""The user's licensed Cityscapes: `CITYSCAPES_DATASET` names its folder, unpacked or still zipped.

Nothing of it is ever downloaded: registration at cityscapes-dataset.com is needed. The official zip
files are unpacked beside themselves or, from a read-only folder, into this project's data folder.
"""

import os
import re
import shutil
import stat
import zipfile
import zlib
from pathlib import Path

from tqdm.auto import tqdm

from .. import paths
from ..errors import DatasetError

VARIABLE = "CITYSCAPES_DATASET"  # the official scripts' name for it
SITE = "https://www.cityscapes-dataset.com/downloads/"
# What each official download holds: the folders that unpacking it must bring.
PACKAGES: dict[str, tuple[str, ...]] = {
    "leftImg8bit_trainvaltest.zip": tuple(
        f"leftImg8bit/{split}" for split in ("train", "val", "test")
    ),
    "gtFine_trainvaltest.zip": tuple(f"gtFine/{split}" for split in ("train", "val", "test")),
    "gtCoarse.zip": tuple(f"gtCoarse/{split}" for split in ("train", "train_extra", "val")),
    "leftImg8bit_trainextra.zip": ("leftImg8bit/train_extra",),
}
WANTED = (
    f"{VARIABLE} must name the folder that holds leftImg8bit and gtFine, or the official files "
    f"leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, of your licensed copy ({SITE})"
)


def tree_root() -> Path:
    """The root that `prepare_tree` returns for `CITYSCAPES_DATASET`, found without unpacking."""
    return _destination(_folder(os.environ.get(VARIABLE)))


def prepare_tree(source: Path | str | None = None, *, progress: bool = True) -> Path:
    """Unpack the official zip files that are not unpacked yet and return the tree's root.

    A split appears under its name only when all of it is there. The caller holds the lock.

    Args:
        source: the folder with unpacked folders, official zip files or both; None is the one that
            `CITYSCAPES_DATASET` names, or else the copy in the project's data folder.
        progress: show a progress bar per zip file.

    Raises:
        DatasetError: the folder is missing or holds neither, or a zip file is damaged, unsafe or
            too large for the disk.
    """
    chosen = source or os.environ.get(VARIABLE)
    folder = _folder(chosen)
    if not folder.is_dir():
        problem = f"{folder}: no such folder" if chosen else f"{VARIABLE} is not set"
        raise DatasetError(f"{problem}; {WANTED}")
    root = _destination(folder)
    if root != folder:  # what is unpacked in the read-only folder is used where it is
        for part in sorted({part for parts in PACKAGES.values() for part in parts}):
            if (folder / part).is_dir() and not (root / part).exists():
                (root / part).parent.mkdir(parents=True, exist_ok=True)
                (root / part).symlink_to(folder / part, target_is_directory=True)
    for archive in _packed(folder, root):
        unpack(archive, root, progress=progress)
    if not (root / "leftImg8bit").is_dir():
        raise DatasetError(f"{folder}: neither folders nor zip files of Cityscapes in it; {WANTED}")
    return root


def unpack(archive: Path, root: Path, *, progress: bool = True) -> None:
    """Unpack one of `PACKAGES` into `root`, each split becoming visible only when complete.

    Raises DatasetError for a damaged, encrypted or unsafe archive, and for too small a disk.
    """
    staging = root / f".{archive.stem}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # of a killed process: the lock is ours
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _refuse_unsafe(archive, members)
            needed, free = sum(m.file_size for m in members), shutil.disk_usage(root).free
            if needed > free:
                sizes = f"{needed / 1e9:.1f} GB in {root}, {free / 1e9:.1f} GB are free"
                raise DatasetError(f"{archive}: unpacking needs {sizes}")
            for member in tqdm(members, f"unpacking {archive.name}", disable=not progress):
                opened.extract(member, staging)  # checks the CRC
        for part in PACKAGES[archive.name]:
            if (staging / part).is_dir() and not (root / part).exists():
                (root / part).parent.mkdir(parents=True, exist_ok=True)
                (staging / part).rename(root / part)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as problem:
        advice = f"download it again from {SITE}"
        raise DatasetError(f"{archive}: damaged zip file ({problem}); {advice}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _folder(chosen: Path | str | None) -> Path:
    return Path(chosen).expanduser().absolute() if chosen else paths.data_dir() / "cityscapes"


def _destination(folder: Path) -> Path:
    """Where the zip files of a folder are unpacked, which then is the tree's root."""
    elsewhere = _packed(folder, folder) and not os.access(folder, os.W_OK)
    return paths.data_dir() / "cityscapes" if elsewhere else folder


def _packed(folder: Path, root: Path) -> list[Path]:
    """The official zip files in a folder of which some part is not in `root`."""
    return [
        folder / name
        for name, parts in PACKAGES.items()
        if (folder / name).is_file() and not all((root / part).is_dir() for part in parts)
    ]


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.orig_filename.replace("\\", "/")
        outside = name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/")
        link = stat.S_ISLNK(member.external_attr >> 16)
        if outside or link or "\0" in name:
            what = "is a link" if link else "lies outside the folder"
            raise DatasetError(f"{archive}: refused, member {member.orig_filename!r} {what}")
