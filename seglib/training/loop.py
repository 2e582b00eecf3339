"""From a config to a record: `train_one_epoch`, `validate`, `evaluate`, `fit`.

The loop is ours and plain; Hugging Face accelerate puts it on any device, in mixed precision and on
several processes. Everything random is seeded from (seed, epoch, sample), so a run that was killed
and started again ends with the same weights as one that was not.
"""

import io
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from filelock import FileLock
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm.auto import tqdm

from .. import paths
from ..config import RunConfig
from ..data.cache import SceneCache, load_cache
from ..data.datasets import dataset_spec, fingerprint
from ..data.transforms import TrainingSet, mix_seed, to_device
from ..devices import choose_device, memory_format, resolve_precision
from ..errors import ConfigError, RecordError, SeglibError
from ..evaluation.evaluate import evaluate
from ..evaluation.metrics import mean_iou, pixel_accuracy
from ..labels import IGNORE_INDEX
from ..models import build_model
from ..provenance import RESULTS_VERSION, commit, describe_machine, versions
from ..records import (
    Record,
    find_record,
    history_text,
    load_record,
    read_history,
    read_tensors,
    save_record,
)
from .checkpoints import checkpoint_folder, load_checkpoint, remove_checkpoint, save_checkpoint
from .losses import build_loss, sqrt_median_weights
from .optim import build_optimizer, build_scheduler
from .tracking import Tracker, check_tracker, start_tracker


class NonFiniteLoss(SeglibError):
    """The loss became NaN or infinite; the message names the batch."""


class OutOfTime(SeglibError):
    """The deadline of a session is reached; the run goes on from its checkpoint next time."""


class EpochBatches:
    """Batch sampler: keys (epoch, position) of one epoch in an order drawn from (seed, epoch).

    Every process walks through the same order and takes its slice of each batch. The last,
    incomplete batch is left out.
    """

    def __init__(self, count: int, config: RunConfig, rank: int = 0, processes: int = 1) -> None:
        parts = config.accumulation * processes
        if config.batch_size % parts:
            raise ConfigError(
                f"batch_size {config.batch_size} must be a multiple of {parts} "
                "(accumulated parts x processes)"
            )
        if config.batch_size > count:
            raise ConfigError(
                f"batch_size {config.batch_size} is larger than the training split of "
                f"{count} images; use at most {count}"
            )
        self.count, self.seed, self.batch_size = count, config.seed, config.batch_size
        self.part = config.batch_size // parts
        self.rank, self.processes = rank, processes
        self.epoch = 0

    @property
    def steps(self) -> int:
        """Optimiser steps in an epoch."""
        return self.count // self.batch_size

    def __len__(self) -> int:
        return self.steps * self.batch_size // (self.part * self.processes)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        generator = torch.Generator().manual_seed(mix_seed(self.seed, self.epoch))
        order = torch.randperm(self.count, generator=generator).tolist()
        for start in range(0, self.steps * self.batch_size, self.part * self.processes):
            first = start + self.rank * self.part
            yield [(self.epoch, position) for position in order[first : first + self.part]]


def train_one_epoch(
    model: nn.Module,
    loader: DataLoader,
    loss_function: nn.Module,
    optimizer: torch.optim.Optimizer,
    scheduler: torch.optim.lr_scheduler.LRScheduler | None,
    accelerator: Accelerator,
    clip_norm: float | None = None,
    on_batch: Callable[[int, float], None] = lambda images, loss: None,
) -> float:
    """Train on every batch of `loader` once and return the mean loss.

    `scheduler` steps with the optimiser; `on_batch` is told each batch's number of images and
    loss. Raises `NonFiniteLoss` that names the batch when the loss is NaN or infinite.
    """
    model.train()
    losses: list[float] = []
    for number, (image, mask) in enumerate(loader):
        image, mask = to_device(image, mask, accelerator.device)
        with accelerator.accumulate(model):
            loss = loss_function(model(image), mask)
            value = loss.item()
            if not math.isfinite(value):
                keys = list(loader.batch_sampler)[number]
                names = ", ".join(loader.dataset.cache.names[position] for _, position in keys)
                raise NonFiniteLoss(
                    f"the loss is {value} in epoch {keys[0][0] + 1}, batch {number + 1} "
                    f"(scenes {names}); try a lower learning_rate or set clip_norm"
                )
            accelerator.backward(loss)
            if accelerator.sync_gradients and clip_norm is not None:
                accelerator.clip_grad_norm_(model.parameters(), clip_norm)
            optimizer.step()
            optimizer.zero_grad()
            if accelerator.sync_gradients and scheduler is not None:
                scheduler.step()
        losses.append(value)
        on_batch(len(image), value)
    return accelerator.reduce(
        torch.tensor(np.mean(losses), device=accelerator.device, dtype=torch.float32), "mean"
    ).item()


@torch.inference_mode()
def validate(
    model: nn.Module,
    cache: SceneCache,
    loss_function: nn.Module,
    accelerator: Accelerator,
    num_classes: int,
    batch_size: int,
) -> tuple[float, np.ndarray]:
    """Mean loss and int64 confusion matrix over a cached split, at the size of the cache.

    Each process takes its own scenes, none twice, and the matrices are added.
    """
    model.eval()
    device = accelerator.device
    confusion = torch.zeros(num_classes**2, dtype=torch.int64, device=device)
    total = torch.zeros((), device=device)
    mine = range(accelerator.process_index, len(cache), accelerator.num_processes)
    for start in range(0, len(mine), batch_size):
        samples = [cache[position] for position in mine[start : start + batch_size]]
        image, mask = (torch.stack(parts) for parts in zip(*samples, strict=True))
        image, mask = to_device(image, mask, device)
        logits = model(image)
        total += loss_function(logits, mask) * len(image)
        scored = mask != IGNORE_INDEX
        pairs = mask[scored].long() * num_classes + logits.argmax(1)[scored]
        confusion += torch.bincount(pairs, minlength=num_classes**2)
    total, confusion = accelerator.reduce(total), accelerator.reduce(confusion)
    return (total / len(cache)).item(), confusion.view(num_classes, num_classes).cpu().numpy()


def fit(
    config: RunConfig,
    *,
    device: str | None = None,
    tracker: str = "none",
    retrain: bool | None = None,
    results: Path | None = None,
    keep_weights: bool = True,
    progress: bool = True,
    workers: int | None = None,
    compile_model: bool = False,
    deadline: float = math.inf,
) -> Record:
    """Return the record of this run: loaded if it exists, resumed if it was begun, else trained.

    Says in one line which of the three it did. `retrain` (default: whether `SEGLIB_RETRAIN` is 1)
    trains even if there is a record. `results` is the folder of records (default:
    `paths.results_dir()`). `keep_weights` False makes a compact record.
    `workers` processes load data (default: none on a CPU, up to 8 for a GPU). `deadline` is a time
    of `time.monotonic`: after an epoch, when the next one would end later than that, the session
    raises `OutOfTime` and leaves a checkpoint; at least one epoch is trained. Raises `ConfigError`,
    `DatasetError` or `RecordError` before any training if the run can't work, and `NonFiniteLoss`
    if it diverges.
    """
    config = config.resolved()
    check_tracker(tracker)
    run_id = config.run_id
    retrain = os.environ.get("SEGLIB_RETRAIN") == "1" if retrain is None else retrain
    if not retrain and (record := find_record(config, results)):
        return _announce(record)
    chosen = choose_device(device)
    check_writable(results or paths.results_dir(), "SEGLIB_RESULTS")
    check_writable(paths.checkpoints_dir(), "SEGLIB_HOME")
    accelerator = make_accelerator(config, chosen)
    lock = checkpoint_folder(run_id).with_suffix(".lock")
    with FileLock(lock) if accelerator.is_main_process else nullcontext():
        accelerator.wait_for_everyone()
        if not retrain and (record := find_record(config, results)):  # another process was first
            return _announce(record)
        run = _Run(config, accelerator, progress, workers, compile_model)
        record = run.train(tracker, keep_weights, deadline, results)
        accelerator.wait_for_everyone()
    return record


def _announce(record: Record) -> Record:
    note = "" if record.is_current else "; of another results version (seglib verify checks it)"
    print(f"{record.id}: recorded, val mIoU {100 * record.miou():.1f} %{note}")
    return record


def check_writable(folder: Path, variable: str) -> None:
    """Raise `RecordError` now rather than after hours if `folder` can't be written."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".write-test.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as problem:
        raise RecordError(
            f"{folder}: this folder can't be written ({problem.strerror}); "
            f"allow it or point {variable} elsewhere"
        ) from None


def make_accelerator(config: RunConfig, device: torch.device) -> Accelerator:
    """accelerate's front for this run's device, precision and accumulation."""
    precision = resolve_precision(config.precision, device)
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        # A notebook runs several configs in one process; the first one's settings must not stick.
        AcceleratorState._reset_state(reset_partial_state=True)
    return Accelerator(
        cpu=device.type == "cpu",
        mixed_precision="no" if precision == "fp32" else precision,
        gradient_accumulation_steps=config.accumulation,
    )


def initialize_from(model: nn.Module, record: Record, class_names: tuple[str, ...]) -> None:
    """Copy a recorded run's weights into `model`; rows of the class head are matched by name.

    A class that the recorded run did not know keeps its fresh weights. Raises `RecordError` if
    anything but the head differs in shape.
    """
    old_names = record.dataset.class_set.names
    shared = [name for name in class_names if name in old_names]
    new_rows = [class_names.index(name) for name in shared]
    old_rows = [old_names.index(name) for name in shared]
    source, target = read_tensors(record.weights_path), model.state_dict()
    for name, tensor in target.items():
        if name not in source:
            raise RecordError(f"init_from {record.id}: its architecture has no {name!r}")
        old = source[name].to(tensor.dtype)
        if old.shape == tensor.shape and old_names == class_names:
            tensor.copy_(old)
            continue
        axes = [
            axis
            for axis in range(min(old.ndim, tensor.ndim))
            if (old.shape[axis], tensor.shape[axis]) == (len(old_names), len(class_names))
        ]
        if old.shape == tensor.shape:
            tensor.copy_(old)
        elif old.ndim == tensor.ndim and len(axes) == 1:
            rows = torch.tensor(new_rows), torch.tensor(old_rows)
            tensor.index_copy_(axes[0], rows[0], old.index_select(axes[0], rows[1]))
        else:
            raise RecordError(
                f"init_from {record.id}: {name!r} has shape {tuple(old.shape)}, "
                f"this run needs {tuple(tensor.shape)}"
            )


class _Run:
    """One training run: what `fit` sets up, steps through and records."""

    def __init__(self, config, accelerator, progress, workers, compile_model) -> None:
        self.config: RunConfig = config
        self.accelerator: Accelerator = accelerator
        self.device = accelerator.device
        self.progress = progress and accelerator.is_main_process
        self.spec = dataset_spec(config.dataset)
        self.classes = self.spec.class_set
        root, size = self.spec.root(), config.image_size
        self.train_cache = load_cache(root, "train", config.mode, size, self.classes, self.progress)
        self.val_cache = load_cache(root, "val", "fine", size, self.classes, self.progress)
        if config.train_images is not None:
            self.train_cache = self.train_cache.subset(config.train_images, config.seed)
        self.batches = EpochBatches(
            len(self.train_cache), config, accelerator.process_index, accelerator.num_processes
        )

        torch.manual_seed(config.seed)
        model = build_model(config.model, self.classes.num_classes, **config.model_options())
        if config.init_from is not None:
            initialize_from(model, load_record(config.init_from), self.classes.names)
        model = model.to(self.device, memory_format=memory_format(self.device))
        self.parameters = sum(parameter.numel() for parameter in model.parameters())
        optimizer = build_optimizer(model, config, self.device)
        self.bare_model = model
        if compile_model:
            model = torch.compile(model)
        self.model, self.optimizer = accelerator.prepare(model, optimizer)
        # Steps the bare optimiser: accelerate's wrapper would count skipped ones differently.
        self.scheduler = build_scheduler(optimizer, config, self.batches.steps)
        self.loss = build_loss(config.loss, self._class_weights()).to(self.device)

        if workers is None:
            workers = min(8, os.cpu_count() or 1) if self.device.type == "cuda" else 0
        self.loader = DataLoader(
            TrainingSet(self.train_cache, config),
            batch_sampler=self.batches,
            num_workers=workers,
            # Workers that outlive an epoch would draw from the generator only in the first one.
            persistent_workers=False,
            pin_memory=self.device.type == "cuda",
        )
        self.history: list[dict[str, Any]] = []
        self.epoch_seconds: list[float] = []
        self.best: dict[str, Any] = {"score": -math.inf, "epoch": 0, "state": {}}
        self.next_epoch = 0

    def _class_weights(self) -> Tensor | None:
        if self.config.class_weights == "none":
            return None
        return sqrt_median_weights(self.train_cache.class_pixels(self.classes.num_classes))

    def train(
        self,
        tracker_name: str,
        keep_weights: bool,
        deadline: float,
        results: Path | None,
    ) -> Record:
        self._resume()
        main = self.accelerator.is_main_process
        tracker = start_tracker(tracker_name, self.config) if main else Tracker()
        images = self.batches.steps * self.config.batch_size
        with tqdm(
            total=self.config.epochs * images,
            initial=self.next_epoch * images,
            unit="img",
            disable=not self.progress,
        ) as bar:
            try:
                for epoch in range(self.next_epoch, self.config.epochs):
                    row = self.one_epoch(epoch, bar)
                    if main:
                        save_checkpoint(self.config.run_id, self._state())
                    if row is not None:
                        tracker.log(row)
                    if self.next_epoch < self.config.epochs and self._out_of_time(deadline):
                        raise OutOfTime(
                            f"{self.config.run_id}: out of time after epoch {self.next_epoch} of "
                            f"{self.config.epochs}; the same call goes on from there"
                        )
            except BaseException:
                tracker.finish(None)  # else the next run of a notebook would log into this one
                raise
        record = self._record(keep_weights, results or paths.results_dir())
        tracker.log_masks(
            {
                name: self.classes.encode(label_ids)
                for name, label_ids in record.predictions("val").items()
            },
            self.classes.names,
        )
        tracker.finish(record.weights_path)
        return record

    def _out_of_time(self, deadline: float) -> bool:
        """Whether the next epoch would end too late, by the clock of any process."""
        late = time.monotonic() + self.epoch_seconds[-1] > deadline
        late = torch.tensor(float(late), device=self.device)
        return self.accelerator.reduce(late).item() > 0

    def one_epoch(self, epoch: int, bar: tqdm) -> dict[str, Any] | None:
        """Train, validate if it is time to, and keep the best weights."""
        config, began = self.config, time.monotonic()
        self.batches.epoch = epoch
        torch.manual_seed(mix_seed(config.seed, epoch, self.accelerator.process_index))  # dropout
        rate = self.scheduler.get_last_lr()[-1]
        bar.set_description(f"epoch {epoch + 1}/{config.epochs}")
        scores = {} if not self.history else {"mIoU": f"{100 * self.history[-1]['val_miou']:.1f}"}

        def on_batch(images: int, loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.3f}", **scores, refresh=False)
            bar.update(images * self.accelerator.num_processes)

        train_loss = train_one_epoch(
            self.model,
            self.loader,
            self.loss,
            self.optimizer,
            self.scheduler,
            self.accelerator,
            config.clip_norm,
            on_batch,
        )
        row = None
        last = epoch + 1 == config.epochs
        if last or (epoch + 1) % config.validate_every == 0:
            val_loss, confusion = validate(
                self.model,
                self.val_cache,
                self.loss,
                self.accelerator,
                self.classes.num_classes,
                max(1, config.batch_size // 2),
            )
            row = {
                "epoch": epoch + 1,
                "learning_rate": rate,
                "train_loss": train_loss,
                "val_loss": val_loss,
                "val_miou": mean_iou(confusion),
                "val_pixel_accuracy": pixel_accuracy(confusion),
            }
            self.history.append(row)
            score = row["val_miou"] if config.select_by == "miou" else -row["val_loss"]
            score = -math.inf if math.isnan(score) else score  # no epoch is better than NaN
            if score > self.best["score"] or not self.best["state"]:
                state = {k: v.cpu().clone() for k, v in self.bare_model.state_dict().items()}
                self.best = {"score": score, "epoch": epoch + 1, "state": state}
        self.epoch_seconds.append(round(time.monotonic() - began, 2))
        self.next_epoch = epoch + 1
        return row

    def _state(self) -> dict[str, Any]:
        return {
            "model": self.bare_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler else None,
            "next_epoch": self.next_epoch,
            "history": self.history,
            "epoch_seconds": self.epoch_seconds,
            "best": self.best,
            "results_version": RESULTS_VERSION,
        }

    def _resume(self) -> None:
        state, damaged = load_checkpoint(self.config.run_id)
        say = self.accelerator.print
        for line in damaged:
            say(line)
        if state is not None and state.get("results_version") != RESULTS_VERSION:
            say(f"{self.config.run_id}: its checkpoint is of another version and is passed over")
            state = None
        if state is None:
            say(f"{self.config.run_id}: training {self.config.epochs} epochs on {self.device.type}")
            return
        self.bare_model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.scheduler.load_state_dict(state["scheduler"])
        for name in ("next_epoch", "history", "epoch_seconds", "best"):
            setattr(self, name, state[name])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        say(
            f"{self.config.run_id}: resumed after epoch {self.next_epoch} of {self.config.epochs}"
            f" on {self.device.type}"
        )

    def _record(self, keep_weights: bool, results: Path) -> Record:
        """Score the best weights, in the precision in which they are kept, and write the record."""
        config = self.config
        state = {name: half(tensor) for name, tensor in self.best["state"].items()}
        self.bare_model.load_state_dict(state)
        evaluation = evaluate(
            self.bare_model, config, "val", progress=self.progress, accelerator=self.accelerator
        )
        seconds = sum(self.epoch_seconds)
        images = self.batches.steps * config.batch_size * config.epochs
        environment = {
            **describe_machine(self.device),
            "processes": self.accelerator.num_processes,
            "precision": resolve_precision(config.precision, self.device),
            "versions": versions(),
            "commit": commit(),
            "results_version": RESULTS_VERSION,
            "dataset_fingerprint": fingerprint(self.spec.root()),
            "parameters": self.parameters,
            "best_epoch": self.best["epoch"],
            "seconds": round(seconds, 1),
            "images_per_second": round(images / max(seconds, 0.01), 2),
            "epoch_seconds": self.epoch_seconds,
            "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if self.accelerator.is_main_process:
            save_record(
                config,
                history=self.history,
                scores={"val": evaluation.scores},
                environment=environment,
                state=state if keep_weights else None,
                predictions={"val": evaluation.predictions},
                results=results,
            )
            remove_checkpoint(config.run_id)
        self.accelerator.wait_for_everyone()
        return Record(results / config.run_id)


def half(tensor: Tensor) -> Tensor:
    """A floating-point tensor in half precision if its range allows; in plain memory order."""
    halved = tensor.half() if tensor.is_floating_point() else tensor
    return (halved if torch.equal(halved.isfinite(), tensor.isfinite()) else tensor).contiguous()


def replay(record: Record, epochs: int = 1) -> pd.DataFrame:
    """Train a recorded run's first epochs again, without recording anything.

    Returns the rows of `history.csv` that result, at least one, in the precision of that file. On
    the recorded processor and number of threads they equal the record's unless the code differs.
    """
    config, environment = record.config.resolved(), record.environment
    device = choose_device(environment["device"])
    threads = torch.get_num_threads()
    torch.set_num_threads(environment["threads"])
    try:
        run = _Run(config, make_accelerator(config, device), True, None, False)
        with tqdm(total=0, unit="img") as bar:
            while not run.history or run.next_epoch < epochs:
                run.one_epoch(run.next_epoch, bar)
    finally:
        torch.set_num_threads(threads)
    return read_history(io.StringIO(history_text(run.history)))


