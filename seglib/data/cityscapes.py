"""The user's licensed Cityscapes: `CITYSCAPES_DATASET` names its folder, unpacked or still zipped.

Nothing of it is ever downloaded; the official zip files are unpacked beside themselves.
"""

import os
import shutil
import zipfile
import zlib
from pathlib import Path

from tqdm.auto import tqdm

from .. import paths
from ..errors import ConfigError, DatasetError
from .tree import compare_counts

PUBLISHED_COUNTS = {"train": 2975, "val": 500, "test": 1525}
# The official downloads and the folders in them that are used.
ZIP_FILES = {
    "leftImg8bit_trainvaltest.zip": ("leftImg8bit/train", "leftImg8bit/val", "leftImg8bit/test"),
    "gtFine_trainvaltest.zip": ("gtFine/train", "gtFine/val", "gtFine/test"),
    "gtCoarse.zip": ("gtCoarse/train", "gtCoarse/val"),
}
VARIABLE = "CITYSCAPES_DATASET"  # the official scripts' name for it
SITE = "https://www.cityscapes-dataset.com/downloads/"
WANTED = (
    f"--from or {VARIABLE} must name the folder that holds leftImg8bit and gtFine, or the official "
    f"leftImg8bit_trainvaltest.zip and gtFine_trainvaltest.zip, of your licensed copy ({SITE})"
)
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


def tree_root() -> Path:
    """The folder that `CITYSCAPES_DATASET` names, else a copy or a link in the data folder."""
    return paths.chosen_folder(VARIABLE, paths.data_dir() / "cityscapes")


def prepare_tree(source: Path | None = None, *, progress: bool = True) -> Path:
    """Unpack what is not unpacked yet; returns `tree_root()`, from then on a link to `source`.

    A number of scenes that differs from the published one is reported. Raises DatasetError if data
    are missing, ConfigError if another folder than `source` is in use.
    """
    root, folder = tree_root(), source or tree_root()
    is_new = source is not None and not (root.exists() and root.samefile(source))
    if is_new and (os.environ.get(VARIABLE) or (root.exists() and not root.is_symlink())):
        where = f"{VARIABLE} names" if os.environ.get(VARIABLE) else "in use is the copy"
        raise ConfigError(f"{source}: {where} {root}; change that or leave this out")
    if not folder.is_dir():
        chosen = source or os.environ.get(VARIABLE) or root.is_symlink()
        problem = f"{folder}: no such folder" if chosen else f"{VARIABLE} is not set"
        raise DatasetError(f"{problem}; {WANTED}")
    for name, parts in ZIP_FILES.items():
        if (folder / name).is_file() and not all((folder / part).is_dir() for part in parts):
            unpack(folder / name, folder, progress=progress)
    if not (folder / "leftImg8bit").is_dir():
        raise DatasetError(f"{folder}: neither folders nor zip files of Cityscapes in it; {WANTED}")
    masks = {split: folder.glob(f"gtFine/{split}/*/*_labelIds.png") for split in PUBLISHED_COUNTS}
    counts = {split: len(list(found)) for split, found in masks.items()}
    compare_counts(folder, counts, PUBLISHED_COUNTS)
    if is_new:
        try:
            root.unlink(missing_ok=True)
            root.symlink_to(folder, target_is_directory=True)
        except OSError as problem:
            what = f"no link to {folder} ({problem.strerror}); set {VARIABLE} to that folder"
            raise DatasetError(f"{root}: {what}") from None
    return root


def unpack(archive: Path, root: Path, *, progress: bool = True) -> None:
    """Unpack one of `ZIP_FILES` into `root`, each split becoming visible only when complete.

    Raises DatasetError for a damaged, unsafe or encrypted archive, and for too small a disk.
    """
    staging = root / f".{archive.stem}.unpacking"
    shutil.rmtree(staging, ignore_errors=True)  # of a killed process: our caller holds a lock
    try:
        with zipfile.ZipFile(archive) as opened:
            members = opened.infolist()
            needed, free = sum(m.file_size for m in members), shutil.disk_usage(root).free
            if needed > free:
                sizes = f"{needed / 1e9:.1f} GB in {root}, {free / 1e9:.1f} GB are free"
                raise DatasetError(f"{archive}: unpacking needs {sizes}")
            for member in tqdm(members, f"unpacking {archive.name}", disable=not progress):
                # Checks the CRC; a link becomes a file, and a name that leads elsewhere another.
                if Path(opened.extract(member, staging)) != staging / member.orig_filename:
                    name = member.orig_filename
                    raise DatasetError(f"{archive}: refused, member {name!r} lies elsewhere")
        for part in ZIP_FILES[archive.name]:
            if (staging / part).is_dir() and not (root / part).exists():
                (root / part).parent.mkdir(parents=True, exist_ok=True)
                (staging / part).rename(root / part)
    except DAMAGED as problem:
        advice = f"download it again from {SITE}"
        raise DatasetError(f"{archive}: damaged zip file ({problem}); {advice}") from None
    except OSError as problem:
        advice = f"unpack it elsewhere and set {VARIABLE} to that folder"
        raise DatasetError(f"{archive}: not unpacked ({problem.strerror}); {advice}") from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)
