"""The command line: which measurements to make, how often, and what exists."""

import argparse
import contextlib
import importlib
import os
import shutil
import sys
import time
from dataclasses import dataclass

from seglib.errors import SeglibError

from .measuring import DATA, load_results, own_home, save_result
from .table import write_readme


@dataclass(frozen=True)
class Job:
    """One measurement: a module of this package whose `measure` makes some rows of the table."""

    module: str
    repetitions: int
    minutes: int  # about, on two cores
    arguments: tuple = ()
    usual: bool = True  # whether it is made without being named
    own_home: bool = True  # whether it keeps away from the study's data and records


JOBS = {
    "input": Job("inputs", 7, 4),
    "scoring": Job("scoring", 7, 2),
    "training": Job("loops", 7, 15),
    "busy": Job("busy", 5, 6),
    "prediction": Job("prediction", 7, 25),
    "memory": Job("memory", 3, 6),
    "imports": Job("imports", 7, 3),
    "suite": Job("suite", 1, 14, own_home=False),
    "quality-10": Job("quality", 1, 115, (10,), usual=False),
    "quality": Job("quality", 1, 75, usual=False, own_home=False),
    "same-recipe": Job("same_recipe", 1, 75, usual=False, own_home=False),
}


def main(arguments: list[str] | None = None) -> int:
    """Make the chosen measurements one after the other; returns the exit code."""
    listing = "\n".join(
        f"  {name:12} about {job.minutes} min{'' if job.usual else ', only when named'}"
        for name, job in JOBS.items()
    )
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure seglib beside its peers; rows merge into benchmarks/results.json.",
        epilog=f"measurements:\n{listing}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", metavar="MEASUREMENT", help="default: what is missing")
    parser.add_argument("--repetitions", type=int, help="instead of each one's own number")
    parser.add_argument("--threads", type=int, help="of PyTorch; default: all cores")
    parser.add_argument("--dry", action="store_true", help="print the rows, keep nothing")
    options = parser.parse_args(arguments)
    if unknown := [name for name in options.names if name not in JOBS]:
        parser.error(f"{unknown[0]!r} is unknown; choose from: {', '.join(JOBS)}")
    if options.repetitions is not None and options.repetitions < 1:
        parser.error(f"--repetitions {options.repetitions} must be 1 or more")
    known = load_results()
    names = options.names or [n for n, job in JOBS.items() if job.usual and n not in known]
    if not names:
        print(f"everything is measured; name what is to be measured anew: {', '.join(JOBS)}")
    import torch

    torch.set_num_threads(options.threads or os.cpu_count() or 1)
    for name in names:
        job = JOBS[name]
        repetitions = options.repetitions or job.repetitions
        print(f"{name}: about {job.minutes} min", flush=True)
        begin = time.monotonic()
        try:
            with own_home() if job.own_home else contextlib.nullcontext():
                module = importlib.import_module(f".{job.module}", __package__)
                rows = module.measure(repetitions, *job.arguments)
        except (SeglibError, ModuleNotFoundError) as problem:
            print(f"benchmarks: error: {name}: {problem}", file=sys.stderr)
            return 2
        took = time.monotonic() - begin
        for row in rows:
            values = f"{row.ours} against {row.peer}: {row.verdict()}" if row.peer else row.ours
            print(f"  {row.title} ({row.unit}): {values}", flush=True)
        print(f"{name}: {took:.0f} s", flush=True)
        if not options.dry:
            save_result(name, repetitions, took, rows)
            write_readme(load_results())
            shutil.rmtree(DATA / job.module, ignore_errors=True)  # named again, it is made anew
    return 0


if __name__ == "__main__":
    sys.exit(main())
