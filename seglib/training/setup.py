"""What a training begins with: data and batches, network and optimiser, accelerate's front."""

import math
import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from ..config import RunConfig
from ..data.cache import SceneCache, load_cache
from ..data.datasets import dataset_spec
from ..data.transforms import TrainingSet, mix_seed
from ..data.tree import list_scenes
from ..devices import memory_format, resolve_precision
from ..errors import ConfigError, RecordError
from ..records import Record, load_record, read_tensors
from .checkpoints import KEYS
from .losses import SegmentationLoss, sqrt_median_weights
from .optim import build_optimizer, build_scheduler


@dataclass
class TrainingState:
    """A run in training: what it learns from and on, and what changes, which checkpoints hold."""

    config: RunConfig
    accelerator: Accelerator
    training: TrainingSet
    validation: SceneCache
    workers: int  # processes that load data
    loss: nn.Module
    model: nn.Module  # the network itself: what is saved and scored
    prepared: nn.Module  # the same network as accelerate and torch.compile wrap it for training
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler  # of fp16; disabled in other precisions
    history: list[dict[str, Any]] = field(default_factory=list)  # a row per validated epoch
    epoch_seconds: list[float] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=lambda: {"score": -math.inf, "weights": {}})
    next_epoch: int = 0

    def state_dict(self) -> dict[str, Any]:
        """Plain values and tensors, for `save_checkpoint`."""
        parts = {name: getattr(self, name) for name in KEYS}
        return {k: v.state_dict() if hasattr(v, "state_dict") else v for k, v in parts.items()}

    def load_state_dict(self, saved: dict[str, Any]) -> None:
        """Go on where the run was whose `state_dict` is `saved`."""
        for name in KEYS:
            part = getattr(self, name)
            if hasattr(part, "load_state_dict"):
                part.load_state_dict(saved[name])
            else:
                setattr(self, name, saved[name])


def make_accelerator(config: RunConfig, device: torch.device) -> Accelerator:
    """accelerate's front for this run's device, precision and accumulation."""
    precision = resolve_precision(config.precision, device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # A notebook runs several configs in one process; the first one's settings must not stick.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        cpu=device.type == "cpu", mixed_precision="no" if precision == "fp32" else precision,
        gradient_accumulation_steps=config.accumulation,
    )


def new_state(
    config: RunConfig, accelerator: Accelerator, workers: int | None = None, progress: bool = True,
    compiled: bool = False,
) -> TrainingState:
    """A run before its first epoch: network and optimiser, scenes at the run's size, loss."""
    torch.manual_seed(config.seed)
    model, device = config.build_model(), accelerator.device
    spec, size = dataset_spec(config.dataset), config.image_size
    root, classes = spec.root(), spec.class_set
    if config.init_from is not None:
        initialize_from(model, load_record(config.init_from), classes.names)
    model = model.to(device, memory_format=memory_format(device))
    # The data come after what can be refused at once: they may take minutes to prepare.
    training, validation = list_scenes(root, "train", config.mode), list_scenes(root, "val")
    scenes = load_cache(training, size, classes, progress)
    validation = load_cache(validation, size, classes, progress)
    if config.train_images is not None:
        scenes = scenes.subset(config.train_images, config.seed)
    weights = None
    if config.class_weights == "sqrt_median":
        weights = sqrt_median_weights(scenes.class_pixels(classes.num_classes))
    epoch_batches(len(scenes), config, 0, processes=accelerator.num_processes)  # or refuses
    bare_optimizer = build_optimizer(model, config, device)
    prepared = torch.compile(model) if compiled else model
    prepared, optimizer = accelerator.prepare(prepared, bare_optimizer)
    # Steps the bare optimiser: accelerate's wrapper would count skipped ones differently.
    scheduler = build_scheduler(bare_optimizer, config, len(scenes) // config.batch_size)
    if workers is None:
        workers = min(8, os.cpu_count() or 1) if device.type == "cuda" else 0
    return TrainingState(
        config, accelerator, training=TrainingSet(scenes, config), validation=validation,
        workers=workers, loss=SegmentationLoss(config.loss, weights).to(device), model=model,
        prepared=prepared, optimizer=optimizer, scheduler=scheduler,
        scaler=accelerator.scaler or torch.amp.GradScaler(enabled=False),
    )


def epoch_batches(
    count: int, config: RunConfig, epoch: int, rank: int = 0, processes: int = 1
) -> list[list[tuple[int, int]]]:
    """The batches of one process: keys (epoch, position) in an order drawn from (seed, epoch).

    Every process takes its slice of each batch; the last, incomplete one is left out. Raises
    `ConfigError` for a batch size that can't be divided or is larger than the `count` of scenes.
    """
    size, parts = config.batch_size, config.accumulation * processes
    if size % parts:
        needed = f"a multiple of {parts} (accumulated parts x processes)"
        raise ConfigError(f"batch_size {size} must be {needed}")
    if size > count:
        split = f"the training split of {count} images; use at most {count}"
        raise ConfigError(f"batch_size {size} is larger than {split}")
    generator = torch.Generator().manual_seed(mix_seed(config.seed, epoch))
    order = torch.randperm(count, generator=generator)[: count - count % size]
    mine = order.view(-1, processes, size // parts)[:, rank]  # (batches, images of each)
    return [[(epoch, position) for position in batch] for batch in mine.tolist()]


def initialize_from(model: nn.Module, record: Record, class_names: tuple[str, ...]) -> None:
    """Copy a recorded run's weights into `model`, those of the class head by the classes' names.

    Other classes keep fresh weights; other differences in shape raise `RecordError`.
    """
    old_names, source = record.dataset.class_set.names, read_tensors(record.weights_path)
    shared = [name for name in class_names if name in old_names]
    new_rows = torch.tensor([class_names.index(name) for name in shared])
    old_rows = torch.tensor([old_names.index(name) for name in shared])
    for name, tensor in model.state_dict().items():
        if name not in source:
            raise RecordError(f"init_from {record.id}: its architecture has no {name!r}")
        old = source[name].to(tensor.dtype)
        pairs = list(zip(old.shape, tensor.shape, strict=False))
        classes = (len(old_names), len(class_names))
        if old.shape == tensor.shape:
            tensor.copy_(old)
        elif old.ndim == tensor.ndim and pairs.count(classes) == 1:
            axis = pairs.index(classes)  # 0 of a convolution, 1 of a transposed one
            tensor.index_copy_(axis, new_rows, old.index_select(axis, old_rows))
        else:
            shapes = f"has shape {tuple(old.shape)}, this run needs {tuple(tensor.shape)}"
            raise RecordError(f"init_from {record.id}: {name!r} {shapes}")


def check_writable(folder: Path, variable: str) -> None:
    """Raise `RecordError` now rather than after hours if `folder` can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as problem:
        reason = f"this folder can't be written ({problem.strerror})"
        raise RecordError(f"{folder}: {reason}; allow it or point {variable} elsewhere") from None
