"""Scoring a network on a split, at the labels' own resolution."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from torch import nn
from tqdm.auto import tqdm

from ..config import RunConfig
from ..data.cache import load_cache
from ..data.datasets import dataset_spec, fingerprint
from ..data.tree import Scene, has_instances, list_scenes
from ..devices import choose_device
from ..errors import ConfigError, choose
from ..files import atomic_path, check_writable
from ..records import Record
from .metrics import ScoreAccumulator
from .predictor import Predictor
from .truths import read_truth

BATCH = 4  # images that go through the network together
FLIP = "+flip"  # after a split's name: logits are averaged with those of the mirrored image
SHOWN_SCENES = 12  # whose predictions are kept, evenly spread over the split


class Evaluation(NamedTuple):
    """Scores of one split and the predicted label ids of its shown scenes by name."""

    scores: dict[str, Any]
    predictions: dict[str, np.ndarray]


def evaluate(
    model: nn.Module, config: RunConfig, split: str, *, progress: bool = True,
    accelerator: Accelerator | None = None, export: Path | None = None,
) -> Evaluation:
    """Score a run's network, on the device where it is, on the fine masks of one split.

    `split`: train, val or test; of a run with `hold_out` also held_out, which train then lacks; any
    of them with "+flip" averages the logits with those of the mirrored images.
    Images are fed at the config's size; classes are scored at the labels' own resolution. The
    processes of an `accelerator` share the scenes, and each returns the whole. `export`: folder to
    which every prediction is written as `{scene}_labelIds.png`, uint8 label ids at the label's
    resolution, as the official evaluator reads them.
    """
    config = config.resolved()
    spec = dataset_spec(config.dataset)
    rank = accelerator.process_index if accelerator else 0
    processes = accelerator.num_processes if accelerator else 1
    part = split.removesuffix(FLIP)
    scenes = list_scenes(spec.root(), part, "fine", config.hold_out or ())
    data = fingerprint(spec.root(), scenes[0].split)
    instances = has_instances(scenes)
    cache = load_cache(scenes, config.image_size, spec.class_set, progress)
    spread = np.linspace(0, len(scenes) - 1, min(SHOWN_SCENES, len(scenes)))
    shown = {scenes[position].name for position in spread.round().astype(int)}
    scenes, images = scenes[rank::processes], cache.images[rank::processes]

    def read_masks(scene: Scene) -> list[np.ndarray]:
        return read_truth(scene.label_ids, scene.instance_ids if instances else None)

    predictor = replace(Predictor.from_model(model, config), flip=split != part)
    accumulator = ScoreAccumulator(spec.class_set, spec.block)
    predictions: dict[str, np.ndarray] = {}
    size = min(BATCH, config.batch_size // config.accumulation // processes or 1)  # as in training
    batches = [slice(start, start + size) for start in range(0, len(scenes), size)]
    with ThreadPoolExecutor() as pool:
        coming = pool.map(read_masks, scenes[:size])
        for batch in tqdm(batches, f"score {split}", disable=not progress, leave=False):
            truths = list(coming)  # while the network labels these, the next ones are read
            coming = pool.map(read_masks, scenes[batch.stop : batch.stop + size])
            found = predictor.label(images[batch], [truth[0].shape for truth in truths])
            for scene, truth, prediction in zip(scenes[batch], truths, found, strict=True):
                label_ids, *instance_ids = truth
                accumulator.add(scene.name, label_ids, prediction.indices, *instance_ids)
                predicted = spec.class_set.decode(prediction.indices)
                if export is not None:
                    with atomic_path(export / f"{scene.name}_labelIds.png") as temporary:
                        Image.fromarray(predicted).save(temporary)
                if scene.name in shown:
                    predictions[scene.name] = predicted
    if processes > 1:
        for counts, others in gather_object([(accumulator.counts, predictions)]):
            accumulator.counts |= counts
            predictions |= others
    return Evaluation({"data": data, **accumulator.scores()}, dict(sorted(predictions.items())))


def score_split(
    record: Record, split: str, *, device: str | None = None, progress: bool = True,
    export: Path | None = None,
) -> Mapping[str, Any]:
    """The record's scores on a split, computed from its weights and added the first time.

    `export`: as for `evaluate`. On other data than those of the record, which are told in one line,
    scores are computed and not added.
    """
    known = ("train", "val", "test", *(["held_out"] if record.config.hold_out else []))
    choose("split", split, [part + way for way in ("", FLIP) for part in known])
    if split.startswith("val") and record.config.with_val:
        raise ConfigError(f"split {split!r}: {record.id} was trained on val; score it on test")
    if problem := record.other_data(split.removesuffix(FLIP), split):
        print(f"{problem}: scored anew, not recorded")
    elif split in record.packed_scores and export is None:
        return record.scores[split]
    adds = not problem and split not in record.packed_scores
    if adds:
        check_writable(record.path, "SEGLIB_RESULTS")
    if export is not None:
        check_writable(export, "--export")
    model = record.load_model(choose_device(device))
    found = evaluate(model, record.config, split, progress=progress, export=export)
    if not adds:
        return found.scores
    record.add_scores(split, found.scores, {} if split.endswith(FLIP) else found.predictions)
    return record.scores[split]
