"""Scoring a network on a split, at the labels' own resolution."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional
from tqdm.auto import tqdm

from ..config import RunConfig
from ..data.cache import load_cache
from ..data.datasets import dataset_spec
from ..data.parallel import read_ahead
from ..data.transforms import to_device
from ..data.tree import list_scenes, read_instance_ids, read_label_ids
from ..devices import autocast, choose_device, memory_format, resolve_precision
from ..files import atomic_path
from ..records import SHOWN_SCENES, Record
from .metrics import ScoreAccumulator


@dataclass(frozen=True)
class Evaluation:
    """Scores of one split and the predicted label ids of its shown scenes by name."""

    scores: dict[str, Any]
    predictions: dict[str, np.ndarray]


@torch.inference_mode()
def evaluate(
    model: nn.Module,
    config: RunConfig,
    split: str,
    device: torch.device | str | None = None,
    batch_size: int = 4,
    progress: bool = True,
    accelerator: Accelerator | None = None,
    on_scene: Callable[[str, np.ndarray], None] = lambda name, label_ids: None,
) -> Evaluation:
    """Score a network on the fine masks of one split, at the labels' own resolution.

    Images are fed at the config's size; logits are enlarged bilinearly to the size of the label
    before the argmax. `on_scene` is given each scene's name and predicted label ids, uint8 (H, W).
    """
    config = config.resolved()
    spec = dataset_spec(config.dataset)
    device = accelerator.device if accelerator else choose_device(device and str(device))
    rank, processes = (
        (accelerator.process_index, accelerator.num_processes) if accelerator else (0, 1)
    )
    precision = resolve_precision(config.precision, device)
    scenes = list_scenes(spec.root(), split, "fine")
    cache = load_cache(spec.root(), split, "fine", config.image_size, spec.class_set, progress)
    spread = np.linspace(0, len(scenes) - 1, min(SHOWN_SCENES, len(scenes)))
    shown = {scenes[position].name for position in spread.round().astype(int)}

    def read_truth(position: int) -> tuple[np.ndarray, np.ndarray | None]:
        scene = scenes[position]
        label_ids = read_label_ids(scene.label_ids)
        return label_ids, read_instance_ids(scene.instance_ids) if spec.has_instances else None

    model = model.to(device, memory_format=memory_format(device)).eval()
    accumulator = ScoreAccumulator(spec.class_set)
    predictions: dict[str, np.ndarray] = {}
    mine = range(rank, len(scenes), processes)
    truths = read_ahead(read_truth, mine)
    bar = tqdm(total=len(mine), desc=f"score {split}", disable=not progress, leave=False)
    for start in range(0, len(mine), batch_size):
        positions = mine[start : start + batch_size]
        samples = [cache[position] for position in positions]
        image, mask = (torch.stack(parts) for parts in zip(*samples, strict=True))
        image, _ = to_device(image, mask, device)
        with autocast(precision, device):
            logits = model(image)
        for position, scene_logits in zip(positions, logits.float(), strict=True):
            scene = scenes[position]
            label_ids, instance_ids = next(truths)
            indices = upsample_argmax(scene_logits, label_ids.shape)
            accumulator.add(scene.name, label_ids, indices, instance_ids)
            predicted = spec.class_set.decode(indices)
            on_scene(scene.name, predicted)
            if scene.name in shown:
                predictions[scene.name] = predicted
            bar.update()
    bar.close()
    if processes > 1:
        gathered = gather_object([(accumulator, predictions)])
        accumulator = ScoreAccumulator(spec.class_set)
        for other, others in gathered:
            accumulator.merge(other)
            predictions.update(others)
    return Evaluation(accumulator.scores(), dict(sorted(predictions.items())))


def upsample_argmax(logits: Tensor, size: tuple[int, int]) -> np.ndarray:
    """Class indices, uint8 `size` (H, W), from one scene's logits (C, h, w) enlarged bilinearly."""
    if tuple(logits.shape[-2:]) != tuple(size):
        logits = functional.interpolate(logits[None], size, mode="bilinear", align_corners=False)[0]
    return logits.argmax(0).to(torch.uint8).cpu().numpy()


def score_split(
    record: Record, split: str, *, device: str | None = None, progress: bool = True
) -> Mapping[str, Any]:
    """The record's scores on a split, computed from its weights and added the first time."""
    if split not in record.scores:
        evaluation = evaluate(
            record.load_model(), record.config, split, device=device, progress=progress
        )
        record.add_scores(split, evaluation.scores, evaluation.predictions)
    return record.scores[split]


def export_predictions(
    record: Record, split: str, folder: Path, *, device: str | None = None, progress: bool = True
) -> int:
    """Write a split's predictions as label-id PNG files and return their number.

    `{scene}_labelIds.png` holds uint8 label ids at the label's resolution, which is what the
    official evaluator and the benchmark server read.
    """

    def write(name: str, label_ids: np.ndarray) -> None:
        with atomic_path(folder / f"{name}_labelIds.png") as temporary:
            Image.fromarray(label_ids).save(temporary)

    model = record.load_model()
    evaluate(model, record.config, split, device=device, progress=progress, on_scene=write)
    return len(list_scenes(record.dataset.root(), split, "fine"))
