"""Times, peaks of memory, and the file that keeps them."""

import contextlib
import gc
import io
import multiprocessing
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seglib import paths
from seglib.devices import inference_precision
from seglib.errors import SeglibError
from seglib.files import read_json, write_json
from seglib.models.inspection import count_parameters, multiply_adds
from seglib.provenance import describe_machine

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results.json"
DATA = FOLDER / "data"  # generated scenes, caches and unfinished runs; git-ignored
PEERS = (
    *("torch", "torchvision", "torchmetrics", "cityscapesscripts"),
    *("segmentation-models-pytorch", "lightning", "albumentations"),
)


@dataclass
class Comparison:
    """One row of the table: the same work done by us and by a peer, several times each."""

    title: str  # what was measured
    unit: str
    better: str  # "higher" or "lower"
    ours: list[float]
    our_way: str  # what did our side of it
    peer: list[float] = field(default_factory=list)  # empty where there is nothing to compare with
    peer_way: str = ""
    target: float | None = None  # the ratio that we want to reach
    note: str = ""  # what was checked on the way
    why: str = ""  # said where the ratio falls short

    def ratios(self) -> list[float]:
        """How many times better we did, repetition by repetition.

        Empty without a peer, and for scores in %, of which the difference counts.
        """
        if not self.peer or self.unit == "%":
            return []
        pairs = zip(self.ours, self.peer, strict=True)
        return [our / peer if self.better == "higher" else peer / our for our, peer in pairs]

    def ratio(self) -> float:
        """The median of `ratios`."""
        return statistics.median(self.ratios())

    def verdict(self) -> str:
        """How much better we did, in words; empty without a peer."""
        if ratios := self.ratios():
            spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else ""
            return f"{self.ratio():.2f}{spread}"
        return f"{self.points():+z.1f} points" if self.peer else ""

    def points(self) -> float:
        """For scores in %: by how much our median is above the peer's."""
        return statistics.median(self.ours) - statistics.median(self.peer)

    def falls_short(self) -> bool:
        """Whether the ratio is below its target, or below 1 where there is none."""
        if not self.peer:
            return False
        return self.ratio() < (self.target or 1) if self.ratios() else round(self.points(), 1) < 0


def interleave(repetitions: int, *contenders: Callable[[], Any]) -> list[list[Any]]:
    """What each contender returns, in turns, so that a slow minute of the machine hits all.

    Every contender runs once more before, uncounted.
    """
    for contender in contenders:
        contender()
    values: list[list[Any]] = [[] for _ in contenders]
    for _ in range(repetitions):
        for contender, found in zip(contenders, values, strict=True):
            gc.collect()
            found.append(contender())
    return values


def seconds(work: Callable[[], Any]) -> float:
    """Wall seconds of one call."""
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Swallow what a contender prints."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


def cost(model: nn.Module, size: tuple[int, int]) -> str:
    """Parameters, and multiply-adds for an image of `size` (H, W), of a network, in words."""
    millions, work = count_parameters(model) / 1e6, multiply_adds(model, size) / 1e9
    return f"{millions:.2f} M parameters, {work:.2f} G multiply-adds at {size[0]}×{size[1]}"


# --- memory --------------------------------------------------------------------------------------


def peak_megabytes(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> float:
    """By how many MiB memory rises at most while `prepare(*arguments)()` runs, in a fresh process.

    What preparing takes (imports, the network's weights) is there before and does not count.
    Linux only.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(
        target=_measure_peak, args=(sender, torch.get_num_threads(), prepare, arguments)
    )
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:  # there is no such /proc, or the memory ran out
        raise SeglibError("the process whose memory is measured died; Linux only") from None
    finally:
        process.join()


def _measure_peak(sender: Any, threads: int, prepare: Callable, arguments: tuple) -> None:
    torch.set_num_threads(threads)
    with quiet():
        work = prepare(*arguments)
        gc.collect()
        Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
        before = _status("VmRSS")
        work()
    sender.send((_status("VmHWM") - before) / 1024)


def _status(key: str) -> int:
    """A line of /proc/self/status, in KB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(key)).split()[1])


# --- where things lie ----------------------------------------------------------------------------


@contextlib.contextmanager
def own_home(folder: Path = DATA / "home") -> Iterator[None]:
    """Keep caches, checkpoints and records of a measurement away from the study's own.

    `folder` becomes the project's home meanwhile; datasets that are there already are linked.
    """
    data, before = paths.data_dir(), dict(os.environ)
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for name in ("miniscapes", "camvid"):
        link = folder / "data" / name
        if (data / name).is_dir() and not link.exists():
            link.symlink_to(data / name)
    os.environ["SEGLIB_HOME"] = str(folder)
    for name in ("SEGLIB_RESULTS", "SEGLIB_FIGURES", "SEGLIB_RETRAIN"):
        os.environ.pop(name, None)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def describe() -> dict[str, Any]:
    """The machine and the versions of all contenders that are installed."""
    machine = describe_machine(torch.device("cpu"))
    with contextlib.suppress(OSError, ValueError):
        kilobytes = int(Path("/proc/meminfo").read_text().split()[1])
        machine["memory_gb"] = round(kilobytes / 2**20)
    machine["cores"] = os.cpu_count()
    machine["precision"] = inference_precision("bf16", torch.device("cpu"))
    machine["python"] = platform.python_version()
    for name in PEERS:
        with contextlib.suppress(metadata.PackageNotFoundError):  # no measurement needs them all
            machine[name] = metadata.version(name)
    return machine


def load_results() -> dict[str, dict[str, Any]]:
    """Everything measured so far, by the name of its measurement."""
    return read_json(RESULTS) if RESULTS.exists() else {}


def save_result(name: str, repetitions: int, took: float, rows: list[Comparison]) -> None:
    """Merge one measurement into the file; the others stay as they are."""
    results = load_results()
    results[name] = {
        "machine": describe(),
        "repetitions": repetitions,
        "seconds": round(took),
        "measured": datetime.now(UTC).date().isoformat(),
        "rows": [rounded(asdict(row)) for row in rows],
    }
    write_results(results)


def write_results(results: dict[str, dict[str, Any]]) -> None:
    """Write all measurements, sorted by name."""
    write_json(RESULTS, dict(sorted(results.items())))


def rounded(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its values to four digits."""
    for side in ("ours", "peer"):
        row[side] = [float(f"{value:.4g}") for value in row[side]]
    return row
