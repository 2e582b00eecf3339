"""How a finished run's network behaves beyond its score: the computations behind `measurements`.

Each producer takes a record and returns its parts as JSON-ready values.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from seglib.data.cache import resize_mask
from seglib.data.datasets import dataset_spec, prepare
from seglib.data.images import read_label_ids, read_photo
from seglib.data.tree import Scene, list_scenes
from seglib.devices import choose_device, resolve_precision
from seglib.evaluation.boundaries import boundary_distance
from seglib.evaluation.intervals import bootstrap_interval, paired_difference
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.evaluation.predictor import Predictor
from seglib.labels import CITYSCAPES_34, ClassSet
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.provenance import describe_machine, versions
from seglib.records import Record

from .calibration import Reliability
from .corruptions import CORRUPTIONS, STRENGTHS, corrupt
from .exploration import evenly
from .footprint import latency, peak_bytes

BANDS = (1, 2, 4, 8, 16)  # pixels: half the width of the trimaps around boundaries
ROBUSTNESS_SCENES = 20  # of val: 25 disturbances of all would take longer than all the rest
GENERALISED = ("miniscapes", "camvid")  # datasets on which runs of the others are scored
CONFIDENCE_STEP = 4  # percent: finer steps would make the maps three times as large
BATCH = 4


def scored_splits(record: Record) -> list[str]:
    """The splits that the record has scores of, train left out: val, and test if it was scored."""
    return [split for split in ("val", "test") if split in record.scores]


def read_scenes(
    scenes: Sequence[Scene], progress: bool, what: str
) -> Iterator[list[tuple[Scene, np.ndarray, np.ndarray]]]:
    """Scenes with photograph and label ids, `BATCH` at a time."""
    with tqdm(total=len(scenes), desc=what, disable=not progress, leave=False) as bar:
        for start in range(0, len(scenes), BATCH):
            chunk = scenes[start : start + BATCH]
            yield [(s, read_photo(s.image), read_label_ids(s.label_ids)) for s in chunk]
            bar.update(len(chunk))


def certainty_and_boundaries(
    record: Record, device: str | None, progress: bool
) -> tuple[dict[str, Any], dict[str, dict[str, np.ndarray]]]:
    """Parts `calibration` and `boundaries`, and the confidence maps by split and scene.

    A band of width w are the pixels at most w from the truth's nearest boundary (trimaps: Kohli,
    Ladický and Torr, "Robust Higher Order Potentials for Enforcing Label Consistency", IJCV 2009).
    Maps are uint8 percent in steps of 4, at half the labels' height and width, of the scenes whose
    predictions the record keeps.
    """
    predictor, class_set = Predictor.from_record(record, device), record.dataset.class_set
    parts: dict[str, Any] = {"calibration": {}, "boundaries": {}}
    maps: dict[str, dict[str, np.ndarray]] = {}
    for split in scored_splits(record):
        kept = record.predictions(split)
        reliability, maps[split] = Reliability(), {}
        inside = ScoreAccumulator(class_set)
        bands = {width: ScoreAccumulator(class_set) for width in BANDS}
        scenes = list_scenes(record.dataset.root(), split)
        for chunk in read_scenes(scenes, progress, f"{split}: calibration, boundaries"):
            answers = predictor.label([image for _, image, _ in chunk], confidence=True)
            for (scene, _, label_ids), (indices, sure) in zip(chunk, answers, strict=True):
                truth = class_set.encode(label_ids)
                reliability.add(truth, indices, sure)
                distance = boundary_distance(truth, BANDS[-1])
                for width, scores in bands.items():
                    # Label id 0 is unlabeled: not counted.
                    scores.add(scene.name, np.where(distance <= width, label_ids, 0), indices)
                far = np.where(distance > BANDS[-1], label_ids, 0)
                inside.add(scene.name, far, indices)
                if scene.name in kept:
                    maps[split][scene.name] = pack_confidence_map(sure)
        parts["calibration"][split] = reliability.summary()
        parts["boundaries"][split] = {
            "bands": [{"width": width, **_band(each)} for width, each in bands.items()],
            "inside": _band(inside),
        }
    return parts, maps


def _band(accumulator: ScoreAccumulator) -> dict[str, Any]:
    pixels = int(accumulator.confusion.sum())
    return {"pixels": pixels, **main_scores(accumulator.scores())}


def pack_confidence_map(confidence: np.ndarray) -> np.ndarray:
    """Probabilities 0 to 1, float (H, W), as uint8 percent in coarse steps, at half the size."""
    height, width = confidence.shape
    steps = np.rint(100 / CONFIDENCE_STEP * confidence).astype(np.uint8)
    return CONFIDENCE_STEP * resize_mask(steps, ((height + 1) // 2, (width + 1) // 2))


def main_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """The few scores that are kept, with the 95 % interval of the mIoU over resampled images."""
    low, high = bootstrap_interval(scores)
    return {
        "miou": rounded(scores["miou"]),
        "low": rounded(low),
        "high": rounded(high),
        "pixel_accuracy": rounded(scores["pixel_accuracy"]),
        "iou": [rounded(value) for value in scores["iou"]],
    }


def rounded(value: float | None) -> float | None:
    """Six decimals for a JSON file; NaN becomes None."""
    return None if value is None or value != value else round(float(value), 6)


def robustness(record: Record, device: str | None, progress: bool) -> dict[str, Any]:
    """Part `robustness`: scores on disturbed photographs of some val scenes.

    The same scenes, evenly spread over the split, for every disturbance. The mean IoU is taken over
    the classes that occur in their truth, so that it is the mean of the same classes throughout.
    `loss` is the mIoU lost against the clean photographs, with its paired 95 % interval.
    """
    predictor, class_set = Predictor.from_record(record, device), record.dataset.class_set
    scenes = evenly(list_scenes(record.dataset.root(), "val"), ROBUSTNESS_SCENES)
    cases = [("clean", 0), *((kind, s) for kind in CORRUPTIONS for s in STRENGTHS)]
    collected = {case: ScoreAccumulator(class_set) for case in cases}
    for chunk in read_scenes(scenes, progress, "val: robustness"):
        for (kind, strength), scores in collected.items():
            images = [
                corrupt(image, kind, strength, scene.name) if strength else image
                for scene, image, _ in chunk
            ]
            answers = predictor.label(images)
            for (scene, _, label_ids), prediction in zip(chunk, answers, strict=True):
                scores.add(scene.name, label_ids, prediction.indices)
    present = np.flatnonzero(collected["clean", 0].confusion.sum(axis=1)).tolist()
    results = {case: only_classes(each.scores(), present) for case, each in collected.items()}
    clean = results["clean", 0]
    return {
        "split": "val",
        "scenes": [scene.name for scene in scenes],
        "classes": clean["classes"],
        "clean": main_scores(clean),
        "corruptions": {
            kind: [
                {
                    "strength": strength,
                    **main_scores(results[kind, strength]),
                    "loss": [rounded(v) for v in paired_difference(clean, results[kind, strength])],
                }
                for strength in STRENGTHS
            ]
            for kind in CORRUPTIONS
        },
    }


def only_classes(scores: dict[str, Any], columns: Sequence[int]) -> dict[str, Any]:
    """Scores of some classes, by their indices, in the form that intervals are computed from."""
    images: dict[str, Any] = {"names": scores["images"]["names"]}
    for key in ("tp", "fp", "fn"):
        counts = np.asarray(scores["images"][key])[:, columns]
        images[key] = images[f"category_{key}"] = counts.tolist()
    iou = [scores["iou"][column] for column in columns]
    return {
        "classes": [scores["classes"][column] for column in columns],
        "categories": [],
        "iou": iou,
        "miou": float(np.mean(np.array(iou, dtype=float))),
        "pixel_accuracy": scores["pixel_accuracy"],
        "images": images,
    }


class Restricted(nn.Module):
    """A network that is only asked about some of its classes."""

    def __init__(self, model: nn.Module, rows: Sequence[int]) -> None:
        super().__init__()
        self.model, self.rows = model, list(rows)

    def forward(self, image: Tensor) -> Tensor:
        return self.model(image)[:, self.rows]


def shared_classes(first: ClassSet, second: ClassSet) -> ClassSet:
    """The classes that both sets name, in the order of the Cityscapes table."""
    names = set(first.names) & set(second.names)
    return ClassSet("shared", tuple(c for c in CITYSCAPES_34.labels if c.name in names))


def generalisation(record: Record, device: str | None, progress: bool) -> dict[str, Any]:
    """Part `generalisation`: scores on the other datasets without any training there.

    Photographs are brought to the scale of the training images as `seglib predict` does it. Only
    the classes that both datasets name are asked for and scored; of the run's own dataset, too, so
    that `home` and what is abroad are of the same classes.
    """
    predictor = Predictor.from_record(record, device)
    own = record.dataset
    found: dict[str, Any] = {}
    for name in GENERALISED:
        if name == own.name:
            continue
        prepare(name, progress=progress)
        shared = shared_classes(own.class_set, dataset_spec(name).class_set)
        rows = [own.class_set.names.index(each) for each in shared.names]
        asked = replace(predictor, model=Restricted(predictor.model, rows), class_set=shared)
        splits = scored_splits(record)
        if len(rows) == own.class_set.num_classes:  # what the record holds already
            home = {s: main_scores(only_classes(record.scores[s], rows)) for s in splits}
        else:
            home = {s: _foreign(asked, own.root(), s, progress) for s in splits}
        root = dataset_spec(name).root()
        abroad = {s: _foreign(asked, root, s, progress) for s in ("val", "test")}
        found[name] = {"classes": list(shared.names), "home": home, "abroad": abroad}
    return found


def _foreign(predictor: Predictor, root: Path, split: str, progress: bool) -> dict[str, Any]:
    """The scores of a predictor on a split of any tree."""
    accumulator = ScoreAccumulator(predictor.class_set)
    for chunk in read_scenes(list_scenes(root, split), progress, f"{root.name} {split}"):
        for scene, image, label_ids in chunk:
            accumulator.add(scene.name, label_ids, predictor(image).indices)
    return main_scores(accumulator.scores())


def cost(record: Record) -> dict[str, Any]:
    """Part `cost`: what one image of the run's size takes, on one thread of this machine's CPU."""
    config, model = record.config.resolved(), record.load_model("cpu")
    precision = resolve_precision(config.precision, torch.device("cpu"))
    return {
        "image_size": list(config.image_size),
        "parameters": count_parameters(model),
        "multiply_adds": multiply_adds(model, config.image_size),
        "seconds": latency(model, config.image_size, precision),
        "peak_bytes": peak_bytes(model, config.image_size, precision),
    }


def describe(record: Record, device: str | None) -> dict[str, Any]:
    """The machine, precision and library versions of a measurement."""
    chosen = choose_device(device)
    precision = resolve_precision(record.config.precision, chosen)
    return {**describe_machine(chosen), "precision": precision, "versions": versions()}
