"""What is measured of a finished run besides its scores, kept in its record and read from there.

`results/RUN/measurements/` holds one JSON file per part, which names the weights and the results
version that it was made with, and `confidence/SPLIT/SCENE.png`, how sure the network is of each
pixel of the kept scenes. `seglib measure` writes them; notebooks and the viewer read them.
"""

import itertools
import json
import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from seglib.data.images import read_label_ids, read_photo
from seglib.data.tree import Scene, list_scenes
from seglib.devices import choose_device, inference_precision
from seglib.errors import RecordError, choose
from seglib.evaluation import intervals
from seglib.evaluation.evaluate import BATCH
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.evaluation.predictor import Predictor
from seglib.files import atomic_folder, check_writable, locked, write_json
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.paths import checkpoints_dir
from seglib.provenance import describe_machine, versions
from seglib.records import Record

from .boundaries import boundary_distance
from .calibration import PIXELS, calibration, draw, reliability_counts, temperature_scaling
from .corruptions import CORRUPTIONS, STRENGTHS, corrupt
from .exploration import evenly
from .latency import latency
from .measurements import PARTS, file_of, missing_parts, origin_of, scored_splits

BANDS = (1, 2, 4, 8, 16)  # pixels: half the width of the trimaps around boundaries
ROBUSTNESS_SCENES = 20  # 25 disturbances of all of a split would take longer than all the rest
CONFIDENCE_STEP = 4  # percent: finer steps would make the maps three times as large


def measure(
    record: Record, parts: Sequence[str] | None = None, *, device: str | None = None,
    progress: bool = True,
) -> list[str]:
    """Measure what a record lacks, or the named `parts` anew; returns the parts that were made.

    Every part is written as soon as it is there. Raises `ConfigError` for an unknown part or
    device, `RecordError` if the record keeps no weights, `DatasetError` if a dataset is missing.
    """
    origin = origin_of(record)
    if record.config.with_val:
        raise RecordError(f"{record.id}: was trained on val, by which measuring judges a run")
    if not (splits := scored_splits(record)) and {*(PARTS if parts is None else parts)} != {"cost"}:
        raise RecordError(f"{record.id}: score it first: seglib evaluate {record.id} --split val")
    if problem := record.other_data(*splits):
        raise RecordError(problem)
    check_writable(record.path, "SEGLIB_RESULTS")
    lock = checkpoints_dir() / f"{record.id}.measure.lock"
    with locked(lock, f"measures {record.id}"):
        asked = missing_parts(record) if parts is None else parts
        wanted = [choose("part", part, PARTS) for part in asked]
        made: list[str] = []
        for part in PARTS:
            if part not in wanted or part in made:
                continue
            if part in ("calibration", "boundaries"):  # from one pass through the scenes
                results = certainty_and_boundaries(record, device, progress)
            else:
                results = {part: cost(record) if part == "cost"
                           else robustness(record, device, progress)}
            chosen = choose_device("cpu" if part == "cost" else device)
            precision = inference_precision(record.config.precision, chosen)
            machine = {**describe_machine(chosen), "precision": precision, "versions": versions()}
            for name, values in results.items():
                write_json(file_of(record, name), {"made_by": origin | machine, **_rounded(values)})
            made += results
    return made


def _rounded(values: dict[str, Any]) -> dict[str, Any]:
    """JSON values with six decimals everywhere; NaN becomes None."""
    return json.loads(json.dumps(values), parse_float=lambda digits: round(float(digits), 6),
                      parse_constant=lambda _: None)


def certainty_and_boundaries(record: Record, device: str | None, progress: bool) -> dict[str, Any]:
    """Parts `calibration` and `boundaries` by split; also writes the confidence maps.

    Under "temperature", `calibration` also has what `temperature_scaling` changes, by row.
    A band of width w are the pixels at most w from the truth's nearest boundary (trimaps: Kohli,
    Ladický and Torr, IJCV 2009). Maps are uint8 percent in steps of 4, means of squares of
    4×4 pixels, of the scenes whose predictions the record keeps.
    """
    predictor, class_set = Predictor.from_record(record, device), record.dataset.class_set
    logits: deque[Tensor] = deque(maxlen=1)  # of the last batch
    predictor.model.register_forward_hook(lambda *call: logits.append(call[-1]))
    samples, parts = {}, {"calibration": {}, "boundaries": {}}
    with atomic_folder(record.path / "measurements" / "confidence") as maps:
        for split in scored_splits(record):
            (maps / split).mkdir()
            kept, counts, block = record.predictions(split), [], record.dataset.block
            bands = [ScoreAccumulator(class_set, block) for _ in (*BANDS, "inside")]
            scenes = list_scenes(record.dataset.root(), split)
            names, size = [scene.name for scene in scenes], (len(scenes), PIXELS)
            drawn = torch.empty(*size, class_set.num_classes), torch.empty(size, dtype=torch.int64)
            samples[split] = names, *drawn
            for chunk in _batches(scenes, progress, f"{split}: calibration, boundaries"):
                answers = predictor.label([image for _, image, _ in chunk], confidence=True)
                for (scene, _, label_ids), (indices, sure) in zip(chunk, answers, strict=True):
                    truth = class_set.encode(label_ids)
                    number = len(counts)
                    own = draw(logits[0][number % BATCH], truth, seed=number)
                    drawn[0][number], drawn[1][number] = own
                    counts.append(reliability_counts(truth, indices, sure))
                    distance = boundary_distance(truth, BANDS[-1])
                    places = [*(distance <= width for width in BANDS), distance > BANDS[-1]]
                    for band, place in zip(bands, places, strict=True):
                        # Label id 0 is unlabeled: not counted.
                        band.add(scene.name, np.where(place, label_ids, 0), indices)
                    if scene.name in kept:
                        small = np.asarray(Image.fromarray(sure).reduce(4))
                        steps = np.rint(100 / CONFIDENCE_STEP * small).astype(np.uint8)
                        picture = Image.fromarray(CONFIDENCE_STEP * steps)
                        picture.save(maps / split / f"{scene.name}.png", optimize=True)
            parts["calibration"][split] = calibration(np.stack(counts), names, block)
            *near, inside = (
                {"pixels": int(band.confusion.sum()), **main_scores(band.scores())}
                for band in bands
            )
            near = [{"width": width, **band} for width, band in zip(BANDS, near, strict=True)]
            parts["boundaries"][split] = {"bands": near, "inside": inside}
        if "val" in samples:
            parts["calibration"]["temperature"] = [*temperature_scaling(samples, block)]
    return parts


def robustness(record: Record, device: str | None, progress: bool) -> dict[str, Any]:
    """Scores on disturbed photographs of some scenes, evenly spread over test, or else val.

    The mean IoU is taken over the classes that occur in their truth, so that it is the mean of the
    same classes throughout. `loss` is the mIoU lost against the clean photographs, with its paired
    95 % interval.
    """
    predictor, split = Predictor.from_record(record, device), scored_splits(record)[-1]
    whole = list_scenes(record.dataset.root(), split)
    scenes = evenly(whole, ROBUSTNESS_SCENES)
    block = math.ceil(record.dataset.block * len(scenes) / len(whole))  # the same stretch of video
    batches = list(_batches(scenes, progress, f"{split}: reading"))

    def scores(kind: str = "", strength: int = 0) -> dict[str, Any]:
        found = ScoreAccumulator(predictor.class_set, block)
        for chunk in batches:
            images = [corrupt(i, kind, strength, s.name) if kind else i for s, i, _ in chunk]
            for (scene, _, label_ids), label in zip(chunk, predictor.label(images), strict=True):
                found.add(scene.name, label_ids, label.indices)
        return found.scores()

    clean = scores()
    present = np.flatnonzero(np.sum(clean["confusion"], axis=1)).tolist()
    clean = only_classes(clean, present)
    levels: dict[str, list[dict[str, Any]]] = {kind: [] for kind in CORRUPTIONS}
    cases = list(itertools.product(CORRUPTIONS, STRENGTHS))
    for kind, strength in tqdm(cases, f"{split}: robustness", disable=not progress, leave=False):
        found = only_classes(scores(kind, strength), present)
        loss = list(intervals.paired_difference(clean, found)[:3])
        levels[kind].append({"strength": strength, **main_scores(found), "loss": loss})
    return {"split": split, "scenes": [scene.name for scene in scenes], "classes": clean["classes"],
            "clean": main_scores(clean), "corruptions": levels}


def cost(record: Record) -> dict[str, Any]:
    """What one image of the run's size takes, on one thread of this machine's CPU."""
    config, model = record.config.resolved(), record.load_model("cpu")
    precision = inference_precision(config.precision, torch.device("cpu"))
    return {
        "image_size": list(config.image_size), "parameters": count_parameters(model),
        "multiply_adds": multiply_adds(model, config.image_size),
        "seconds": latency(model, config.image_size, precision),
    }


def _batches(scenes: Sequence[Scene], progress: bool, what: str) -> Iterator[list[tuple]]:
    """Scenes with photograph and label ids, as many at a time as are scored together."""
    starts = range(0, len(scenes), BATCH)
    for start in tqdm(starts, desc=what, disable=not progress, leave=False):
        chunk = scenes[start : start + BATCH]
        yield [(s, read_photo(s.image), read_label_ids(s.label_ids)) for s in chunk]


def main_scores(scores: dict[str, Any]) -> dict[str, Any]:
    """The few scores that are kept, with the 95 % interval of the mIoU over resampled images."""
    low, high = intervals.bootstrap_interval(scores)
    interval = {"miou": scores["miou"], "low": low, "high": high}
    return interval | {key: scores[key] for key in ("pixel_accuracy", "iou")}


def only_classes(scores: dict[str, Any], columns: Sequence[int]) -> dict[str, Any]:
    """Scores of some classes, by their indices, in the form that intervals are computed from."""
    names, iou = ([scores[key][column] for column in columns] for key in ("classes", "iou"))
    images = {key: np.asarray(scores["images"][key])[:, columns] for key in ("tp", "fp", "fn")}
    images |= {f"category_{key}": counts for key, counts in images.items()}
    return {
        "block": scores["block"], "pixel_accuracy": scores["pixel_accuracy"],
        "classes": names, "categories": names,  # a class is its own: no one asks for their scores
        "iou": iou, "miou": float(np.mean(np.array(iou, dtype=float))),
        "images": {"names": scores["images"]["names"], **images},
    }
