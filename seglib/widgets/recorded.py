"""The viewer over recorded runs: kept predictions over the scenes that they were made for."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.datasets import dataset_spec
from ..data.images import read_label_ids, read_photo
from ..data.tree import list_scenes
from ..errors import ConfigError, RecordError
from ..evaluation.predictor import Prediction
from ..records import Record, list_records, load_record
from ..text import DATASET_NAMES, describe_options, network_name
from .viewer import MAX_SIDE, SceneView, SceneViewer


def view_records(
    dataset: str, split: str = "val",
    records: Sequence[Record | str] | Mapping[str, Record] | None = None, *,
    max_side: int = MAX_SIDE,
) -> SceneViewer:
    """Show the scenes whose predictions the records keep, with truth and every run's prediction.

    `records`: runs on this dataset or their ids, or names for the model choice and their runs.
    None takes, of those that keep predictions of the split, the best run of every architecture and
    start (fresh weights, pretrained ones, those learned on another dataset), the best first.
    `max_side`: as in `SceneViewer`. Raises ConfigError for an unknown dataset or a record of
    another one, RecordError if none keeps a prediction of this split, DatasetError for a missing or
    damaged tree.
    """
    spec = dataset_spec(dataset)
    if records is None:
        records = _best_of_each(dataset, split)
    if not isinstance(records, Mapping):
        found = [load_record(run) if isinstance(run, str) else run for run in records]
        records = _named(found)
    for record in records.values():
        if record.config.dataset != dataset:
            raise ConfigError(f"{record.id} is a run on {record.config.dataset}, not on {dataset}")
    predictions = {name: _predictions(record, split) for name, record in records.items()}
    kept = {scene for by_scene in predictions.values() for scene in by_scene}
    if not kept:
        command = f"seglib train --dataset {dataset}"
        raise RecordError(f"no run on {dataset} keeps predictions of {split!r}; run: {command}")
    scenes = []
    for scene in list_scenes(spec.root(), split):
        if scene.name in kept:
            image = read_photo(scene.image)
            label_ids = read_label_ids(scene.label_ids, size=image.shape[:2])
            scenes.append(SceneView(scene.name, image, spec.class_set.encode(label_ids)))
    if missing := kept - {scene.name for scene in scenes}:
        where = f"{spec.root()}: scene {min(missing)!r}, which a record predicts"
        raise RecordError(f"{where}, is not in {split!r}; the records belong to other data")
    return SceneViewer(scenes, spec.class_set, predictions, max_side=max_side)


def _best_of_each(dataset: str, split: str) -> list[Record]:
    """The best run of every network and start that keeps predictions of the split, best first."""
    folder = f"predictions/{split}"
    found = [record for record in list_records(dataset) if (record.path / folder).is_dir()]

    def score(record: Record) -> float:
        return np.nan_to_num(record.miou(split if split in record.scores else None))

    best: dict[tuple[str, ...], Record] = {}
    for record in sorted(found, key=score, reverse=True):
        pretrained = str(record.config.model_options().get("pretrained"))
        best.setdefault((network_name(record.config), pretrained, _start(record)), record)
    return list(best.values())


def _start(record: Record) -> str:
    """The dataset from whose weights a run went on, in words; empty for fresh ones."""
    start = record.config.start_dataset
    return f"from {DATASET_NAMES[start]}" if start else ""


def _predictions(record: Record, split: str) -> dict[str, Prediction]:
    """Class indices of the kept scenes, with confidence where it was measured."""
    sure = record.confidence_maps(split)
    encode = record.dataset.class_set.encode
    return {
        scene: Prediction(encode(label_ids), sure.get(scene))
        for scene, label_ids in record.predictions(split).items()
    }


def _named(records: Sequence[Record]) -> dict[str, Record]:
    """By the architecture's name, with start, options and the id's end where several share it."""
    names = [network_name(record.config) for record in records]
    names = _told_apart(names, [_start(record) for record in records], " ")
    names = _told_apart(names, [describe_options(record) for record in records])
    names = _told_apart(names, [record.id.rpartition("-")[2] for record in records])
    return dict(zip(names, records, strict=True))


def _told_apart(names: list[str], additions: list[str], joint: str = ", ") -> list[str]:
    return [
        f"{name}{joint}{more}" if more and names.count(name) > 1 else name
        for name, more in zip(names, additions, strict=True)
    ]
