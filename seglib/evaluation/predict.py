"""Labelling photographs from anywhere: label ids, colours and an overlay of each as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..data.photos import find_photos, read_photo
from ..errors import ImageError, choose
from ..files import atomic_path
from ..labels import ClassSet
from ..records import Record
from .predictor import Predictor

OUTPUTS = ("labelIds", "color", "overlay")


def overlay(image: np.ndarray, indices: np.ndarray, class_set: ClassSet) -> np.ndarray:
    """Blend an uint8 image (H, W, 3) with the colours of its classes at 50 %, outlines in full."""
    colors = class_set.colorize(indices)
    # The mean of two bytes without a wider copy: twelve megapixels stay at 36 MB an array.
    blended = (image & colors) + ((image ^ colors) >> 1)
    edge = np.zeros(indices.shape, dtype=bool)
    edge[:, 1:] |= indices[:, 1:] != indices[:, :-1]
    edge[1:] |= indices[1:] != indices[:-1]
    for _ in range(min(indices.shape) // 800):  # visible when a large photograph is shown small
        edge[:, :-1] |= edge[:, 1:].copy()
        edge[:-1] |= edge[1:].copy()
    blended[edge] = colors[edge]
    return blended


def predict_files(
    source: Record | Predictor,
    inputs: Sequence[Path | str],
    output: Path,
    *,
    device: str | None = None,
    outputs: Sequence[str] = OUTPUTS,
    progress: bool = True,
) -> list[Path]:
    """Label photographs and write `{stem}_labelIds.png`, `_color.png` and `_overlay.png` of each.

    `source`: a recorded run, or a predictor. `inputs`: image files, and folders whose images are
    all labelled. `output`: the folder to write to, made if it is missing. `outputs`: which of the
    three to write. Every file appears whole or not at all. One that cannot be read does not stop
    the others. Returns the written files; raises ImageError, or ConfigError, with one line.
    """
    output = Path(output)
    for kind in outputs:
        choose("output", kind, OUTPUTS)
    photos = find_photos(inputs, without=output)
    if not photos:
        raise ImageError("no image was given; name image files or folders")
    _check_names(photos)
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output}: is a file, expected a folder to write to")
    predictor = Predictor.from_record(source, device) if isinstance(source, Record) else source
    written: list[Path] = []
    problems: list[ImageError] = []
    for photo in tqdm(photos, "predict", unit="image", disable=not progress or len(photos) == 1):
        try:
            image = read_photo(photo)
        except ImageError as problem:
            problems.append(problem)
            continue
        indices = predictor(image).indices
        written += _write(output, photo.stem, image, indices, predictor.class_set, outputs)
    if problems and len(photos) > 1:
        done = f"{len(photos) - len(problems)} of {len(photos)} images labelled"
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        raise ImageError(f"{problems[0]}{more}; {done}")
    if problems:
        raise problems[0]
    return written


def _check_names(photos: Sequence[Path]) -> None:
    first: dict[str, Path] = {}
    for photo in photos:
        # Some file systems do not tell "A" from "a".
        other = first.setdefault(photo.stem.casefold(), photo)
        if other is not photo:
            raise ImageError(f"{other} and {photo} would be written to the same files; rename one")


def _write(
    folder: Path,
    stem: str,
    image: np.ndarray,
    indices: np.ndarray,
    class_set: ClassSet,
    outputs: Sequence[str],
) -> list[Path]:
    make = {
        "labelIds": lambda: class_set.decode(indices),
        "color": lambda: class_set.colorize(indices),
        "overlay": lambda: overlay(image, indices, class_set),
    }
    written = []
    for kind in outputs:
        target = folder / f"{stem}_{kind}.png"
        try:
            with atomic_path(target) as temporary:
                # Overlays are noisy like photographs: more effort takes seconds and saves little.
                Image.fromarray(make[kind]()).save(temporary, compress_level=3)
        except OSError as problem:
            reason = problem.strerror or problem
            raise ImageError(f"{target}: cannot be written ({reason})") from None
        written.append(target)
    return written
