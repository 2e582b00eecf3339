"""The three datasets by name: what they are, making their trees, and telling versions apart."""

import hashlib
import inspect
import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from .. import paths
from ..errors import ConfigError, DatasetError, choose
from ..files import atomic_folder, read_json, write_json
from ..labels import CAMVID_11, CITYSCAPES_19, ClassSet
from . import camvid, cityscapes
from .parallel import in_parallel
from .tree import MASK_FOLDERS, SPLITS, Scene, list_scenes, read_label_ids

MARKER = "dataset.json"  # what a generated or converted tree was made from


@dataclass(frozen=True)
class DatasetSpec:
    """What is fixed about a dataset."""

    name: str
    class_set: ClassSet  # the classes that are learned and scored
    image_size: tuple[int, int]  # (H, W) of its images and masks, at which scores are computed
    train_size: tuple[int, int]  # (H, W) that training uses unless told otherwise
    has_instances: bool
    has_coarse: bool
    splits: tuple[str, ...]

    def root(self) -> Path:
        """The root of its tree, whether or not it is there yet (`prepare` makes it)."""
        if self.name == "cityscapes":
            return cityscapes.tree_root()
        return paths.data_dir() / self.name


_FINE = SPLITS["fine"]
DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec("miniscapes", CITYSCAPES_19, (256, 512), (160, 320), True, True, _FINE),
        DatasetSpec("camvid", CAMVID_11, (360, 480), (192, 256), False, False, _FINE),
        DatasetSpec(
            "cityscapes",
            CITYSCAPES_19,
            (1024, 2048),
            (512, 1024),
            True,
            True,
            (*_FINE, "train_extra"),
        ),
    )
}


def dataset_spec(name: str) -> DatasetSpec:
    """The dataset called `name`; ConfigError lists the valid names for any other."""
    return DATASETS[choose("dataset", name, DATASETS)]


def prepare(
    name: str,
    source: Path | None = None,
    download: bool = False,
    *,
    force: bool = False,
    progress: bool = True,
    **options: Any,
) -> Path:
    """Make sure a dataset's tree is on disk and return its root; at once if it already is.

    Two processes may call this together: one builds, the other waits, and the tree appears as a
    whole or not at all.

    Args:
        name: a key of `DATASETS`.
        source: camvid: the published folder to convert; cityscapes: the folder of the licensed
            copy, instead of `CITYSCAPES_DATASET`.
        download: camvid: fetch the published files.
        force: rebuild a tree that this function made before.
        progress: show progress bars.
        options: miniscapes: arguments of its `generate` (seed, size, counts, workers); camvid:
            `base_url`, `checksums`, `threads` and `retries` of its `download`.

    Raises:
        ConfigError: unknown dataset, or an option that the present tree was not made with.
        DatasetError: the dataset is missing or damaged and cannot be made; one line says why.
    """
    root = dataset_spec(name).root()
    if name == "cityscapes":
        folder = Path(source).expanduser().absolute() if source else None
        with _lock("cityscapes"):
            return cityscapes.prepare_tree(folder or cityscapes.source_folder(), progress=progress)
    if not force and _is_current(name, root, options) and not _downloads(name).exists():
        return root
    with _lock(name):
        if not force and _is_current(name, root, options):
            # Another process made it while this one waited, or was killed before it tidied up.
            shutil.rmtree(_downloads(name), ignore_errors=True)
            return root
        _refuse_to_replace(root)
        for leftover in root.parent.glob(f".{name}.*"):  # of a killed process: the lock is ours
            if leftover.is_dir() and leftover.suffix in (".tmp", ".old"):
                shutil.rmtree(leftover, ignore_errors=True)
        if name == "miniscapes":
            if not force and (root / MARKER).is_file():  # of an older generator: keep its options
                options = read_json(root / MARKER, DatasetError)["options"] | options
            _make_miniscapes(root, progress, options)
        else:
            _make_camvid(root, source, download, progress, options)
    return root


def _make_miniscapes(root: Path, progress: bool, options: dict[str, Any]) -> None:
    import miniscapes  # here because only making the data needs the generator

    defaults = inspect.signature(miniscapes.generate).parameters
    for key in options:
        choose("option of miniscapes", key, defaults)
    # All of them, so that a later change of a default is seen too. The number of workers and the
    # progress bar do not change the data.
    recorded = {key: defaults[key].default for key in ("seed", "size", "counts")} | options
    recorded.pop("workers", None)
    with atomic_folder(root) as folder:
        try:
            miniscapes.generate(folder, progress=progress, **options)
        except ValueError as problem:
            raise ConfigError(str(problem)) from None
        except OSError as problem:
            reason = problem.strerror or problem
            raise DatasetError(f"{problem.filename or root}: {reason}") from None
        _write_marker(folder, "miniscapes", recorded, miniscapes.VERSION)


def _make_camvid(
    root: Path, source: Path | None, download: bool, progress: bool, options: dict[str, Any]
) -> None:
    if source is None and not download:
        raise DatasetError(f"{root}: CamVid is not there; {camvid.HOW_TO_GET}")
    downloads = _downloads("camvid")
    counts = None
    if source is None:
        counts = camvid.download(downloads, progress=progress, **options)
    with atomic_folder(root) as folder:
        found = camvid.convert(
            Path(source) if source else downloads,
            folder,
            expected_counts=counts,
            progress=progress,
        )
        _write_marker(folder, "camvid", {"counts": found}, camvid.COMMIT)
    if source is None:
        shutil.rmtree(downloads, ignore_errors=True)  # the tree now holds every image


def _downloads(name: str) -> Path:
    """Where a dataset's published files are kept until its tree is complete."""
    return paths.data_dir() / f"{name}_download"


def _write_marker(folder: Path, name: str, options: dict[str, Any], version: int | str) -> None:
    write_json(folder / MARKER, {"name": name, "version": version, "options": options})


def _is_current(name: str, root: Path, options: dict[str, Any]) -> bool:
    """Whether the tree is there, made by today's generator and with these options."""
    if not (root / MARKER).is_file():
        return False
    if name != "miniscapes":
        return True
    import miniscapes

    made = read_json(root / MARKER, DatasetError)
    if made.get("version") != miniscapes.VERSION:
        print(
            f"note: {root} was made by another version of the generator, making it anew",
            file=sys.stderr,
        )
        return False
    # Through JSON and back, so that a tuple equals the list it was stored as.
    wanted = json.loads(json.dumps({k: v for k, v in options.items() if k != "workers"}))
    for key, value in wanted.items():
        if made["options"].get(key) != value:
            raise ConfigError(
                f"{root} was made with {key}={made['options'].get(key)}, not {value}; "
                "use --force to make it anew"
            )
    return True


def _refuse_to_replace(root: Path) -> None:
    if root.exists() and not (root / MARKER).is_file() and any(root.iterdir()):
        raise DatasetError(
            f"{root}: was not made by seglib (no {MARKER}) and is not replaced; move it away"
        )


@contextmanager
def _lock(name: str) -> Iterator[None]:
    folder = paths.data_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            print(f"waiting: another process prepares {name}", file=sys.stderr)
            lock.acquire()
    except OSError as problem:
        raise DatasetError(
            f"{folder}: cannot be written ({problem.strerror}); set SEGLIB_HOME to another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def fingerprint(root: Path, splits: Sequence[str] = ("train", "val", "test")) -> str:
    """What identifies a dataset's fine masks: 16 hexadecimal digits.

    The sha256 covers every scene's split, name, size and decoded label ids, not the PNG files, as
    compression differs between library versions. Splits that the tree lacks are left out. The
    result is remembered under the files' sizes and times.

    Raises:
        DatasetError: no split is there, or a mask is missing or damaged.
    """
    root = Path(root)
    present = [split for split in splits if (root / MASK_FOLDERS["fine"] / split).is_dir()]
    scenes = [scene for split in present or splits[:1] for scene in list_scenes(root, split)]
    files = [scene.label_ids for scene in scenes]
    stats = [(str(path.relative_to(root)), *_size_and_time(path)) for path in files]
    key = hashlib.sha256(json.dumps([str(root.absolute()), stats]).encode()).hexdigest()[:32]
    memo = paths.cache_dir() / "fingerprints" / f"{key}.json"
    if memo.is_file():
        return str(read_json(memo, DatasetError)["fingerprint"])
    digests = in_parallel(_scene_digest, scenes, description="fingerprint", progress=False)
    value = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
    try:
        write_json(memo, {"fingerprint": value})
    except OSError:
        pass  # a memo that can't be kept costs time, nothing else
    return value


def _size_and_time(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_size, status.st_mtime_ns


def _scene_digest(scene: Scene) -> str:
    label_ids = read_label_ids(scene.label_ids)
    header = f"{scene.split}/{scene.city}/{scene.name} {label_ids.shape}"
    return hashlib.sha256(header.encode() + label_ids.tobytes()).hexdigest()
