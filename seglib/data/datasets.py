"""The datasets by name: what they are, making their trees, and telling versions apart."""

import functools
import hashlib
import inspect
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.contrib.concurrent import thread_map

import miniscapes

from .. import paths
from ..errors import ConfigError, DatasetError, choose
from ..files import atomic_folder, atomic_path, locked, read_json, write_json
from ..labels import CAMVID_11, CITYSCAPES_19, ClassSet
from . import camvid, cityscapes
from .images import read_label_ids
from .tree import Scene, list_scenes, stamp

MARKER = "dataset.json"  # what a generated or converted tree was made from


def generate(
    folder: Path, seed: int = 0, size: tuple[int, int] = (256, 512),
    counts: Mapping[str, int] = miniscapes.COUNTS, workers: int | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Draw MiniScapes into `folder`; options and their defaults as in `miniscapes.generate`."""
    options = {"seed": seed, "size": size, "counts": counts}  # those that change the data
    try:
        miniscapes.generate(folder, **options, workers=workers, progress=progress)
    except (ValueError, ChildProcessError) as problem:  # the latter where one was killed
        raise ConfigError(str(problem)) from None
    return {"version": miniscapes.VERSION, "options": options}


@dataclass(frozen=True)
class DatasetSpec:
    """What is fixed about a dataset."""

    name: str
    class_set: ClassSet  # the classes that are learned and scored
    scene_size: tuple[int, int]  # (H, W) of its images and masks, at which scores are computed
    train_size: tuple[int, int]  # (H, W) that training uses unless told otherwise
    # Writes the tree into an empty folder, from the keyword arguments of `prepare`, and returns
    # what the tree was made from, as JSON. Without it the tree is one that the user puts there.
    convert: Callable[..., dict[str, Any]] | None = None
    block: int = 1  # neighbouring scenes of a city (a video's frames) that intervals keep together
    like: str = ""  # the dataset whose scenes it has, too

    def root(self) -> Path:
        """The root of its tree, whether or not it is there yet (`prepare` makes it)."""
        if self.name == "cityscapes":
            return cityscapes.tree_root()
        return paths.data_dir() / self.name


DATASETS: dict[str, DatasetSpec] = {
    spec.name: spec
    for spec in (
        DatasetSpec("miniscapes", CITYSCAPES_19, (256, 512), (160, 320), generate),
        # Train goes on from the same 320 scenes; val and test are the same.
        DatasetSpec("miniscapes2560", CITYSCAPES_19, (256, 512), (160, 320),
                    functools.partial(generate, counts=miniscapes.COUNTS | {"train": 2560}),
                    like="miniscapes"),
        DatasetSpec("camvid", CAMVID_11, (360, 480), (240, 320), camvid.make_tree, block=20),
        DatasetSpec("cityscapes", CITYSCAPES_19, (1024, 2048), (512, 1024)),
    )
}


def dataset_spec(name: str) -> DatasetSpec:
    """The dataset called `name`; ConfigError lists the valid names for any other."""
    return DATASETS[choose("dataset", name, DATASETS)]


def prepare(
    name: str, source: Path | None = None, download: bool = False, *, force: bool = False,
    progress: bool = True, **options: Any,
) -> Path:
    """Make sure a dataset's tree is on disk and return its root; at once if it already is.

    `source`: the folder to convert, or the licensed copy of Cityscapes, to which a link is kept.
    `download`: fetch CamVid's published files. `force`: rebuild a tree that this function made
    before. `options`: further arguments of the converter, such as `seed` of `generate`. Safe when
    several processes ask at once. Raises ConfigError for an unknown dataset and for an option that
    has no effect or that the present tree was not made with, DatasetError for a dataset that is
    missing or damaged and cannot be made.
    """
    spec = dataset_spec(name)
    root, marker = spec.root(), spec.root() / MARKER
    source = source and Path(os.path.expanduser(source)).resolve()
    asked = {"source": source, "download": download, "force": force}
    options |= {key: value for key, value in asked.items() if value}
    known = {"force", *inspect.signature(spec.convert).parameters} if spec.convert else set()
    known |= {"source"} if name == "cityscapes" else set()
    for option in options.keys() - known:
        option = option.replace("source", "source (--from)")
        raise ConfigError(f"{name}: the option {option} has no effect on this dataset")
    if source and not source.exists():
        raise DatasetError(f"{source}: no such folder")
    lock = locked(paths.data_dir() / f".{name}.lock", f"prepares {name}")
    if name == "cityscapes":
        with lock:
            return cityscapes.prepare_tree(source, progress=progress)
    if spec.convert is None and not root.is_dir():
        raise DatasetError(f"{root}: no such folder; put the tree of {name} there")
    if spec.convert is None or (not force and _is_current(spec, marker, options)):
        return root
    with lock:
        if not force and _is_current(spec, marker, options):
            return root  # another process made it while this one waited
        if root.exists() and not marker.is_file() and any(root.iterdir()):
            what = f"was not made by seglib (no {MARKER}) and is not replaced; move it away"
            raise DatasetError(f"{root}: {what}")
        if not force and marker.is_file():
            why = "was made by another version of the generator, making it anew"
            print(f"note: {root} {why}", file=sys.stderr)
            options = read_json(marker, DatasetError).get("options", {}) | options
        options.pop("force", None)
        try:
            inspect.signature(spec.convert).bind(root, progress=progress, **options)
        except TypeError as problem:
            what = str(problem).replace("'source'", "'source' (--from)")
            raise ConfigError(f"{name}: {what}") from None
        with atomic_folder(root) as folder:
            made = spec.convert(folder, progress=progress, **options)
            made |= {"source": str(source)} if source else {}
            write_json(folder / MARKER, {"name": name, **made})
        if download:
            shutil.rmtree(paths.data_dir() / f"{name}_download", ignore_errors=True)
    return root


def _is_current(spec: DatasetSpec, marker: Path, options: dict[str, Any]) -> bool:
    """Whether the tree is there, a drawn one by today's generator; refuses other options."""
    if not marker.is_file():
        return False
    try:
        made = read_json(marker, DatasetError)
    except DatasetError as problem:
        raise DatasetError(f"{problem}; --force makes the dataset anew") from None
    generated = getattr(spec.convert, "func", spec.convert) is generate  # `func`: of a partial
    if generated and made.get("version") != miniscapes.VERSION:
        return False
    found = {**made.get("options", {}), "source": made.get("source", "unknown")}
    # As JSON has it, so that a tuple equals the list it was stored as.
    for key, value in json.loads(json.dumps(options, default=str)).items():
        if key not in ("workers", "download") and value != found.get(key):
            what = f"was made with {key}={found.get(key)}, not {value}; use --force to make it anew"
            raise ConfigError(f"{marker.parent} {what}")
    return True


def fingerprint(root: Path, split: str, mode: str = "fine") -> str:
    """What identifies the masks of a split: 16 hexadecimal digits.

    The sha256 covers every scene's split, name, size and decoded label ids, not the PNG files, as
    libraries compress differently. Raises DatasetError if the split or a mask is missing or broken.
    """
    scenes = list_scenes(root, split, mode)
    # The result is remembered under the files' sizes and times.
    memo = paths.cache_dir() / "fingerprints" / stamp(scene.label_ids for scene in scenes)[:32]
    with suppress(OSError):
        if re.fullmatch("[0-9a-f]{16}", value := memo.read_text("ascii", "replace")):
            return value
    digests = thread_map(_digest, scenes, disable=True)
    value = hashlib.sha256("".join(digests).encode()).hexdigest()[:16]
    # A memo that can't be kept costs time, nothing else.
    with suppress(OSError), atomic_path(memo) as temporary:
        temporary.write_text(value, "ascii")
    return value


def _digest(scene: Scene) -> str:
    label_ids = read_label_ids(scene.label_ids)
    header = os.fsencode(f"{scene.split}/{scene.city}/{scene.name} {label_ids.shape}")
    return hashlib.sha256(header + label_ids.tobytes()).hexdigest()
