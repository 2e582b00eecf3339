"""The dozen scenes whose predictions a record keeps, with their photographs and true masks."""

from dataclasses import dataclass

import numpy as np

from seglib.data.images import read_label_ids, read_photo
from seglib.data.tree import list_scenes
from seglib.errors import ConfigError, RecordError
from seglib.labels import IGNORE_INDEX
from seglib.records import Record


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

    Raises `RecordError` if the record keeps none, or was recorded on other data than those of this
    disk; `DatasetError` if the dataset is missing or damaged.
    """
    kept = record.predictions(split)
    if not kept:
        raise RecordError(f"{record.path}: keeps no predictions of the {split!r} split")
    if problem := record.other_data(split):
        raise RecordError(problem)
    encode = record.dataset.class_set.encode
    scenes = {scene.name: scene for scene in list_scenes(record.dataset.root(), split)}
    return Gallery(
        list(kept), [read_photo(scenes[name].image) for name in kept],
        [encode(read_label_ids(scenes[name].label_ids)) for name in kept],
        [encode(label_ids) for label_ids in kept.values()],
    )
