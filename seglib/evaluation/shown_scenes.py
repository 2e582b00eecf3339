"""The dozen scenes whose predictions a record keeps, with their photographs and true masks."""

from dataclasses import dataclass

import numpy as np
from scipy.signal import fftconvolve

from ..data.images import read_label_ids, read_photo
from ..data.tree import list_scenes
from ..errors import ConfigError, RecordError
from ..labels import IGNORE_INDEX
from ..records import Record
from .boundaries import boundary_distance


@dataclass(frozen=True)
class Gallery:
    """Scenes in order of their names, everything at the labels' own resolution.

    `images`: uint8 (H, W, 3). `truths` and `predictions`: class indices uint8 (H, W), void is 255.
    """

    names: list[str]
    images: list[np.ndarray]
    truths: list[np.ndarray]
    predictions: list[np.ndarray]

    def accuracies(self) -> np.ndarray:
        """Share of the scored pixels that are right, float64 (N,)."""
        pairs = zip(self.truths, self.predictions, strict=True)
        return np.array([(t == p)[t != IGNORE_INDEX].mean() for t, p in pairs])

    def ranked(self, count: int = 3) -> list[int]:
        """Positions of `count` scenes from the best predicted to the worst, evenly spread."""
        if not 1 <= count <= len(self.names):
            raise ConfigError(f"count {count!r} must be between 1 and {len(self.names)} scenes")
        order = np.argsort(-self.accuracies(), kind="stable")
        return order[np.linspace(0, len(order) - 1, count).round().astype(int)].tolist()


def load_gallery(record: Record, split: str = "val") -> Gallery:
    """Read a record's kept predictions of a split with the photographs and masks they belong to.

    Raises `RecordError` if the record keeps none, or keeps one of a scene that the dataset on this
    disk doesn't hold; `DatasetError` if the dataset is missing or damaged.
    """
    kept = record.predictions(split)
    if not kept:
        raise RecordError(f"{record.path}: keeps no predictions of the {split!r} split")
    encode = record.dataset.class_set.encode
    scenes = {scene.name: scene for scene in list_scenes(record.dataset.root(), split)}
    if unknown := [name for name in kept if name not in scenes]:
        raise RecordError(
            f"{record.path}: its scene {unknown[0]!r} is not in {record.dataset.root()}; "
            "was the dataset made with other options?"
        )
    return Gallery(
        list(kept), [read_photo(scenes[name].image) for name in kept],
        [encode(read_label_ids(scenes[name].label_ids)) for name in kept],
        [encode(label_ids) for label_ids in kept.values()],
    )


def busiest_window(mask: np.ndarray, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the `size` (height, width) cut-out with the most class boundary in it.

    `mask`: class indices uint8 (H, W), at least as large as `size`; 255 is void. Cut-outs that are
    more than a tenth void don't count unless all are.
    """
    height, width = size
    if height > mask.shape[0] or width > mask.shape[1]:
        raise ConfigError(f"a window of {height}x{width} doesn't fit a mask of {mask.shape}")
    boundary = _window_sums(boundary_distance(mask, 1) == 1, size)
    void = _window_sums(mask == IGNORE_INDEX, size)
    clear = void <= max(0.1 * height * width, void.min())
    row, column = np.unravel_index(np.where(clear, boundary, -1).argmax(), boundary.shape)
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)


def _window_sums(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Sum of `values` (H, W) in every window of `size`, whole floats (H - height + 1, …)."""
    return np.rint(fftconvolve(values.astype(np.float64), np.ones(size), mode="valid"))
