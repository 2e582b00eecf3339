"""What there is of the study, what it will take, and the work itself: `seglib study`.

Which runs make up the study is in `study.toml`; everything here is read from that and the records.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from seglib.data.datasets import prepare
from seglib.errors import DatasetError
from seglib.evaluation.evaluate import score_split
from seglib.records import find_record
from seglib.training.checkpoints import checkpoint_folder
from seglib.training.loop import NonFiniteLoss

from .anova import mean_interval
from .budget import Clock, OutOfTime, fit_within, format_duration, interrupted
from .costs import CostModel
from .halving import SweepPlan, run_sweep, runs_done, sweep_table
from .measurements import PARTS, measure, missing_parts
from .plan import Entry, StudyRun, StudySweep


@dataclass(frozen=True)
class Status:
    """Where an entry stands."""

    state: str
    """recorded, other code, not scored, not measured, no weights, interrupted, missing."""
    detail: str = ""
    share_done: float = 0.0

    @property
    def is_done(self) -> bool:
        """Whether there is nothing to do; a record that other code made stays as it is."""
        return self.state in ("recorded", "other code")


def status(entry: Entry) -> Status:
    """The state of one entry, from records and checkpoints."""
    if isinstance(entry, StudySweep):
        return _sweep_status(entry.plan)
    record = find_record(entry.config)
    if record is not None:
        missing = [split for split in entry.splits if split not in record.scores]
        lacking = missing_parts(record) if entry.measured else []
        if (entry.weights or missing or lacking) and not record.weights_path.exists():
            return Status("no weights", "recorded without its weights", 0.0)
        if missing:
            return Status("not scored", f"on {', '.join(missing)}", 1.0)
        if lacking:
            return Status("not measured", f"{len(lacking)} of {len(PARTS)} parts", 1.0)
        if not record.is_current:
            return Status("other code", "seglib verify checks it", 1.0)
        return Status("recorded", f"val mIoU {100 * record.miou():.1f} %", 1.0)
    if checkpoint_folder(entry.id).is_dir():
        epoch, _ = interrupted(entry.config)
        if epoch:
            return Status(
                "interrupted", f"after epoch {epoch} of {entry.config.epochs}",
                epoch / entry.config.epochs,
            )  # fmt: skip
    return Status("missing")


def _sweep_status(plan: SweepPlan) -> Status:
    done, total = runs_done(plan)
    detail = f"{done} of {total} runs"
    if done == 0:
        return Status("missing", detail)
    if done < total:
        return Status("interrupted", detail, done / total)
    current = bool(sweep_table(plan)["is_current"].fillna(False).all())
    return Status("recorded" if current else "other code", detail, 1.0)


def unique(entries: Sequence[Entry]) -> list[Entry]:
    """Every run once, where it first comes up, with all that any of its groups asks of it."""
    chosen: dict[str, Entry] = {}
    for entry in entries:
        first = chosen.get(entry.id)
        if isinstance(first, StudyRun) and isinstance(entry, StudyRun):
            entry = dataclasses.replace(
                first,
                weights=first.weights or entry.weights,
                splits=tuple(dict.fromkeys((*first.splits, *entry.splits))),
                measured=first.measured or entry.measured,
            )
        chosen[entry.id] = entry
    return list(chosen.values())


def study_table(entries: Sequence[Entry], costs: CostModel | None = None) -> pd.DataFrame:
    """One row per run: `group`, `dataset`, `model`, `label`, `run`, `state`, `detail`, `seconds`.

    `seconds` is the estimated training time that is left, 0 when there is nothing to do.
    """
    costs = costs or CostModel()
    rows = []
    for entry in unique(entries):
        now = status(entry)
        left = 0.0 if now.is_done else (1 - now.share_done) * seconds(entry, costs)
        rows.append(
            {
                "group": entry.group,
                "dataset": entry.config.dataset,
                "model": entry.config.model,
                "label": getattr(entry, "label", "sweep"),
                "run": entry.id,
                "state": now.state,
                "detail": now.detail,
                "seconds": left,
            }
        )
    columns = ["group", "dataset", "model", "label", "run", "state", "detail", "seconds"]
    return pd.DataFrame(rows, columns=columns)


def seconds(entry: Entry, costs: CostModel) -> float:
    """Estimated seconds of training an entry from the start."""
    if isinstance(entry, StudyRun):
        return costs.seconds(entry.config)
    configs = [(entry.plan.config(rung, 0), rung.candidates) for rung in entry.plan.rungs]
    return sum(costs.seconds(config) * count for config, count in configs)


def listing(table: pd.DataFrame) -> str:
    """A `study_table` as text, ending with what is left to do."""
    lines, group = [], None
    for row in table.itertuples():
        if row.group != group:
            group = row.group
            lines.append(f"{group}")
        time = "" if row.seconds == 0 else f"about {format_duration(row.seconds)}"
        what = f"{row.state}  {row.detail}".strip()
        lines.append(f"  {row.run:30} {row.label:38} {what:34} {time}".rstrip())
    left = table[~table["state"].isin(["recorded", "other code"])]
    lines.append(
        f"{len(table) - len(left)} of {len(table)} recorded; "
        f"{len(left)} to do, about {format_duration(left['seconds'].sum())} on this machine"
    )
    if (stale := int((table["state"] == "other code").sum())) > 0:
        lines.append(f"{stale} made by other code: seglib verify checks a run")
    return "\n".join(lines)


def run_study(
    entries: Sequence[Entry],
    *,
    budget: float | None = None,
    device: str | None = None,
    progress: bool = True,
    **options: Any,
) -> int:
    """Train what is missing, in order, for at most `budget` seconds; returns how many are left.

    Stopped or killed at any moment, the same call goes on from there. A dataset that isn't there is
    passed over with one line, as are a run that diverges and one whose measurements need such a
    dataset. `options` go to `training.fit`.
    """
    clock, absent, left = Clock(budget), set(), 0
    for entry in unique(entries):
        if status(entry).is_done:
            continue
        name = entry.config.dataset
        try:
            if name not in absent:
                prepare(name)
        except DatasetError as problem:
            print(f"{name}: passed over: {problem}")
            absent.add(name)
        if name in absent or (clock.left <= 0 and clock.worked):
            left += 1
            continue
        try:
            _work_on(entry, clock, device=device, progress=progress, **options)
        except OutOfTime:
            left += 1
        except (NonFiniteLoss, DatasetError) as problem:
            print(f"{entry.id}: passed over: {problem}")
            left += 1
    return left


def _work_on(entry: Entry, clock: Clock, *, device: str | None, progress: bool, **options) -> None:
    if isinstance(entry, StudySweep):
        run_sweep(entry.plan, clock=clock, device=device, progress=progress, **options)
        return
    trains = find_record(entry.config) is None
    if status(entry).state == "no weights":
        trains = options["retrain"] = True
    record = fit_within(
        entry.config,
        clock,
        device=device,
        progress=progress,
        keep_weights=entry.weights or bool(entry.splits) or entry.measured,
        **options,
    )
    for split in entry.splits:
        score_split(record, split, device=device, progress=progress)
    if entry.measured and (lacking := missing_parts(record)):
        measure(record, lacking, device=device, progress=progress)
    if trains and not entry.weights:  # they were kept to score and to measure with
        record.weights_path.unlink(missing_ok=True)


def sweep_listing(plan: SweepPlan) -> str:
    """A sweep's rungs as text: every candidate with its score, best first where it is decided."""
    table = sweep_table(plan).drop(columns=["images", "run", "is_current"])
    table = table.sort_values(["rung", "rank", "candidate"])
    table["score"] = table["score"].round(4)
    table["kept"] = table["kept"].map({True: "yes", False: ""}).fillna("?")
    done, total = runs_done(plan)
    text = table.to_string(index=False, na_rep="", float_format=lambda value: f"{value:.4g}")
    return f"{text}\nsweep {plan.id}: {done} of {total} runs recorded in {plan.folder}"


def one_factor_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The one-factor runs that are recorded, each beside the unchanged run of the same seed.

    Columns: `dataset`, `model`, `factor`, `level`, `seed`, `run`, `miou` (val, 0 to 1), `gain` over
    the unchanged run (NaN while that is missing), `is_base` (whether the level is the unchanged
    run itself), `seconds` of training and `parameters`.
    """
    runs = [entry for entry in entries if isinstance(entry, StudyRun)]
    bases = {
        (run.group, run.config.dataset, run.config.model, run.config.seed): run
        for run in runs
        if run.factor is None
    }
    rows = []
    for run in runs:
        record = find_record(run.config)
        if run.factor is None or record is None:
            continue
        base = bases[run.group, run.config.dataset, run.config.model, run.config.seed]
        base_record = find_record(base.config)
        base_score = base_record.miou() if base_record else float("nan")
        rows.append(
            {
                "dataset": run.config.dataset,
                "model": run.config.model,
                "factor": run.factor,
                "level": run.level,
                "seed": run.config.seed,
                "run": run.id,
                "miou": record.miou(),
                "gain": record.miou() - base_score,
                "is_base": run.id == base.id,
                "seconds": record.environment["seconds"],
                "parameters": record.environment["parameters"],
            }
        )
    columns = ["dataset", "model", "factor", "level", "seed", "run", "miou", "gain", "is_base"]
    return pd.DataFrame(rows, columns=[*columns, "seconds", "parameters"])


def one_factor_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of a `one_factor_table`, in its order.

    Columns: `dataset`, `model`, `factor`, `level`, `seeds`, `miou`, `gain` with `low` and `high`
    (95 % by Student's t over the seeds' paired gains; NaN for a single seed), `seconds`.
    """
    keys = ["dataset", "model", "factor", "level"]
    rows = []
    for values, group in table.groupby(keys, sort=False):
        gain, low, high = mean_interval(group["gain"])
        rows.append(
            (*values, len(group), group["miou"].mean(), gain, low, high, group["seconds"].mean())
        )
    return pd.DataFrame(rows, columns=[*keys, "seeds", "miou", "gain", "low", "high", "seconds"])
