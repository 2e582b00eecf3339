"""What a training begins with: data and batches, network and optimiser, accelerate's front."""

import atexit
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import InitProcessGroupKwargs
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm.contrib.concurrent import thread_map

from .. import paths
from ..config import RunConfig
from ..data.cache import SceneCache, load_cache
from ..data.datasets import dataset_spec, fingerprint, prepare
from ..data.images import read_instance_ids
from ..data.transforms import TrainingSet, mix_seed
from ..data.tree import has_instances, list_scenes
from ..devices import is_native, memory_format
from ..errors import ConfigError, DatasetError, RecordError
from ..models import build_model
from ..records import Record, load_record
from .checkpoints import KEYS
from .losses import SegmentationLoss, sqrt_median_weights
from .optim import build_optimizer, build_scheduler


@dataclass
class TrainingState:
    """A run in training: what it learns from and on, and what changes, which checkpoints hold."""

    config: RunConfig
    accelerator: Accelerator
    training: TrainingSet
    validation: SceneCache  # empty where nothing is scored
    workers: int  # processes that load data
    loss: nn.Module
    model: nn.Module  # the network itself: what is saved and scored
    prepared: nn.Module  # the same network as accelerate and torch.compile wrap it for training
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    scaler: torch.amp.GradScaler  # of fp16; disabled in other precisions
    average: AveragedModel | None  # the running mean of the weights, with the config's `ema`
    data: dict[str, str]  # fingerprints of the masks that are learned from and scored, by split
    machines: list[dict[str, Any]] = field(default_factory=list)  # and code, of each session
    history: list[dict[str, Any]] = field(default_factory=list)  # a row per validated epoch
    epoch_seconds: list[float] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=lambda: {"score": -math.inf, "weights": {}})
    next_epoch: int = 0

    @property
    def scored_model(self) -> nn.Module:
        """The network whose weights are scored and kept: the running mean, where there is one."""
        return self.model if self.average is None else self.average.module

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
    """accelerate's front for this run's device, precision and accumulation.

    Its variables `ACCELERATE_*` have no say, so that a run's id stands for one result.
    """
    size = os.environ.get("WORLD_SIZE", "1")
    # A notebook runs several configs in one process; the first one's settings must not stick.
    AcceleratorState._reset_state(reset_partial_state=size == "1")
    if size != "1" and "LOCAL_RANK" not in os.environ:  # accelerate would train alone
        hint = "without LOCAL_RANK; start with torchrun, or unset it"
        raise ConfigError(f"WORLD_SIZE is set ({size}) {hint}")
    if device.type == "cuda" and device.index is not None:
        torch.cuda.set_device(device)  # accelerate takes the current one
    if config.precision == "fp16" and device.type == "cpu":  # accelerate would compute in fp32
        raise ConfigError("precision fp16 needs a GPU; a CPU trains in fp32 or bf16")
    theirs = {key: os.environ.pop(key) for key in [*os.environ] if key.startswith("ACCELERATE_")}
    try:
        accelerator = Accelerator(
            cpu=device.type == "cpu", gradient_accumulation_steps=config.accumulation,
            mixed_precision="no" if config.precision == "fp32" else config.precision,
            # The first process may wait for another session's run, and the others for it.
            kwargs_handlers=[InitProcessGroupKwargs(timeout=timedelta(days=7))],
        )
    except ValueError as problem:
        started = "start with torchrun, or unset WORLD_SIZE and LOCAL_RANK"
        launched = {"WORLD_SIZE", "LOCAL_RANK"} & os.environ.keys()
        hint = started if launched else "choose another --precision or --device"
        raise ConfigError(f"{problem}; {hint}") from None
    finally:
        os.environ.update(theirs)
    if accelerator.num_processes > 1 and device.type == "cpu":
        atexit.register(accelerator.end_training)  # gloo's threads would abort what ends with them
    if not is_native(config.precision, device):
        imitated = f"this {device.type} only imitates {config.precision}, slowly"
        accelerator.print(f"{config.run_id}: {imitated}; `--precision fp32` is a run of its own")
    return accelerator


def new_state(
    config: RunConfig, accelerator: Accelerator, workers: int | None = None, progress: bool = True,
    compiled: bool = False,
) -> TrainingState:
    """A run before its first epoch: network and optimiser, scenes at the run's size, loss."""
    torch.manual_seed(config.seed)
    frozen = config.freeze or config.frozen_norm
    if frozen and not (config.init_from or config.model_options()["pretrained"]):
        raise ConfigError("what is frozen would stay random: add --freeze 0 --frozen-norm False")
    model, device = config.build_model(download=config.init_from is None), accelerator.device
    classes, size = dataset_spec(config.dataset).class_set, config.image_size
    if config.init_from is not None:
        initialize_from(model, config, load_record(config.init_from))
    model = model.to(device, memory_format=memory_format(device))
    bare_optimizer = build_optimizer(model, config, device)
    # Data and caches come after what can be refused at once: they may take minutes to make.
    root = prepare(config.dataset, progress=progress)
    hold_out, split = config.hold_out or (), config.scored_split
    training = [scene for part in config.trained_splits
                for scene in list_scenes(root, part, config.mode, hold_out)]
    scored = list_scenes(root, split, hold_out=hold_out) if split else []
    if has_instances(scored):  # what scoring would refuse, it refuses now
        masks, title = [scene.instance_ids for scene in scored], "checking instance masks"
        masks = masks[accelerator.process_index :: accelerator.num_processes]
        thread_map(lambda mask: read_instance_ids(mask).any(), masks,  # none of them is kept
                   desc=title, disable=not progress, leave=False)
    if (count := config.train_images or len(training)) > len(training):
        raise ConfigError(f"train_images {count}: there are {len(training)}")
    epoch_batches(count, config, 0, processes=accelerator.num_processes)  # or refuses
    with accelerator.main_process_first():  # remembered for the others
        data = {part: fingerprint(root, part, config.mode) for part in config.trained_splits}
        data |= {split: fingerprint(root, scored[0].split)} if split else {}
    scenes = load_cache(training, size, classes, progress)
    validation = load_cache(scored, size, classes, progress) if scored else scenes.subset(0, 0)
    if config.train_images is not None:
        scenes = scenes.subset(config.train_images, config.seed)
    pixels = scenes.class_pixels(classes.num_classes)
    if not pixels.any():
        raise DatasetError(f"{root}: the masks to train on hold no pixel of a class that is scored")
    weights = sqrt_median_weights(pixels) if config.class_weights == "sqrt_median" else None
    average = config.ema and AveragedModel(
        model, multi_avg_fn=running_mean(config.ema), use_buffers=True)
    prepared = torch.compile(model) if compiled else model
    prepared, optimizer = accelerator.prepare(prepared, bare_optimizer)
    # Steps the bare optimiser: accelerate's wrapper would count skipped ones differently.
    scheduler = build_scheduler(bare_optimizer, config, len(scenes) // config.batch_size)
    if workers is None:
        each = (os.cpu_count() or 1) // int(os.environ.get("LOCAL_WORLD_SIZE", 1))
        workers = max(1, min(8, each)) if device.type == "cuda" else 0
    loss = SegmentationLoss(config.loss, weights, config.label_smoothing or 0.0).to(device)
    scaler = accelerator.scaler or torch.amp.GradScaler(enabled=False)
    return TrainingState(
        config, accelerator, TrainingSet(scenes, config), validation, workers, loss, model,
        prepared, optimizer, scheduler, scaler, average, data)


def running_mean(decay: float) -> Callable:
    """PyTorch's exponential mean for `AveragedModel`; whole numbers, as indices are, are copied."""
    mean = get_ema_multi_avg_fn(decay)
    return lambda old, new, count: (mean(old, new, count) if old[0].is_floating_point()
                                    else torch._foreach_copy_(old, new))


def epoch_batches(
    count: int, config: RunConfig, epoch: int, rank: int = 0, processes: int = 1
) -> list[list[tuple[int, int]]]:
    """The batches of one process: keys (epoch, position) in an order drawn from (seed, epoch).

    Every process takes its slice of each batch; the last, incomplete one is left out. Raises
    `ConfigError` for a batch size that can't be divided or is larger than the `count` of scenes.
    """
    size, parts = config.batch_size, config.accumulation * processes
    if size % parts:
        raise ConfigError(f"batch_size {size} must be a multiple of {parts} (parts x processes)")
    if size > count:
        raise ConfigError(f"batch_size {size} is larger than the training split of {count} images")
    generator = torch.Generator().manual_seed(mix_seed(config.seed, epoch))
    order = torch.randperm(count, generator=generator)[: count - count % size]
    mine = order.view(-1, processes, size // parts)[:, rank]  # (batches, images of each)
    return [[(epoch, position) for position in batch] for batch in mine.tolist()]


def initialize_from(model: nn.Module, config: RunConfig, record: Record) -> None:
    """Copy a recorded run's weights into `model` of `config`, the class head's by classes' names.

    Other classes keep fresh weights; other differences in shape raise `RecordError`, and a start
    that was trained on what `config` scores `ConfigError`.
    """
    refuse_seen(config, record)
    if problem := record.other_data():
        print(f"init_from: {problem}")
    source, old_names = record.weights(), record.dataset.class_set.names
    new_names, axes = dataset_spec(config.dataset).class_set.names, class_axes(config)
    shared = [name for name in new_names if name in old_names]
    new_rows = torch.tensor([new_names.index(name) for name in shared], dtype=torch.int64)
    old_rows = torch.tensor([old_names.index(name) for name in shared], dtype=torch.int64)
    for name, tensor in model.state_dict().items():
        if name not in source:
            raise RecordError(f"init_from {record.id}: its architecture has no {name!r}")
        old, axis = source[name].to(tensor.dtype), axes.get(name)
        if axis is not None and old.ndim == tensor.ndim and old.shape[axis] == len(old_names):
            old = tensor.clone().index_copy_(axis, new_rows, old.index_select(axis, old_rows))
        if not tensor.is_floating_point() and tensor.ndim and not torch.equal(old, tensor):
            raise RecordError(f"init_from {record.id}: another {name!r}; use its --window")
        if old.shape != tensor.shape:
            shapes = f"has shape {tuple(old.shape)}, this run needs {tuple(tensor.shape)}"
            raise RecordError(f"init_from {record.id}: {name!r} {shapes}")
        tensor.copy_(old)


def refuse_seen(config: RunConfig, record: Record) -> None:
    """Raise `ConfigError` if a start, or one before it, was trained on what `config` scores."""
    start = record.config
    own, theirs = (dataset_spec(each.dataset) for each in (config, start))
    seen = sorted({*(config.hold_out or ())} - {*(start.hold_out or ())})
    seen += ["val"] if start.with_val and not config.with_val else []
    if seen and (own.like or own.name) == (theirs.like or theirs.name):
        what = f"was trained on {', '.join(seen)}, which this run would score"
        raise ConfigError(f"init_from {config.init_from}: {record.id} {what}")
    if start.init_from and (paths.results_dir() / start.init_from).is_dir():  # else unknown
        refuse_seen(config, load_record(start.init_from))


def class_axes(config: RunConfig) -> dict[str, int]:
    """The axis of each tensor of a run's network that has an entry per class, by the tensor's name.

    Found by building it for other numbers of classes, as sizes may be equal by chance.
    """
    options = config.model_options() | ({"pretrained": False} if config.pretrained else {})
    with torch.device("meta"):
        two, three = (build_model(config.model, n, **options).state_dict() for n in (2, 3))
    sizes = {name: list(zip(tensor.shape, three[name].shape, strict=True))
             for name, tensor in two.items() if tensor.shape != three[name].shape}
    return {name: [a != b for a, b in pairs].index(True) for name, pairs in sizes.items()}
