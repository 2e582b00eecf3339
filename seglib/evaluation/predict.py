"""Labelling photographs from anywhere: label ids, colours and an overlay of each as PNG files."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from ..data.images import find_photos, read_photo
from ..errors import ImageError
from ..files import atomic_path
from ..labels import ClassSet
from ..plots.style import overlay
from .predictor import Predictor


def predict_files(
    predictor: Predictor, inputs: Sequence[Path | str], output: Path, *, progress: bool = True
) -> list[Path]:
    """Label photographs and write `{stem}_labelIds.png`, `_color.png` and `_overlay.png` of each.

    `inputs`: image files, and folders whose images are all labelled. `output`: the folder to write
    to, made if it is missing. One that cannot be read does not stop the others. Returns the written
    files; raises ImageError with one line.
    """
    output = Path(output)
    photos = find_photos(inputs, without=output)
    if not photos:
        raise ImageError("no image was given; name image files or folders")
    by_stem: dict[str, Path] = {}
    for photo in photos:
        # Some file systems do not tell "A" from "a".
        other = by_stem.setdefault(photo.stem.casefold(), photo)
        if other is not photo:
            raise ImageError(f"{other} and {photo} would be written to the same files; rename one")
    if output.exists() and not output.is_dir():
        raise ImageError(f"{output}: is a file, expected a folder to write to")
    written: list[Path] = []
    problems: list[ImageError] = []
    for photo in tqdm(photos, "predict", unit="image", disable=not progress or len(photos) == 1):
        try:
            image = read_photo(photo)
        except ImageError as problem:
            problems.append(problem)
            continue
        written += _write(output, photo.stem, image, predictor(image).indices, predictor.class_set)
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        done = f"{len(photos) - len(problems)} of {len(photos)} images labelled"
        raise ImageError(f"{problems[0]}{more}; {done}")
    return written


def _write(
    folder: Path, stem: str, image: np.ndarray, indices: np.ndarray, class_set: ClassSet
) -> list[Path]:
    # Overlays are blended in eight bytes a value: a few rows at a time.
    blocks = [slice(top, top + 256) for top in range(0, len(image), 256)]
    pictures = {
        "labelIds": class_set.decode(indices),
        "color": class_set.colorize(indices),
        "overlay": np.concatenate([overlay(image[b], indices[b], class_set) for b in blocks]),
    }
    written = []
    for kind, picture in pictures.items():
        target = folder / f"{stem}_{kind}.png"
        try:
            with atomic_path(target) as temporary:
                # Overlays are noisy like photographs: more effort takes seconds and saves little.
                Image.fromarray(picture).save(temporary, compress_level=3)
        except OSError as problem:
            reason = problem.strerror or problem
            raise ImageError(f"{target}: cannot be written ({reason})") from None
        written.append(target)
    return written
