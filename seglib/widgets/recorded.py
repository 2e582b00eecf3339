"""The viewer over recorded runs, in a notebook."""

from collections.abc import Mapping, Sequence

import numpy as np

from ..data.datasets import dataset_spec
from ..data.images import read_label_ids, read_photo
from ..data.tree import SPLITS, list_scenes
from ..errors import ConfigError, RecordError, choose
from ..records import Record, list_records, load_record
from ..text import DATASET_NAMES, describe_options, network_name
from .viewer import SceneView, SceneViewer


def view_records(
    dataset: str, split: str = "val",
    records: Sequence[Record | str] | Mapping[str, Record] | None = None,
) -> SceneViewer:
    """Show the scenes whose predictions the records keep, with truth and every run's prediction.

    `records`: runs on this dataset or their ids, or names for the model choice and their runs.
    None takes, of those that keep predictions of the split, the best run of every architecture and
    start (fresh weights, pretrained ones, those learned on another dataset), the best first.
    Raises ConfigError for an unknown dataset or a record of another one, RecordError if none keeps
    a prediction of this split, DatasetError for a missing or damaged tree.
    """
    spec = dataset_spec(dataset)
    choose("split", split, SPLITS["fine"])
    if records is None:
        records = _best_of_each(dataset, split)
    if not isinstance(records, Mapping):
        records = _named([load_record(x) if isinstance(x, str) else x for x in records])
    for record in records.values():
        if record.config.dataset != dataset:
            raise ConfigError(f"{record.id} is a run on {record.config.dataset}, not on {dataset}")
        if not (record.path / "predictions" / split).is_dir():
            raise RecordError(f"{record.path}: keeps no predictions of {split!r}")
        if problem := record.other_data(split):
            raise RecordError(problem)
    if not records:
        command = f"seglib train --dataset {dataset}"
        raise RecordError(f"no run on {dataset} keeps predictions of {split!r}; run: {command}")
    predictions = {name: _predictions(record, split) for name, record in records.items()}
    kept = {scene for by_scene in predictions.values() for scene in by_scene}
    scenes = []
    for scene in list_scenes(spec.root(), split):
        if scene.name in kept:
            image = read_photo(scene.image)
            label_ids = read_label_ids(scene.label_ids, size=image.shape[:2])
            scenes.append(SceneView(scene.name, image, spec.class_set.encode(label_ids)))
    return SceneViewer(scenes, spec.class_set, predictions)


def _best_of_each(dataset: str, split: str) -> list[Record]:
    """The best run of every network and start that keeps predictions of the split, best first."""
    records = list_records(dataset)
    found = [record for record in records
             if (record.path / "predictions" / split).is_dir() and not record.config.with_val]
    scores = [r.miou(split if split in r.packed_scores else None) for r in found]
    best: dict[tuple[str, ...], Record] = {}
    for position in np.argsort(-np.nan_to_num(scores), kind="stable"):
        config = (record := found[position]).config
        pretrained = str(config.model_options().get("pretrained"))
        best.setdefault((network_name(config), pretrained, config.start_dataset), record)
    return list(best.values())


def _predictions(record: Record, split: str) -> dict[str, tuple]:
    """Class indices of the kept scenes, with confidence where it was measured."""
    sure, encode = record.confidence_maps(split), record.dataset.class_set.encode
    return {scene: (encode(label_ids), sure.get(scene))
            for scene, label_ids in record.predictions(split).items()}


def _named(records: Sequence[Record]) -> dict[str, Record]:
    """By the architecture's name, with start, options and the id's end where several share it."""
    names = [network_name(record.config) for record in records]
    starts = [record.config.start_dataset for record in records]
    for told in (
        [f" from {DATASET_NAMES[start]}" if start else "" for start in starts],
        [f", {describe_options(record)}".removesuffix(", ") for record in records],
        [f", {record.id.rpartition('-')[2]}" for record in records],
    ):
        names = [name + more if names.count(name) > 1 else name
                 for name, more in zip(names, told, strict=True)]
    return dict(zip(names, records, strict=True))
