"""Labelling photographs from anywhere: label ids, colours and an overlay of each as files."""

import os
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..data.images import SUFFIXES, read_photo
from ..data.tree import IMAGE_FOLDER
from ..errors import ImageError
from ..files import atomic_path, check_writable
from ..labels import ClassSet
from .predictor import Predictor


def predict_files(
    predictor: Predictor, inputs: Sequence[Path | str], output: Path | str, *,
    progress: bool = True,
) -> list[Path]:
    """Label photographs and write `{name}_labelIds.png`, `color_{name}.png`, `overlay_{name}.jpg`.

    `inputs`: image files, and folders with all images in them. `output`: the folder to write to,
    made if it is missing; the sub-folders in which the images lie are kept. Names are such that the
    Cityscapes evaluator, which takes whatever begins like a scene, finds the label ids alone. An
    image that cannot be read does not stop the others. Returns the written files; raises
    ImageError with one line, SeglibError for an output that cannot be written.
    """
    output = Path(os.path.expanduser(output))
    if not (photos := find_photos(inputs)):
        raise ImageError("no image was given; name image files or folders")
    # Some file systems do not tell "A" from "a".
    taken = {str(photo.absolute()).casefold(): photo for photo in photos}
    for photo, name in photos.items():
        for target in _targets(output / name):
            other = taken.setdefault(str(target.absolute()).casefold(), photo)
            if other is not photo:
                what = f"{target} would take the place of {other} or of its results; rename one"
                raise ImageError(f"{photo}: {what}")
    check_writable(output, "the output")
    written: list[Path] = []
    problems: list[ImageError] = []
    bar = tqdm(photos.items(), "predict", unit="image", disable=not progress or len(photos) == 1)
    for photo, name in bar:
        try:
            image = read_photo(photo)
            written += _write(output / name, image, predictor(image).indices, predictor.class_set)
        except ImageError as problem:
            problems.append(problem)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        done = f"{len(photos) - len(problems)} of {len(photos)} images labelled"
        raise ImageError(f"{problems[0]}{more}; {done}")
    return written


def find_photos(inputs: Sequence[Path | str]) -> dict[Path, Path]:
    """The image files among `inputs`, and for each the relative path, without ending, of results.

    Files as given; of folders all images in them and their sub-folders, sorted. Passed over are
    hidden files, results of ours and masks of Cityscapes, and with one line on stderr what is no
    image. Of several inputs a folder keeps its name. Raises ImageError for a path that does not
    exist and a folder without an image.
    """
    names: dict[Path, Path] = {}
    others: Counter[str] = Counter()
    for given in (Path(os.path.expanduser(each)) for each in inputs):
        found = {given: Path(given.name)}
        if given.is_dir():
            files = {file: file.relative_to(given) for file in _files_in(given, set())}
            found = {file: at for file, at in files.items() if file.suffix.lower() in SUFFIXES}
            if not found:
                kinds = " ".join(sorted(SUFFIXES))
                raise ImageError(f"{given}: no images in this folder, expected files named {kinds}")
            others.update(file.suffix.lower() or file.name for file in files if file not in found)
            kept = os.path.basename(os.path.abspath(given)) if len(inputs) > 1 else ""
            found = {file: kept / at for file, at in found.items() if not _is_result(file)}
        elif not given.exists():
            raise ImageError(f"{given}: no such file or folder")
        for file, at in found.items():  # as Cityscapes names predictions
            name = at.stem.removesuffix(f"_{IMAGE_FOLDER}") or at.stem
            names.setdefault(file, at.with_name(name))
    if others:
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(others.items()))
        print(f"note: passed over, no images of a known kind: {kinds}", file=sys.stderr)
    return names


def _files_in(folder: Path, entered: set[Path]) -> Iterator[Path]:
    """Files of a folder and its sub-folders, also of linked ones, each entered once; sorted."""
    entered.add(folder.resolve())
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == "__MACOSX":
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and path.resolve() not in entered:
            yield from _files_in(path, entered)


def _is_result(file: Path) -> bool:
    """Whether a file is a mask, ours or of Cityscapes, or made from one, which is beside it."""
    patterns = ("^(color|overlay)_", "_((label|instance)(Train)?Ids|color|overlay)$")
    photos = {re.sub(pattern, "", file.stem) for pattern in patterns} - {file.stem}
    return any(file.with_name(f"{photo}_labelIds.png").exists() for photo in photos)


def _targets(place: Path) -> list[Path]:
    """The files of one photograph's results."""
    names = f"{place.name}_labelIds.png", f"color_{place.name}.png", f"overlay_{place.name}.jpg"
    return [place.with_name(name) for name in names]


def _write(place: Path, image: np.ndarray, indices: np.ndarray, classes: ClassSet) -> list[Path]:
    # Overlays are blended in eight bytes a value: a few rows at a time.
    blocks = [slice(top, top + 256) for top in range(0, len(image), 256)]
    blended = np.concatenate([classes.overlay(image[b], indices[b]) for b in blocks])
    pictures = classes.decode(indices), classes.colorize(indices), blended
    for target, picture in zip(_targets(place), pictures, strict=True):
        try:
            with atomic_path(target) as temporary:
                Image.fromarray(picture).save(temporary, compress_level=3, quality=90)
        except OSError as problem:
            reason = problem.strerror or problem
            raise ImageError(f"{target}: cannot be written ({reason})") from None
    return _targets(place)
