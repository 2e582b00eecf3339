"""Training beside other programs that take all they get: what is left of its speed when idle."""

import contextlib
import itertools
import subprocess
import sys
from collections.abc import Iterator

import torch

from .loops import cached, fit_epoch, training_config
from .measuring import Comparison, interleave

SPIN = "import os; p = os.getppid()\nwhile os.getppid() == p: pass"  # no longer than we live


@contextlib.contextmanager
def busy(processes: int) -> Iterator[None]:
    """So many other processes that never pause."""
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(processes)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def measure(repetitions: int) -> list[Comparison]:
    """Training images per second beside one and three busy processes, against an idle machine."""
    config, cores = training_config(), torch.get_num_threads()
    for split in ("train", "val"):
        cached(config, split)

    def beside(processes: int, threads: int) -> float:
        torch.set_num_threads(threads)
        with busy(processes):
            return fit_epoch(config)

    ways = [(0, cores), *itertools.product((1, 3), dict.fromkeys((cores, 1)))]
    idle, *others = interleave(repetitions, *(lambda way=way: beside(*way) for way in ways))
    torch.set_num_threads(cores)
    return [
        Comparison(
            f"Training beside {count} busy process{'es' if count > 1 else ''}, "
            f"{threads} thread{'s' if threads > 1 else ''}",
            *("images/s", "higher", values, "U-Net of width 16, fit, the others running"),
            *(idle, f"the same on the idle machine, {cores} threads"),
            target=0.5,
            why=f"A fair scheduler leaves {threads} of {threads + count} running threads "
            f"{min(threads, cores * threads / (threads + count)):.2f} of {cores} cores"
            + (", and what one thread waits for another is lost." if threads > 1 else "."),
        )
        for (count, threads), values in zip(ways[1:], others, strict=True)
    ]
