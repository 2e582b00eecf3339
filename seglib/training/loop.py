"""From a config to a record: `fit`, and what it repeats, `train_one_epoch` and `validate`.

Plain PyTorch, put on any device, precision and number of processes by accelerate. All randomness is
seeded from (seed, epoch, sample): a run that was killed and resumed ends with the same weights.
"""

import math
import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import broadcast
from torch import Tensor
from torch.utils.data import DataLoader, Subset
from tqdm.auto import tqdm

from .. import paths
from ..config import RunConfig
from ..data.datasets import dataset_spec
from ..data.transforms import mix_seed, to_device
from ..devices import choose_device
from ..errors import RecordError, SeglibError
from ..evaluation.evaluate import evaluate
from ..evaluation.metrics import mean_iou, pixel_accuracy
from ..files import check_writable, locked
from ..labels import IGNORE_INDEX
from ..models.inspection import count_parameters
from ..provenance import RESULTS_VERSION, commit, describe_machine, versions
from ..records import Record, find_record, save_record
from ..text import score_note
from .checkpoints import checkpoint_folder, load_checkpoint, remove_checkpoint, save_checkpoint
from .setup import TrainingState, epoch_batches, make_accelerator, new_state
from .tracking import check_tracker, start_tracker


class NonFiniteLoss(SeglibError):
    """The loss became NaN or infinite; the message names the batch."""


class OutOfTime(SeglibError):
    """The deadline of a session is reached; the run goes on from its checkpoint next time."""


def fit(
    config: RunConfig, *, device: str | None = None, tracker: str = "none",
    retrain: bool | None = None, results: Path | None = None, keep_weights: bool = True,
    progress: bool = True, workers: int | None = None, compile_model: bool = False,
    deadline: float = math.inf,
) -> Record:
    """Return the record of this run: loaded if it exists, resumed if it was begun, else trained.

    Says in one line which of the three it did. `retrain` (default: whether `SEGLIB_RETRAIN` is 1)
    trains even if there is a record in `results` (default: `paths.results_dir()`); `keep_weights`
    False makes a compact one. `workers` processes load data (default: up to 8 for an NVIDIA GPU).
    When the next epoch would end after `deadline`, a time of `time.monotonic`, raises `OutOfTime`
    and leaves a checkpoint. Raises `ConfigError`, `DatasetError` or `RecordError` before training
    if the run can't work or is recorded on other data; `NonFiniteLoss` if it diverges.
    """
    chosen, config = choose_device(device), config.resolved()
    check_tracker(tracker)
    retrain = os.environ.get("SEGLIB_RETRAIN") == "1" if retrain is None else retrain
    results = results or paths.results_dir()
    if not retrain and (record := find_record(config, results)):
        return announce(record)
    accelerator = make_accelerator(config, chosen)
    check_writable(results, "SEGLIB_RESULTS")
    check_writable(paths.checkpoints_dir(), "SEGLIB_HOME")
    is_main = accelerator.is_main_process
    progress = progress and is_main
    lock = Path(f"{checkpoint_folder(config.run_id)}.lock")
    with locked(lock, f"trains {config.run_id}") if is_main else nullcontext():
        accelerator.wait_for_everyone()
        if not retrain and (record := find_record(config, results)):  # another session was first
            return announce(record)
        state = new_state(config, accelerator, workers, progress, compile_model)
        resume(state)
        images = len(state.training) - len(state.training) % config.batch_size  # of an epoch
        with (
            start_tracker(tracker if is_main else "none", config) as tracked,
            tqdm(total=config.epochs * images, unit="img", disable=not progress) as bar,
            closing(load_batches(state)) as batches,
        ):
            bar.update(state.next_epoch * images)
            saving_due = 0.0
            while state.next_epoch < config.epochs:
                row = next_epoch(state, batches, bar)
                late = state.next_epoch < config.epochs and is_late(state, deadline)
                if is_main and (late or time.monotonic() >= saving_due):
                    took = save_checkpoint(config.run_id, state.state_dict())
                    saving_due = time.monotonic() + 10 * took - 1  # a tenth of the time, or 0.1 s
                if row and tracked:
                    tracked.log(row, step=row["epoch"])
                if late:
                    accelerator.wait_for_everyone()  # for the checkpoint
                    where = f"out of time after epoch {state.next_epoch} of {config.epochs}"
                    raise OutOfTime(f"{config.run_id}: {where}; the same call goes on from there")
        # Scored in the precision in which they are kept.
        weights = {name: half(tensor) for name, tensor in state.best["weights"].items()}
        if not all(w.isfinite().all() for w in weights.values() if w.is_floating_point()):
            raise NonFiniteLoss(f"{config.run_id}: the last step left weights that are not finite")
        state.model.load_state_dict(weights)
        for name in ("forward", "_original_forward"):  # which accelerate puts there, with autocast
            state.model.__dict__.pop(name, None)
        model, split = state.model, config.scored_split
        found = split and evaluate(model, config, split, progress=progress, accelerator=accelerator)
        if is_main:
            save_record(config, history=state.history, environment=describe_run(state),
                        scores={split: found.scores} if split else {},
                        predictions={split: found.predictions} if split else {},
                        state=weights if keep_weights else None, results=results)
            remove_checkpoint(config.run_id)
        accelerator.wait_for_everyone()
    return Record(results / config.run_id)


def load_batches(state: TrainingState) -> Iterator[list[Tensor]]:
    """The batches of all epochs to come, loaded ahead by processes that end with the iterator."""
    config, accelerator = state.config, state.accelerator
    share = accelerator.process_index, accelerator.num_processes
    yield from DataLoader(
        state.training, num_workers=state.workers, pin_memory=accelerator.device.type == "cuda",
        batch_sampler=(keys for epoch in range(state.next_epoch, config.epochs)
                       for keys in epoch_batches(len(state.training), config, epoch, *share)),
        # Forked, workers share the cache; else each would get a copy of all its images.
        multiprocessing_context="fork" if state.workers and sys.platform == "linux" else None,
        generator=torch.Generator(),  # its seed for the workers is not drawn from dropout's numbers
    )


def next_epoch(state: TrainingState, batches: Iterator, bar: tqdm) -> dict[str, Any] | None:
    """Train an epoch, validate if it is time to (and return that row), keep the best weights."""
    config, accelerator = state.config, state.accelerator
    began, epoch = time.monotonic(), state.next_epoch
    torch.manual_seed(mix_seed(config.seed, epoch, accelerator.process_index))  # dropout
    torch.empty((), dtype=torch.int64).random_()  # a number that recorded runs drew for workers
    rate = state.scheduler.get_last_lr()[-1]
    count = len(state.training) // config.batch_size * config.accumulation
    load, cores = getattr(os, "getloadavg", lambda: [0])()[0], os.cpu_count() or 1  # not on Windows
    busy = f", machine busy: load {load:.1f} on {cores} cores" if load > 1.3 * cores else ""
    if busy and torch.get_num_threads() > 1:
        busy += " (OMP_NUM_THREADS=1 loses less)"
    bar.set_description(f"epoch {epoch + 1}/{config.epochs}{busy}")
    loss = train_one_epoch(state, islice(batches, count), bar)
    state.next_epoch = number = epoch + 1
    row = None
    if number == config.epochs or number % config.validate_every == 0:
        broadcast([*state.scored_model.buffers()])  # each process has batch norms' of its own
        val_loss, confusion = validate(state)
        row = {"epoch": number, "learning_rate": rate, "train_loss": loss, "val_loss": val_loss,
               "val_miou": mean_iou(confusion), "val_pixel_accuracy": pixel_accuracy(confusion)}
        state.history.append(row)
        scores = {"last": number, "miou": row["val_miou"], "loss": -val_loss}
        score = scores[config.select_by]
        score = -math.inf if math.isnan(score) else score  # no epoch is better than NaN
        if score > state.best["score"] or not state.best["weights"]:
            weights = state.scored_model.state_dict()
            weights = {key: value.cpu().clone() for key, value in weights.items()}
            state.best = {"score": score, "epoch": number, "weights": weights}
    state.epoch_seconds.append(round(time.monotonic() - began, 2))
    return row


def train_one_epoch(state: TrainingState, batches: Iterable[list[Tensor]], bar: tqdm) -> float:
    """Train once on every batch of the next epoch and return the mean loss; `bar` counts images.

    Raises `NonFiniteLoss`, which names the batch, when the loss is NaN or infinite.
    """
    accelerator, config, model = state.accelerator, state.config, state.prepared.train()
    losses: list[float] = []
    for number, (image, mask) in enumerate(batches):
        image, mask = to_device(image, mask, accelerator.device)
        with accelerator.accumulate(model):
            loss = state.loss(model(image), mask)
            accelerator.backward(loss)
            if accelerator.sync_gradients and config.clip_norm is not None:
                accelerator.clip_grad_norm_(model.parameters(), config.clip_norm)
            state.optimizer.step()
            state.optimizer.zero_grad()
            if accelerator.sync_gradients:
                state.scheduler.step()
                if state.average is not None:
                    state.average.update_parameters(state.model)
        value = loss.item()  # not before a GPU has got all its work
        if not math.isfinite(value):
            share = accelerator.process_index, accelerator.num_processes
            keys = epoch_batches(len(state.training), config, state.next_epoch, *share)[number]
            names = ", ".join(state.training.cache.names[position] for _, position in keys)
            at = f"in epoch {state.next_epoch + 1}, batch {number + 1} (scenes {names})"
            raise NonFiniteLoss(f"the loss is {value} {at}; lower learning_rate or set clip_norm")
        losses.append(value)
        bar.set_postfix(loss=f"{value:.3f}", refresh=False)
        bar.update(len(image) * accelerator.num_processes)
    mean = torch.tensor(np.mean(losses), device=accelerator.device, dtype=torch.float32)
    return accelerator.reduce(mean, "mean").item()


@torch.inference_mode()
def validate(state: TrainingState) -> tuple[float, np.ndarray]:
    """Mean loss and int64 confusion matrix over the scored split, shared among all processes."""
    accelerator, cache, config = state.accelerator, state.validation, state.config
    model = state.scored_model.eval()  # not DDP's wrapper, which waits for shares without a scene
    batch_size = config.batch_size // config.accumulation // accelerator.num_processes // 2 or 1
    device, classes = accelerator.device, dataset_spec(config.dataset).class_set.num_classes
    confusion = torch.zeros(classes**2, dtype=torch.int64, device=device)
    total = torch.zeros((), device=device)
    mine = range(accelerator.process_index, len(cache), accelerator.num_processes)
    for image, mask in DataLoader(Subset(cache, mine), batch_size):
        image, mask = to_device(image, mask, device)
        with accelerator.autocast():
            logits = model(image).float()
        total += state.loss(logits, mask) * len(image)
        scored = mask != IGNORE_INDEX
        pairs = mask[scored].long() * classes + logits.argmax(1)[scored]
        confusion += torch.bincount(pairs, minlength=classes**2)
    total, confusion = accelerator.reduce(total), accelerator.reduce(confusion)
    return (total / len(cache)).item(), confusion.view(classes, classes).cpu().numpy()


def announce(record: Record) -> Record:
    """Say in one line that a run is recorded, in one of its processes, and return its record.

    Raises `RecordError` if it is recorded on other data than are here.
    """
    if problem := record.other_data(record.config.scored_split):
        raise RecordError(f"{problem}; set SEGLIB_RESULTS elsewhere, or train it anew (--retrain)")
    if os.environ.get("RANK", "0") == "0":
        note = "" if record.is_current else "; of another results version (seglib verify checks it)"
        print(f"{record.id}: recorded, {score_note(record)}{note}")
    return record


def resume(state: TrainingState) -> None:
    """Go on from the run's checkpoint if there is one, say so, and note the machine."""
    config, accelerator = state.config, state.accelerator
    saved, passed_over = load_checkpoint(config.run_id, state.data)
    for line in passed_over:
        accelerator.print(line)
    begins = f"training {config.epochs} epochs"
    if saved is not None:
        try:
            state.load_state_dict(saved)
        except (RuntimeError, ValueError):  # the class or the optimiser was edited since
            problem = "the code of its checkpoint had another network or optimiser; to begin anew,"
            folder = paths.checkpoint_folder(config.run_id)
            raise RecordError(f"{config.run_id}: {problem} remove {folder}") from None
        begins = f"resumed after epoch {state.next_epoch} of {config.epochs}"
    accelerator.print(f"{config.run_id}: {begins} on {accelerator.device.type}")
    here = describe_machine(accelerator.device) | {
        "processes": accelerator.num_processes, "versions": versions(), "commit": commit(),
        "compiled": any("_orig_mod" in name for name, _ in state.prepared.named_modules())}
    state.machines += [here] if here not in state.machines[-1:] else []


def is_late(state: TrainingState, deadline: float) -> bool:
    """Whether another epoch would end after `deadline`, by the clock of any process."""
    late = torch.tensor(float(time.monotonic() + state.epoch_seconds[-1] > deadline))
    return state.accelerator.reduce(late.to(state.accelerator.device)).item() > 0


def half(tensor: Tensor) -> Tensor:
    """A floating-point tensor in half precision if its range allows; in plain memory order."""
    halved = tensor.half() if tensor.is_floating_point() else tensor
    return (halved if torch.equal(halved.isfinite(), tensor.isfinite()) else tensor).contiguous()


def describe_run(state: TrainingState) -> dict[str, Any]:
    """What a record's `environment.json` holds: where, with what, how long."""
    config, seconds = state.config, sum(state.epoch_seconds)
    images = config.epochs * (len(state.training) - len(state.training) % config.batch_size)
    first, *others = state.machines
    return {
        **first, **({"resumed_on": others} if others else {}), "results_version": RESULTS_VERSION,
        "data": state.data, "parameters": count_parameters(state.model),
        "best_epoch": state.best["epoch"], "epoch_seconds": state.epoch_seconds,
        "seconds": round(seconds, 1), "images_per_second": round(images / max(seconds, 0.01), 2),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
    }
