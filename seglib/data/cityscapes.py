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
from collections.abc import Iterable
from pathlib import Path

from tqdm.auto import tqdm

from .. import paths
from ..errors import DatasetError
from ..files import atomic_path

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
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def source_folder() -> Path:
    """The folder that `CITYSCAPES_DATASET` names, or else a copy in the project's data folder.

    DatasetError if the variable is not set and there is no such copy.
    """
    if chosen := os.environ.get(VARIABLE):
        return Path(chosen).expanduser().absolute()
    if unpacked_folder().is_dir():
        return unpacked_folder()
    raise DatasetError(
        f"{VARIABLE} is not set: set it to the folder that holds leftImg8bit and gtFine, or "
        f"the official zip files, of your licensed copy ({SITE})"
    )


def unpacked_folder() -> Path:
    """Where a copy from a read-only folder is unpacked."""
    return paths.data_dir() / "cityscapes"


def tree_root() -> Path:
    """The root that `prepare_tree` returns for `CITYSCAPES_DATASET`, found without unpacking."""
    chosen = os.environ.get(VARIABLE)
    folder = Path(chosen).expanduser().absolute() if chosen else unpacked_folder()
    return unpacked_folder() if _unpacks_elsewhere(folder) else folder


def prepare_tree(folder: Path, *, progress: bool = True) -> Path:
    """Unpack the official zip files in `folder` that are not unpacked yet.

    Safe to interrupt: a split appears under its name only when all of it is there, and files
    already unpacked are kept for the next attempt. The caller holds the lock.

    Args:
        folder: the tree's root, holding unpacked folders, official zip files or both.
        progress: show a progress bar per zip file.

    Returns:
        The root of the tree: `folder`, or `unpacked_folder()` where `folder` is read-only.

    Raises:
        DatasetError: the folder is missing or holds neither, or a zip file is damaged, unsafe or
            too large for the disk.
    """
    if not folder.is_dir():
        raise DatasetError(
            f"{folder}: no such folder; {VARIABLE} must name the folder that holds leftImg8bit and "
            f"gtFine, or the official zip files ({SITE})"
        )
    destination = folder
    if _unpacks_elsewhere(folder):
        destination = unpacked_folder()
        destination.mkdir(parents=True, exist_ok=True)
        for part in sorted({part for parts in PACKAGES.values() for part in parts}):
            link = destination / part
            if (folder / part).is_dir() and not link.exists():
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(folder / part, target_is_directory=True)
    for archive in _packed(folder):
        unpack(archive, destination, PACKAGES[archive.name], progress=progress)
    if not (destination / "leftImg8bit").is_dir():
        raise DatasetError(
            f"{folder}: expected the folders leftImg8bit and gtFine, or the official zip files "
            f"leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip ({SITE})"
        )
    return destination


def unpack(
    archive: Path, destination: Path, parts: Iterable[str], *, progress: bool = True
) -> None:
    """Unpack the wanted folders of a zip file, each becoming visible only when complete.

    Args:
        archive: the zip file. Every member's name is checked before anything is written.
        destination: the folder that receives them.
        parts: folders inside the archive, such as "leftImg8bit/train"; those already in
            `destination` are skipped.
        progress: show a progress bar.

    Raises:
        DatasetError: damaged, unsafe or encrypted archive, or not enough disk space.
    """
    parts = [part for part in parts if not (destination / part).exists()]
    if not parts:
        return
    # A fixed name, not a random one: the next attempt finds the files of a killed one here.
    staging = destination / f".{archive.stem}.unpacking"
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            _refuse_unsafe(archive, members)
            prefixes = tuple(f"{part}/" for part in parts)
            wanted = [m for m in members if m.filename.startswith(prefixes) and not m.is_dir()]
            todo = [m for m in wanted if _stored_size(staging / m.filename) != m.file_size]
            _check_space(archive, destination, sum(m.file_size for m in todo))
            for member in tqdm(todo, f"unpacking {archive.name}", disable=not progress):
                # The temporary name makes a file either absent or complete.
                with (
                    atomic_path(staging / member.filename) as temporary,
                    opened.open(member) as packed,  # checks the CRC while reading
                    open(temporary, "wb") as file,
                ):
                    shutil.copyfileobj(packed, file, 1 << 20)
    except _DAMAGED as problem:
        raise DatasetError(
            f"{archive}: damaged or incomplete zip file ({problem}); download it again from {SITE}"
        ) from None
    for part in parts:
        if (staging / part).is_dir():
            (destination / part).parent.mkdir(parents=True, exist_ok=True)
            (staging / part).rename(destination / part)
    shutil.rmtree(staging, ignore_errors=True)


def _unpacks_elsewhere(folder: Path) -> bool:
    return bool(_packed(folder)) and not os.access(folder, os.W_OK)


def _packed(folder: Path) -> list[Path]:
    """The official zip files in a folder of which some part is not unpacked there."""
    return [
        folder / name
        for name, parts in PACKAGES.items()
        if (folder / name).is_file() and not all((folder / part).is_dir() for part in parts)
    ]


def _refuse_unsafe(archive: Path, members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        name = member.orig_filename.replace("\\", "/")
        outside = name.startswith("/") or re.match(r"[A-Za-z]:", name) or ".." in name.split("/")
        link = stat.S_ISLNK(member.external_attr >> 16)
        if outside or link or "\0" in name:
            raise DatasetError(
                f"{archive}: refused, member {member.orig_filename!r} "
                f"{'is a link' if link else 'lies outside the folder'}; official files have none"
            )


def _check_space(archive: Path, destination: Path, needed: int) -> None:
    free = shutil.disk_usage(destination).free
    if needed > free:
        raise DatasetError(
            f"{archive}: unpacking needs {needed / 1e9:.1f} GB in {destination}, "
            f"{free / 1e9:.1f} GB are free"
        )


def _stored_size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
