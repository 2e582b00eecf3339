"""Scoring 1024×2048 label maps: against the official evaluator, and against torchmetrics.

The official evaluator reads the files that it is given, so ours reads the same files. It is used as
PyPI has it, without the Cython part that a user may compile; NumPy's `in1d`, which it calls and
NumPy dropped, is lent to it. The predictions are those of the recorded U-Net.
"""

import os
import shutil
import statistics
import sys
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import torch
from PIL import Image

from seglib.data.images import read_instance_ids, read_label_ids, read_photo
from seglib.data.tree import list_scenes
from seglib.errors import RecordError
from seglib.evaluation.metrics import ScoreAccumulator, confusion_matrix, iou_per_class
from seglib.evaluation.predictor import Predictor
from seglib.evaluation.truths import read_truth
from seglib.files import atomic_path
from seglib.labels import CITYSCAPES_19
from seglib.paths import cache_dir
from seglib.recipes import recipe
from seglib.records import find_record

from .inputs import large_tree
from .measuring import DATA, FOLDER, Comparison, interleave, quiet, seconds

SCENES = 8
NUM_CLASSES = CITYSCAPES_19.num_classes
Maps = list[np.ndarray]  # label ids of truth and prediction, instance ids of truth


def measure(repetitions: int) -> list[Comparison]:
    """Milliseconds per image: from files, with the maps already decoded, and without instances."""
    sys.path.insert(0, str(FOLDER.parent / "tests" / "evaluation"))
    from official_evaluator import MODULE, official_scores

    truth, predictions = _files()
    pairs = _pairs(truth, predictions)
    decoded = [_decoded(files) for files in pairs]
    found: dict[str, Any] = {}

    def ours(read: Callable[[Any], Maps], images: Sequence[Any] = pairs) -> Callable[[], float]:
        return lambda: _milliseconds(lambda: found.update(ours=_score(read, images)))

    def the_first_time() -> float:
        shutil.rmtree(cache_dir() / "truths", ignore_errors=True)
        return ours(_read)()

    def official() -> float:
        with quiet():
            return _milliseconds(lambda: found.update(official=official_scores(truth, predictions)))

    def decode(read: Callable[[Any], Any]) -> Callable[[], float]:
        return lambda: _milliseconds(lambda: [read(files) for files in pairs])

    first, later, theirs, pillow, decoding = interleave(
        repetitions, the_first_time, ours(_read), official,
        decode(lambda files: [Image.open(file).load() for file in files]), decode(_decoded),
    )
    _assert_identical(found["ours"], found["official"])
    images = {str(file): Image.open(file) for files in pairs for file in files}
    for image in images.values():
        image.load()
    with mock.patch(f"{MODULE}.Image", SimpleNamespace(open=images.__getitem__)):
        from_maps = interleave(repetitions, ours(lambda maps: maps, decoded), official)
    _assert_identical(found["ours"], found["official"])
    without, their_matrix = _against_torchmetrics(repetitions, decoded)
    our_way = f"ScoreAccumulator, an image per thread, {os.cpu_count()} threads"
    official_way = "the official cityscapesscripts evaluator, one thread, without its Cython part"
    return [
        Comparison(
            "Scoring from files, the first time: IoU, iIoU, categories",
            *("ms/image", "lower", first, f"{our_way}, the truth kept as runs for later"),
            *(theirs, official_way),
            target=8,
            note="identical to nine digits in every class, iIoU included",
            why="Decoding the three PNG files of an image bounds it: "
            f"{statistics.median(decoding):.3g} ms of one core with imagecodecs, more than half of "
            f"them for the 16 bits of its instances, and {statistics.median(pillow):.3g} ms with "
            "Pillow, as the evaluator does.",
        ),
        Comparison(
            "Scoring from files, later: IoU, iIoU, categories",
            *("ms/image", "lower", later, f"{our_way}, the truth read as runs"),
            *(theirs, official_way),
            target=8,
            note="identical to nine digits in every class, iIoU included",
            why="The prediction's PNG file still has to be decoded.",
        ),
        Comparison(
            "Scoring of decoded maps: IoU, iIoU, categories",
            *("ms/image", "lower", from_maps[0], our_way, from_maps[1], official_way),
            target=8,
            note="identical to nine digits in every class, iIoU included",
            why="Two fifths of the time turn the predicted ids into classes; the rest compares "
            "every pixel with its neighbour in all three maps.",
        ),
        Comparison(
            "Confusion matrix and IoU of decoded maps",
            *("ms/image", "lower", without, "confusion_matrix"),
            *(their_matrix, "torchmetrics' MulticlassJaccardIndex, its checks off"),
            target=20,
            note="identical to six digits in every class (torchmetrics computes in 32 bits)",
            why="What is left is one comparison of each pixel with its neighbour in both maps.",
        ),
    ]


def _milliseconds(work: Callable[[], Any]) -> float:
    return 1000 * seconds(work) / SCENES


def _files() -> tuple[Path, Path]:
    """Folders of the truth and of what the recorded U-Net predicts for it, made once."""
    scenes = list_scenes(tree := large_tree(), "train")[:SCENES]
    record = find_record(recipe("miniscapes", "unet"), FOLDER.parent / "results")
    if record is None:
        raise RecordError("the U-Net on miniscapes is not recorded; train it: seglib study")
    folder = DATA / "scoring" / f"{tree.name}-{record.id}"
    truth, predictions = folder / "truth", folder / "predictions"
    predictor = Predictor.from_record(record, "cpu")
    for scene in scenes:
        target = predictions / f"{scene.name}_predicted.png"
        if target.exists():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = truth / scene.city
        folder.mkdir(parents=True, exist_ok=True)
        for file in (scene.label_ids, scene.instance_ids):
            shutil.copy(file, folder)
        indices = predictor(read_photo(scene.image)).indices
        with atomic_path(target) as temporary:
            Image.fromarray(CITYSCAPES_19.decode(indices)).save(temporary, format="png")
    return truth, predictions


READERS = (read_label_ids, read_label_ids, read_instance_ids)  # of what `_pairs` names


def _pairs(truth: Path, predictions: Path) -> list[tuple[Path, Path, Path]]:
    """Truth, prediction and instances of each image."""
    found = []
    for file in sorted(truth.rglob("*_gtFine_labelIds.png")):
        name = file.name.removesuffix("_gtFine_labelIds.png")
        instances = file.with_name(f"{name}_gtFine_instanceIds.png")
        found.append((file, predictions / f"{name}_predicted.png", instances))
    return found


def _decoded(files: tuple[Path, Path, Path]) -> Maps:
    return [read(file) for read, file in zip(READERS, files, strict=True)]


def _read(files: tuple[Path, Path, Path]) -> Maps:
    """The same as scoring does it: it keeps what it has decoded of the truth."""
    label_ids, instance_ids = read_truth(files[0], files[2])
    return [label_ids, read_label_ids(files[1]), instance_ids]


def _score(read: Callable[[Any], Maps], images: Sequence[Any]) -> dict[str, Any]:
    accumulator = ScoreAccumulator(CITYSCAPES_19)

    def add(number: int) -> None:
        truth, predicted, instance_ids = read(images[number])
        accumulator.add(str(number), truth, CITYSCAPES_19.encode(predicted), instance_ids)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(add, range(len(images))))
    return accumulator.scores()


def _assert_identical(ours: dict[str, Any], official: dict[str, Any]) -> None:
    for key, theirs in (("iou", "classScores"), ("iiou", "classInstScores")):
        wanted = [official[theirs][name] for name in CITYSCAPES_19.names]
        found = [np.nan if value is None else value for value in ours[key]]
        np.testing.assert_allclose(found, wanted, rtol=1e-9, err_msg=key)


def _against_torchmetrics(
    repetitions: int, decoded: list[Maps]
) -> tuple[list[float], list[float]]:
    from torchmetrics.classification import MulticlassJaccardIndex

    arrays = [[CITYSCAPES_19.encode(label_ids) for label_ids in maps[:2]] for maps in decoded]
    tensors = [
        (torch.from_numpy(target.astype(np.int64)), torch.from_numpy(predicted.astype(np.int64)))
        for target, predicted in arrays
    ]
    found: dict[str, np.ndarray] = {}

    def ours() -> None:
        total = sum(confusion_matrix(*pair, NUM_CLASSES) for pair in arrays)
        found["ours"] = iou_per_class(total)

    def theirs() -> None:
        metric = MulticlassJaccardIndex(
            NUM_CLASSES, average="none", ignore_index=255, validate_args=False
        )
        for target, predicted in tensors:
            metric.update(predicted, target)
        found["theirs"] = metric.compute().numpy()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        values = interleave(
            repetitions,
            lambda: _milliseconds(ours),
            lambda: _milliseconds(theirs),
        )
    present = ~np.isnan(found["ours"])
    np.testing.assert_allclose(found["ours"][present], found["theirs"][present], rtol=1e-6)
    return values[0], values[1]
