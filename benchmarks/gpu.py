"""seglib on one GPU: checks of the device, training in two precisions, a killed run, and speed.

    python -m benchmarks.gpu [--output FOLDER] [--minutes 8.5]    measures
    python -m benchmarks.gpu --merge FOLDER/gpu.json              takes it into results.json

Draws its own MiniScapes and needs no network, nothing of the extras and no installation: the
checkout, PyTorch, torchvision, timm, accelerate, safetensors and the usual scientific libraries.
Writes gpu.json with each finding, and at the end, as rows of the table, gpu.md. What no longer fits
into the time is left out by name. Without a GPU it says so and ends well.
"""

import argparse
import gc
import json
import multiprocessing
import os
import resource
import statistics
import sys
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from tqdm import tqdm

from seglib.config import RunConfig
from seglib.data.datasets import dataset_spec, prepare
from seglib.data.images import read_photo
from seglib.data.transforms import to_device
from seglib.data.tree import list_scenes
from seglib.devices import autocast, choose_device, is_native, memory_format
from seglib.evaluation.predictor import Predictor
from seglib.files import atomic_path, read_json, write_json
from seglib.models import MODELS, build_model
from seglib.models.inspection import multiply_adds
from seglib.provenance import describe_machine, versions
from seglib.recipes import recipe
from seglib.records import Record
from seglib.training.checkpoints import checkpoint_folder, load_checkpoint, save_checkpoint
from seglib.training.loop import NonFiniteLoss, fit, load_batches, train_one_epoch
from seglib.training.optim import build_optimizer
from seglib.training.setup import TrainingState, make_accelerator, new_state

from .measuring import Comparison, interleave, load_results, quiet, rounded, write_results
from .table import table, write_readme

CPU = torch.device("cpu")
FASTEST = "bf16"  # beside fp32


@dataclass(frozen=True)
class Plan:
    """What is measured where: on a card, or as small as it gets, which tests the script itself."""

    device: torch.device
    networks: dict[str, dict[str, Any]]  # changes of the recipe by what the table calls them
    scenes: dict[str, int]
    scene_size: tuple[int, int]
    image_size: tuple[int, int]
    batch_size: int
    epochs: int
    workers: tuple[int, ...]
    passes: int  # through the scenes, in what is timed as an epoch
    repetitions: int
    matrix: int  # side of the matrices whose product tells what the card can do
    compiles: bool

    def config(self, network: str, precision: str, **changes: Any) -> RunConfig:
        """A run of a network of the plan."""
        sizes = {"image_size": self.image_size, "batch_size": self.batch_size}
        options = sizes | {"epochs": self.epochs, "precision": precision} | self.networks[network]
        model = options.pop("model")
        return recipe("miniscapes", model, **options | changes)


CARD = Plan(
    torch.device("cuda"),
    {"U-Net of width 64": {"model": "unet", "width": 64}, "Swin-T": {"model": "swin", "size": "t"}},
    scenes={"train": 320, "val": 80, "test": 1}, scene_size=(256, 512), image_size=(160, 320),
    batch_size=16, epochs=8, workers=(0, 4, 8), passes=2, repetitions=3, matrix=8192,
    compiles=True,
)
TOY = Plan(
    CPU,
    {"U-Net of width 4": {"model": "unet", "width": 4}},
    scenes={"train": 6, "val": 2, "test": 1}, scene_size=(32, 64), image_size=(32, 64),
    batch_size=2, epochs=2, workers=(0, 1), passes=1, repetitions=1, matrix=64, compiles=False,
)


@dataclass
class Findings:
    """What has been found so far; each finding is written at once."""

    plan: Plan
    end: float  # of `time.monotonic`
    file: Path  # gpu.json
    began: float = field(default_factory=time.monotonic)
    rows: list[Comparison] = field(default_factory=list)
    checks: dict[str, dict[str, Any]] = field(default_factory=dict)  # "passed" and a "value"
    facts: dict[str, Any] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)

    def check(self, what: str, passed: bool, value: Any) -> None:
        """Keep the result of a check and tell it."""
        self.checks[what] = {"passed": bool(passed), "value": value}
        print(f"  {'passed' if passed else 'FAILED'}: {what} ({value})", flush=True)
        self.save()

    def add(self, *given: Any, **named: Any) -> None:
        """Add a row of the table, as `Comparison` takes it, and tell it."""
        row = Comparison(*given, **named)
        self.rows.append(row)
        middle = [f"{statistics.median(part):.4g}" for part in (row.ours, row.peer) if part]
        beside = f"; ratio {row.ratio():.2f}" if row.peer else ""
        print(f"  {row.title}: {' against '.join(middle)} {row.unit}{beside}", flush=True)
        self.save()

    @cached_property
    def machine(self) -> dict[str, Any]:
        return _machine(self.plan.device)

    def save(self) -> dict[str, Any]:
        """Write gpu.json and return what it holds."""
        result = {
            "machine": self.machine, "repetitions": self.plan.repetitions,
            "seconds": round(time.monotonic() - self.began),
            "measured": datetime.now(UTC).date().isoformat(),
            "rows": [rounded(asdict(row)) for row in self.rows],
            "checks": self.checks, "facts": self.facts, "left_out": self.left_out,
        }
        plain = json.dumps(result, default=float)
        write_json(self.file, json.loads(plain, parse_constant=lambda _: None))
        return result

    def has_time(self, seconds: float, what: str) -> bool:
        """Whether about so many seconds are left; if not, `what` is left out."""
        if time.monotonic() + seconds <= self.end:
            return True
        self.left_out.append(what)
        print(f"  left out, no time: {what}", flush=True)
        return False


# --- checks of the device -------------------------------------------------------------------------


def check_device(plan: Plan, found: Findings) -> None:
    """Every architecture computes what it does on a CPU, and trains in every precision."""
    spec, device = dataset_spec("miniscapes"), plan.device
    small = {"unet": {"width": 8}, "fcn": {"width": 8}, "timm": {"encoder": "test_efficientnet"}}
    image = torch.randn(2, 3, 61, 93)
    mask = torch.randint(0, spec.class_set.num_classes, (2, 61, 93))
    for name in MODELS:
        torch.manual_seed(0)
        model = build_model(name, spec.class_set.num_classes, **small.get(name, {})).eval()
        with torch.no_grad():
            expected = model(image)
            logits = model.to(device)(image.to(device)).cpu()
        away = ((logits - expected).abs().max() / expected.abs().max()).item()
        found.check(f"{name}: logits are the CPU's", away < 0.01, f"{away:.1e} of the largest off")
        for precision in ("fp32", "bf16", "fp16"):
            if is_native(precision, device):
                finite = _trains(model.train(), image.to(device), mask.to(device), precision)
                found.check(f"{name}: trains in {precision}", finite, "loss and gradients finite")


def _trains(model: nn.Module, image: Tensor, mask: Tensor, precision: str) -> bool:
    model.zero_grad()
    with autocast(precision, image.device):
        logits = model(image)
    loss = nn.functional.cross_entropy(logits.float(), mask)
    loss.backward()
    gradients = [value.grad for value in model.parameters() if value.grad is not None]
    return bool(loss.isfinite()) and all(bool(each.isfinite().all()) for each in gradients)


# --- training -------------------------------------------------------------------------------------


def train(plan: Plan, found: Findings) -> None:
    """Whole runs by `fit` in both precisions: scores, images per second, memory."""
    for network in plan.networks:
        records: dict[str, Record] = {}
        for precision in (FASTEST, "fp32"):
            if not found.has_time(25, f"training of {network} in {precision}"):
                continue
            _forget_peak(plan.device)
            with quiet():
                record = fit(plan.config(network, precision), device=str(plan.device))
            records[precision] = record
            found.facts[f"{network}, {precision}"] = {
                "run": record.id, "miou": record.miou(), "peak_mib": _peak(plan.device),
                "history": record.history.to_dict("list"),
                "images_per_second": record.environment["images_per_second"],
            }
            title = f"MiniScapes val mIoU after {plan.epochs} epochs"
            found.add(title, "%", "higher", [100 * record.miou()], f"{network}, {precision}")
            _check_record(plan, found, f"{network}, {precision}", record)
        if len(records) == 2:
            ours, peer = ([_images_per_second(plan, record)] for record in records.values())
            ways = f"{network}, fit in {FASTEST}, epochs without validation", "fit in fp32"
            title = f"One run of {network} in either precision"
            found.add(title, "images/s", "higher", ours, ways[0], peer, ways[1],
                      why="Where launching small operations takes longer than computing them, the "
                          "precision hardly matters, and single runs scatter.")
    if found.has_time(10, "a loss that is not finite"):
        _check_divergence(plan, found, next(iter(plan.networks)))


def _check_divergence(plan: Plan, found: Findings, network: str) -> None:
    """A run whose loss is no number ends with a message that names the batch."""
    try:
        with quiet():
            fit(plan.config(network, "fp32", learning_rate=1e30), device=str(plan.device))
        told = "it trained to the end"
    except NonFiniteLoss as problem:
        told = str(problem).partition(" (scenes")[0]
    named = told.endswith(" in epoch 1, batch 2")
    found.check("a loss that is not finite is told with its batch", named, told)


def _images_per_second(plan: Plan, record: Record) -> float:
    """By the middle one of the epochs that neither validate nor are the first, if there is one."""
    numbered = list(enumerate(record.environment["epoch_seconds"], start=1))
    plain = [took for n, took in numbered[1:] if n % record.config.validate_every]
    return plan.scenes["train"] / statistics.median(plain or [took for _, took in numbered])


def _check_record(plan: Plan, found: Findings, network: str, record: Record) -> None:
    """A record that was made on the card labels a photograph alike on the CPU, both in fp32."""
    photo = read_photo(list_scenes(record.dataset.root(), "val")[0].image)
    both = (Predictor.from_record(record, str(device)) for device in (plan.device, CPU))
    ours, cpu = (replace(each, precision="fp32")(photo).indices for each in both)
    alike = float((ours == cpu).mean())
    found.check(f"{network}: a record labels alike on the CPU", alike > 0.99, f"{alike:.4f} alike")
    where = record.environment["device"]
    found.check(f"{network}: the record names the device", where == plan.device.type, where)


def kill_and_resume(plan: Plan, found: Findings) -> None:
    """A run that is killed after an epoch and resumed agrees with one that never was."""
    network = next(iter(plan.networks))
    if not found.has_time(40, "the killed and resumed run"):
        return
    config = plan.config(network, "fp32", seed=1, validate_every=1)
    with quiet(), tempfile.TemporaryDirectory() as folder:
        whole = fit(config, device=str(plan.device), results=Path(folder))
        expected = whole.history["val_loss"].iloc[-1], whole.miou(), whole.weights()
    checkpoint = checkpoint_folder(config.run_id) / "last.ckpt"
    context = multiprocessing.get_context("spawn")
    given = config.to_dict(), str(plan.device), torch.get_num_threads()
    process = context.Process(target=_train_slowly, args=given)
    process.start()
    while process.is_alive() and not checkpoint.exists() and time.monotonic() < found.end:
        time.sleep(0.02)
    process.kill()
    process.join()
    state, _ = load_checkpoint(config.run_id)
    begun = state["next_epoch"] if state else 0
    found.check("a run was killed under way", 0 < begun < config.epochs, f"after epoch {begun}")
    with quiet():
        record = fit(config, device=str(plan.device))
    kept = record.environment["epoch_seconds"][:begun] == (state or {}).get("epoch_seconds")
    found.check("resumed: the epochs before the kill are those of the checkpoint", kept, begun)
    loss = record.history["val_loss"].iloc[-1]
    off = abs(loss / expected[0] - 1)
    found.check("resumed: val loss within 5 %", off < 0.05, f"{100 * off:.2g} % off")
    off = abs(100 * (record.miou() - expected[1]))
    found.check("resumed: mIoU within 3 points", off < 3, f"{off:.2g} points off")
    weights = record.weights()
    same = all(torch.equal(weights[name], value) for name, value in expected[2].items())
    found.facts["resumed with the same bits"] = same
    if plan.device == CPU:
        found.check("resumed: the same weights, bit for bit", same, "on a CPU")


def _train_slowly(values: dict[str, Any], device: str, threads: int) -> None:
    """For a process of its own: a pause after each epoch leaves the time to kill it."""
    torch.set_num_threads(threads)  # a processor adds in another order with more of them

    def save(*given: Any) -> float:
        save_checkpoint(*given)
        time.sleep(2)
        return 0.0  # so that the next epoch is saved, too

    with mock.patch("seglib.training.loop.save_checkpoint", save), quiet():
        fit(RunConfig.from_dict(values), device=device, progress=False)


# --- speed ----------------------------------------------------------------------------------------


def measure_speed(plan: Plan, found: Findings, precision: str) -> None:
    """Images per second of `fit`'s epoch, of a bare loop, and of steps on a batch that stays."""
    for network in plan.networks:
        if not found.has_time(70, f"speed of {network} in {precision}"):
            continue
        config = plan.config(network, precision)
        ours, bare, fixed = (Contender(config, plan, workers=None) for _ in range(3))
        values = interleave(plan.repetitions, ours.epoch, bare.bare_epoch, fixed.steps)
        what = f"on a GPU, {network} in {precision}"
        for value, peer in zip(values[1:], ("a bare loop", "steps on one batch"), strict=True):
            found.add(f"Training {what}", "images/s", "higher", values[0], "fit", value, peer,
                      why="Steps alone neither load nor transform nor copy images.")
        busy = fixed.busy()
        found.add(f"Computing {what}", "% of a step", "higher", [100 * busy], "steps on one batch")
        del ours, bare, fixed  # each of which holds networks
        peaks = [[_peak_of(config, plan, loop)] for loop in ("epoch", "bare_epoch")]
        found.add(f"Memory {what}", "MiB", "lower", peaks[0], "fit", peaks[1], "a bare loop")
        _tell_arithmetic(plan, found, network, precision, max(values[2]))


def measure_loading(plan: Plan, found: Findings) -> None:
    """Training with more and more processes that load, and what they load without it."""
    network = next(iter(plan.networks))
    for count in plan.workers:
        if found.has_time(10, f"{count} processes that load"):
            contender = Contender(plan.config(network, FASTEST), plan, workers=count)
            values = interleave(plan.repetitions, contender.epoch, contender.loading)
            title, way = f"Training, {count} loading processes", f"{network}, fit in {FASTEST}"
            found.add(title, "images/s", "higher", values[0], way)
            title = f"Loading alone, {count} processes"
            found.add(title, "images/s", "higher", values[1], "our loader")


def _peak_of(config: RunConfig, plan: Plan, loop: str) -> float:
    contender = Contender(config, plan, workers=0)
    if loop == "bare_epoch":  # which has a network of its own
        contender.drop_ours()
    _forget_peak(plan.device)
    getattr(contender, loop)()
    return _peak(plan.device)


def _tell_arithmetic(
    plan: Plan, found: Findings, network: str, precision: str, images: float
) -> None:
    """The step's arithmetic beside what the card does in a large product of matrices."""
    model = plan.config(network, precision).build_model(download=False)
    # Two operations for a multiply-add; the backward pass takes twice the forward one.
    work = 6 * multiply_adds(model, plan.image_size) * images / 1e12
    dtype = torch.bfloat16 if precision == FASTEST else torch.float32
    matrix = torch.randn(plan.matrix, plan.matrix, dtype=dtype, device=plan.device)
    (times,) = interleave(3, lambda: _seconds(lambda: matrix @ matrix, plan.device))
    peak = 2 * plan.matrix**3 / min(times) / 1e12
    found.facts[f"{network}, {precision}: TFLOP/s"] = {"step": work, "matrix product": peak}


def measure_compile(plan: Plan, found: Findings) -> None:
    """Steps with torch.compile against steps without."""
    network = next(iter(plan.networks))
    if not plan.compiles or not found.has_time(60, "torch.compile"):
        return
    config = plan.config(network, FASTEST)
    plain, compiled = Contender(config, plan, 0), Contender(config, plan, 0, compiled=True)
    began = time.monotonic()
    try:
        compiled.steps()
    except Exception as problem:  # a compiler that isn't there, a network that can't be traced
        reason = " ".join(str(problem).split())[:200]
        found.facts["torch.compile"] = reason
        print(f"  torch.compile does not work here: {reason}", flush=True)
        return
    found.facts["torch.compile"] = f"{time.monotonic() - began:.0f} s until it was compiled"
    values = interleave(plan.repetitions, compiled.steps, plain.steps)
    ways = f"{network} in {FASTEST}, torch.compile", "without it"
    title = "A training step with torch.compile"
    found.add(title, "images/s", "higher", values[0], ways[0], values[1], ways[1])


class Contender:
    """One network that is trained on and on; each method trains an epoch and returns images/s."""

    def __init__(
        self, config: RunConfig, plan: Plan, workers: int | None, compiled: bool = False
    ) -> None:
        config, self.device = replace(config.resolved(), epochs=10_000), plan.device
        accelerator = make_accelerator(config, plan.device)
        self.state: TrainingState = new_state(config, accelerator, workers, progress=False)
        self.config, self.compiled = config, compiled
        self.steps_per_pass = len(self.state.training) // config.batch_size
        self.count = plan.passes * self.steps_per_pass
        self.batches = load_batches(self.state)  # as `fit` reads them
        self.batch = next(self.batches)

    @cached_property
    def bare(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The same network and optimiser in nobody's wrapping."""
        model = self.config.build_model()
        model = model.to(self.device, memory_format=memory_format(self.device)).train()
        optimizer = build_optimizer(model, self.config, self.device)
        return torch.compile(model) if self.compiled else model, optimizer

    def drop_ours(self) -> None:
        """Give back the network that `fit` would train."""
        self.state.accelerator.free_memory()
        for part in ("model", "prepared", "optimizer", "scheduler"):
            setattr(self.state, part, None)

    def _coming(self) -> Iterator[list[Tensor]]:
        """The batches of some passes, without those that were loaded while nobody trained."""
        deque(islice(self.batches, 2 * self.state.workers), maxlen=0)  # each keeps two ready
        return islice(self.batches, self.count)

    def _per_second(self, work: Callable[[], Any], batches: int) -> float:
        return batches * self.config.batch_size / _seconds(work, self.device)

    def epoch(self) -> float:
        """As `fit` does it."""
        state = self.state
        state.scheduler = torch.optim.lr_scheduler.ConstantLR(state.optimizer.optimizer, 1.0)
        batches, bar = self._coming(), tqdm(disable=True)
        return self._per_second(lambda: train_one_epoch(state, batches, bar), self.count)

    def bare_epoch(self) -> float:
        """In the fewest lines of PyTorch: no schedule, no look at the loss."""
        batches = self._coming()

        def work() -> None:
            for batch in batches:
                self._step(*to_device(*batch, self.device))

        return self._per_second(work, self.count)

    def steps(self) -> float:
        """Without reading anything: on one batch that is on the device already."""
        image, mask = to_device(*self.batch, self.device)
        count = self.steps_per_pass
        return self._per_second(lambda: [self._step(image, mask) for _ in range(count)], count)

    def busy(self) -> float:
        """The share of the time of `steps` in which the device computes."""
        kind, time_of = "CPU", "self_cpu_time_total"
        if self.device.type == "cuda":
            kind, time_of = "CUDA", "self_device_time_total"
        seconds = self.steps_per_pass * self.config.batch_size / self.steps()
        kinds = [getattr(torch.profiler.ProfilerActivity, kind)]
        with torch.profiler.profile(activities=kinds) as profile:
            self.steps()
        events = profile.key_averages()
        return sum(getattr(event, time_of) for event in events) / 1e6 / seconds

    def loading(self) -> float:
        """Without training."""
        batches = self._coming()
        return self._per_second(lambda: deque(batches, maxlen=0), self.count)

    def _step(self, image: Tensor, mask: Tensor) -> None:
        model, optimizer = self.bare
        with autocast(self.config.precision, self.device):
            logits = model(image)
        self.state.loss(logits.float(), mask).backward()
        nn.utils.clip_grad_norm_(model.parameters(), self.config.clip_norm)
        optimizer.step()
        optimizer.zero_grad()


def _seconds(work: Callable[[], Any], device: torch.device) -> float:
    """Wall seconds of a call, up to the end of what it leaves the device to do."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    began = time.perf_counter()
    work()
    wait()
    return time.perf_counter() - began


def _forget_peak(device: torch.device) -> None:
    gc.collect()  # networks that accelerate has wrapped hold themselves
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def _peak(device: torch.device) -> float:
    """MiB that tensors took at most since `_forget_peak`; on a CPU what the process ever took."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


# --- the command line -----------------------------------------------------------------------------

PARTS = {
    "checks of the device": check_device, "training": train,
    "a killed run": kill_and_resume, "speed": partial(measure_speed, precision=FASTEST),
    "loading": measure_loading, "torch.compile": measure_compile,
    "speed in fp32": partial(measure_speed, precision="fp32"),
}


@contextmanager
def fresh_home(plan: Plan) -> Iterator[None]:
    """A home of its own, with MiniScapes drawn anew."""
    with tempfile.TemporaryDirectory() as home, mock.patch.dict(os.environ, SEGLIB_HOME=home):
        for name in ("SEGLIB_RESULTS", "SEGLIB_FIGURES", "SEGLIB_RETRAIN"):
            os.environ.pop(name, None)
        prepare("miniscapes", progress=False, size=plan.scene_size, counts=plan.scenes)
        yield


def measure(plan: Plan, minutes: float, folder: Path) -> dict[str, Any]:
    """All parts as far as the time goes; returns what gpu.json holds."""
    folder.mkdir(parents=True, exist_ok=True)
    found = Findings(plan, time.monotonic() + 60 * minutes, folder / "gpu.json")
    with fresh_home(plan):
        print(f"MiniScapes drawn in {time.monotonic() - found.began:.0f} s", flush=True)
        for title, part in PARTS.items():
            took = time.monotonic() - found.began
            print(f"{title}, {took:.0f} s after the start", flush=True)
            try:
                part(plan, found)
            except Exception as problem:  # what the other parts found is worth bringing home
                traceback.print_exc()
                found.check(title, False, f"{type(problem).__name__}: {problem}")
    return found.save()


def _machine(device: torch.device) -> dict[str, Any]:
    """The card, and the machine that it is in."""
    machine = describe_machine(device) | versions() | {"cores": os.cpu_count()}
    if device.type == "cuda":
        machine["memory_gb"] = round(torch.cuda.get_device_properties(device).total_memory / 2**30)
        machine |= {"host": describe_machine(CPU)["processor"], "CUDA": torch.version.cuda}
        tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        machine["TF32 in convolutions, in other products"] = f"{tf32[0]}, {tf32[1]}"
    return machine


def _failed(result: dict[str, Any]) -> list[str]:
    """The names of the checks that did not pass."""
    return [what for what, check in result["checks"].items() if not check["passed"]]


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code, 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("build/gpu"), metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=8.5, help="after which no part begins")
    parser.add_argument("--toy", action="store_true", help="as small as it gets, on the CPU")
    parser.add_argument("--merge", type=Path, metavar="FILE", help="a gpu.json made elsewhere")
    options = parser.parse_args(arguments)
    if options.merge:
        found = read_json(options.merge)
        if found["machine"]["device"] != "cuda":
            parser.error(f"{options.merge}: was made on {found['machine']['device']}, not on a GPU")
        if failed := _failed(found):
            parser.error(f"{options.merge}: failed: {'; '.join(failed)}")
        write_results(load_results() | {"gpu": found})
        write_readme(load_results())
        return 0
    if not options.toy and choose_device().type != "cuda":
        print("no GPU here: nothing to measure (--toy tries the script on the CPU)")
        return 0
    plan = TOY if options.toy else CARD
    result = measure(plan, options.minutes, options.output)
    rows = [Comparison(**row) for row in result["rows"]]
    with atomic_path(options.output / "gpu.md") as temporary:
        temporary.write_text("\n".join(table(rows)) + "\n", encoding="utf-8")
    failed = _failed(result)
    print(f"{len(result['checks']) - len(failed)} checks passed, {len(failed)} failed; "
          f"{len(rows)} rows in {options.output / 'gpu.json'}, {result['seconds']} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
