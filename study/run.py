"""What there is of the plan's runs, read from the records, and the work itself: `seglib study`."""

import itertools
import math
import re
import shutil
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from seglib import paths
from seglib.data.datasets import prepare
from seglib.errors import ConfigError, DatasetError, RecordError, printable
from seglib.records import find_record
from seglib.text import score_note

from .halving import SweepPlan, refuse_torchrun, run_sweep, runs_done, sweep_table
from .measurements import PARTS, missing_parts
from .plan import Entry, StudyRun, StudySweep

UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}  # seconds


class Status(NamedTuple):
    """Where an entry stands."""

    state: str  # recorded, not scored, not measured, no weights, interrupted or missing
    detail: str = ""

    @property
    def is_done(self) -> bool:
        return self.state == "recorded"


def status(entry: Entry) -> Status:
    """Where one entry stands by its record and checkpoint."""
    if isinstance(entry, StudySweep):
        done, total = runs_done(entry.plan)
        state = "recorded" if done == total else "interrupted" if done else "missing"
        return Status(state, f"{done} of {total} runs")
    record = find_record(entry.config)
    if record is not None:
        missing = [split for split in entry.splits if split not in record.packed_scores]
        lacking = missing_parts(record) if entry.measured else []
        wanted = entry.weights or is_start(entry) or missing or lacking
        if wanted and not record.weights_path.exists():
            return Status("no weights", "recorded without its weights")
        if missing:
            return Status("not scored", f"on {', '.join(missing)}")
        if lacking:
            return Status("not measured", f"{len(lacking)} of {len(PARTS)} parts")
        other = "" if record.is_current else ", of another results version"
        return Status("recorded", score_note(record) + other)
    if paths.checkpoint_folder(entry.id).is_dir():
        from seglib.training.checkpoints import load_checkpoint  # here and below: it needs PyTorch
        state, _ = load_checkpoint(entry.id)
        if state:
            epochs = f"after epoch {state['next_epoch']} of {entry.config.epochs}"
            return Status("interrupted", epochs)
    return Status("missing")


def unique(entries: Sequence[Entry]) -> list[Entry]:
    """Every run once, in its first place."""
    chosen: dict[str, Entry] = {}
    for entry in entries:
        chosen.setdefault(entry.id, entry)
    return list(chosen.values())


def is_start(entry: StudyRun) -> bool:
    """Whether a run that is still to be trained starts from this one's weights."""
    return any(status(f).state in ("missing", "interrupted", "no weights") for f in entry.followers)


def listing(entries: Sequence[Entry]) -> str:
    """Every run and its state as text, by group, ending with what is left to do."""
    states = [(entry, status(entry)) for entry in unique(entries)]
    lines = []
    for group, members in itertools.groupby(states, key=lambda pair: pair[0].group):
        lines.append(group)
        for entry, now in members:
            lines.append(f"  {entry.id:30} {entry.label:38} {now.state}  {now.detail}".rstrip())
    done = sum(now.is_done for _, now in states)
    lines.append(f"{done} of {len(states)} recorded; {len(states) - done} to do")
    return "\n".join(map(printable, lines))


def sweep_listing(plan: SweepPlan) -> str:
    """A sweep's rungs as text: every candidate with its score, best first where it is decided."""
    table = sweep_table(plan).drop(columns=["images", "run"])
    table = table.sort_values(["rung", "rank", "candidate"])
    text = table.to_string(index=False, na_rep="?", float_format="{:.4g}".format)
    done, total = runs_done(plan)
    return f"{text}\nsweep {plan.id}: {done} of {total} runs recorded in {plan.folder}"


def deadline_of(budget: str | None) -> float:
    """The time of `time.monotonic` when a budget such as "2h" or "1h30m" ends; None: never."""
    if budget is None:
        return math.inf
    parts = re.findall(r"(\d+(?:\.\d+)?)([dhms])", budget)
    if not budget or budget != "".join(number + unit for number, unit in parts):
        raise ConfigError(f"budget {budget!r} must be a duration such as 2h, 90m or 1h30m")
    return time.monotonic() + sum(float(number) * UNITS[unit] for number, unit in parts)


def run_study(entries: Sequence[Entry], *, deadline: float = math.inf, **options: Any) -> int:
    """Train what is missing, in order, until `deadline`; returns how many entries are left.

    `deadline` is a time of `time.monotonic`; one epoch is trained even after it. Stopped or killed
    at any moment, the same call goes on from there. A dataset that isn't there is passed over with
    one line, as is a run that diverges or whose start is missing. `options` (`device`, `progress`)
    go to `training.fit`, scoring and measuring.
    """
    from seglib.training.loop import NonFiniteLoss, OutOfTime
    refuse_torchrun()
    absent, worked = set(), False
    _clean_up(unique(entries))  # what a killed call had done may have been left
    for entry in unique(entries):
        dataset = entry.config.dataset
        if dataset in absent or status(entry).is_done:
            continue
        try:
            prepare(dataset)
        except DatasetError as problem:
            print(f"{dataset}: passed over: {problem}")
            absent.add(dataset)
            continue
        if worked and time.monotonic() > deadline:
            break
        worked = True
        try:
            _work_on(entry, deadline, **options)
            _clean_up(unique(entries))
        except OutOfTime:
            break
        except (NonFiniteLoss, DatasetError, RecordError) as problem:
            print(f"{entry.id}: passed over: {problem}")
    return sum(not status(entry).is_done for entry in unique(entries))


def _work_on(entry: Entry, deadline: float, **options: Any) -> None:
    from seglib.evaluation.evaluate import score_split
    from seglib.training.loop import fit

    from .beyond_scores import measure
    if isinstance(entry, StudySweep):
        run_sweep(entry.plan, deadline=deadline, **options)
        return
    retrain = status(entry).state == "no weights"
    trains = retrain or find_record(entry.config) is None
    keep_weights = entry.weights or is_start(entry) or bool(entry.splits) or entry.measured
    record = fit(entry.config, retrain=retrain or None, keep_weights=keep_weights,
                 deadline=deadline, **options)
    if trains:  # to its end here, and not by the user
        (paths.checkpoints_dir() / f"{entry.id}.ours").touch()
    for split in entry.splits:
        score_split(record, split, **options)
    if entry.measured and missing_parts(record):
        measure(record, **options)


def _clean_up(entries: Sequence[Entry]) -> None:
    """Delete what was kept to score, to measure or to start another run with, where it is done."""
    for entry in entries:
        ours = paths.checkpoints_dir() / f"{entry.id}.ours"  # there is none of a sweep
        if ours.exists() and status(entry).is_done and not is_start(entry):
            record = find_record(entry.config)
            if not entry.predictions:
                for folder in ("predictions", "measurements/confidence"):
                    shutil.rmtree(record.path / folder, ignore_errors=True)
            if not entry.weights:
                record.weights_path.unlink(missing_ok=True)
            ours.unlink()
