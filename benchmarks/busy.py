"""Training beside other programs that take all they get: what is left of its speed when idle."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator

from .loops import cached, fit_epoch, training_config
from .measuring import Comparison, interleave

SPIN = "while True: pass"


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
    config, cores = training_config(), os.cpu_count() or 1
    for split in ("train", "val"):
        cached(config, split)

    def beside(processes: int) -> float:
        with busy(processes):
            return fit_epoch(config)

    counts = (0, 1, 3)
    idle, *others = interleave(repetitions, *(lambda n=n: beside(n) for n in counts))
    return [
        Comparison(
            f"Training beside {count} busy process{'es' if count > 1 else ''}",
            *("images/s", "higher", values, "U-Net of width 16, fit, the others running"),
            *(idle, "the same on the idle machine"),
            target=0.5,
            why=f"A fair scheduler leaves {cores} threads beside {count} others "
            f"{min(1, cores / (cores + count)):.2f} of {cores} cores, and what one thread waits "
            "for the other is lost; more can only be had by priority.",
        )
        for count, values in zip(counts[1:], others, strict=True)
    ]
