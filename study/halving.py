"""Successive halving over a grid: every candidate is a run, and the records are the whole state.

All candidates start on a small random part of the training images; the worse half by a validation
score is dropped and the data doubled, until the finalists train on everything (Jamieson and
Talwalkar, "Non-stochastic Best Arm Identification and Hyperparameter Optimization", AISTATS 2016,
https://arxiv.org/abs/1502.07943). A rung is ranked only when all of it is recorded, so the result
does not depend on order, interruptions or the number of workers. A survivor trains anew on each
rung: then it is an ordinary run, and a learning-rate schedule means the same on every rung.
"""

import hashlib
import itertools
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
from filelock import FileLock, Timeout

from seglib import paths
from seglib.config import RunConfig
from seglib.data.datasets import dataset_spec
from seglib.data.tree import has_instances, list_scenes
from seglib.errors import ConfigError, RecordError, choose
from seglib.files import write_json
from seglib.provenance import RESULTS_VERSION, commit
from seglib.records import Record, find_record, save_record, write_scores
from seglib.text import setting_name, setting_value

SCORES = ("miou", "pixel_accuracy", "mean_accuracy", "category_miou", "miiou")
FIXED = ("dataset", "model", "train_images", "epochs", "with_val", "hold_out")  # of all candidates


class Rung(NamedTuple):
    """One step of a sweep: how many candidates train on how many images (None: on all)."""

    number: int
    candidates: int
    images: int | None


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep tries and how it decides; its id is a hash of these values.

    Raises `ConfigError` for a field or a value that can't be swept, before anything is trained.
    """

    base: RunConfig  # what all candidates share, their epochs on each rung included
    grid: dict[str, tuple[Any, ...]]  # values by field of the config: each combination is tried
    first_images: int = 24  # training images on the first rung; they double, the last rung has all
    halvings: int = 4  # how often the worse half is dropped: there is one more rung than that
    score: str = "miou"  # one of `SCORES` on val, or iou:NAME of a class

    def __post_init__(self) -> None:
        swept = [each.name for each in fields(RunConfig) if each.name not in FIXED]
        for name, values in self.grid.items():
            choose("grid field", name, swept)
            if isinstance(values, str) or not isinstance(values, Sequence) or not values:
                raise ConfigError(f"grid field {name!r} must have a list of one value or more")
        if self.halvings < 0:
            raise ConfigError(f"halvings {self.halvings} must be 0 or more")
        if self.base.with_val:
            raise ConfigError("with_val: a sweep chooses by scores of val, so it can't train on it")
        # Two bases that differ in swept fields only mean the same sweep. Nothing is resolved here:
        # what has no effect beside the first values may have one beside others.
        first = {name: values[0] for name, values in self.grid.items()}
        base = replace(self.base, **first, train_images=None)
        grid = {name: tuple(getattr(replace(base, **{name: value}), name) for value in values)
                for name, values in self.grid.items()}
        object.__setattr__(self, "base", base)
        object.__setattr__(self, "grid", grid)
        images, batch = self.first_images, max(grid.get("batch_size", [base.batch_size]))
        if self.halvings and images < batch:
            raise ConfigError(f"first_images {images} is less than a batch of {batch}")
        spec = dataset_spec(base.dataset)
        choose("score", self.score, [*SCORES, *(f"iou:{name}" for name in spec.class_set.names)])
        count = len(self.candidates)
        if len({self.config(self.rungs[-1], number) for number in range(count)}) < count:
            raise ConfigError("two combinations of the grid are the same run; leave one out")

    @cached_property
    def candidates(self) -> list[dict[str, Any]]:
        """The swept fields of every candidate, the last field of the grid changing fastest."""
        combinations = itertools.product(*self.grid.values())
        return [dict(zip(self.grid, values, strict=True)) for values in combinations]

    @cached_property
    def rungs(self) -> list[Rung]:
        """The rungs in order: half as many candidates, rounded up, and twice the images each."""
        images = [self.first_images * 2**step for step in range(self.halvings)]
        return [Rung(step + 1, math.ceil(len(self.candidates) / 2**step), count)
                for step, count in enumerate([*images, None])]

    def config(self, rung: Rung, candidate: int) -> RunConfig:
        """The run of a candidate, counted from 0, on a rung."""
        changes = {**self.candidates[candidate], "train_images": rung.images}
        return replace(self.base, **changes).resolved()

    @property
    def id(self) -> str:
        """`<dataset>-<model>-<hash>`, of everything that the plan fixes."""
        values = asdict(self)
        values["base"] = {k: v for k, v in values["base"].items() if v is not None}
        digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()
        return f"{self.base.dataset}-{self.base.model}-{digest[:8]}"

    @property
    def folder(self) -> Path:
        """`results/sweeps/<id>`: the plan in `sweep.json`, and a compact record per run."""
        return paths.results_dir() / "sweeps" / self.id


def score_of(record: Record, name: str) -> float:
    """A record's validation score, higher is better; -inf where there is none (it diverged)."""
    scores = record.scores[record.config.scored_split]
    kind, _, label = name.partition(":")  # of "iou:pole"
    if scores["miou"] is None:
        return -math.inf
    value = scores[kind][scores["classes"].index(label)] if label else scores[kind]
    return -math.inf if pd.isna(value) else float(value)


def ranking(scores: dict[int, float]) -> list[int]:
    """Candidates from best to worst; of equal ones, the one that comes first in the grid."""
    return sorted(scores, key=lambda candidate: (-scores[candidate], candidate))


def survivors(scores: dict[int, float]) -> list[int]:
    """The better half of a complete rung, rounded up, in the order of the grid."""
    return sorted(ranking(scores)[: (len(scores) + 1) // 2])


def refuse_torchrun() -> None:
    """Raise `ConfigError` in one of several processes, which would not agree on what is left."""
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("WORLD_SIZE is set: start this without torchrun, a sweep several times")


def run_sweep(plan: SweepPlan, *, deadline: float = math.inf, **options: Any) -> pd.DataFrame:
    """Train what the sweep lacks and return its `sweep_table`.

    `options` go to `training.fit`. Killed at any moment, the same call goes on where it was.
    Raises `OutOfTime` after `deadline`, a time of `time.monotonic`, but not before one epoch is
    trained; `ConfigError` if the plan has more images than the data.
    """
    from seglib.training.loop import OutOfTime  # here and below, since it needs PyTorch

    refuse_torchrun()
    root = dataset_spec(plan.base.dataset).root()
    total = len(list_scenes(root, "train", plan.base.mode, plan.base.hold_out or ()))
    most = plan.rungs[-2].images if plan.halvings else 0
    if most >= total:
        rung = f"rung {plan.halvings} would take {most} of {total} training images"
        raise ConfigError(f"{rung}; use fewer halvings or fewer first_images")
    if plan.score == "miiou" and not has_instances(list_scenes(root, "val")):
        raise ConfigError(f"score 'miiou' needs instance ids, which {plan.base.dataset} lacks")
    write_json(plan.folder / "sweep.json", asdict(plan))
    table, worked = sweep_table(plan), False
    for rung in plan.rungs:
        rows = table[table["rung"] == rung.number]
        missing = rows["score"].isna()
        for run_id in rows["run"][~missing]:  # a worker may have been killed before it did this
            record = Record(plan.folder / run_id)
            if problem := record.other_data(record.config.scored_split):
                raise RecordError(problem)
            _compact(record)
        for candidate in _free_ones_first(plan, rung, rows["candidate"][missing] - 1):
            if worked and time.monotonic() > deadline:
                raise OutOfTime(f"sweep {plan.id}: out of time; the same call goes on")
            worked = True
            train_candidate(plan.config(rung, candidate), plan.folder, deadline=deadline, **options)
        table = sweep_table(plan)
        best = table[(table["rung"] == rung.number) & (table["rank"] == 1)].iloc[0]
        settings = [f"{setting_name(name)} {setting_value(best[name])}" for name in plan.grid]
        print(
            f"rung {rung.number} of {len(plan.rungs)}: {rung.candidates} candidates on "
            f"{rung.images or 'all'} images; best {plan.score} {best['score']:.4f} with "
            + ", ".join(settings)
        )
    return table


def _free_ones_first(plan: SweepPlan, rung: Rung, candidates: Iterable[int]) -> Iterator[int]:
    """The candidates that no other worker is training, each looked at in its turn, then the others.

    A worker holds the lock that `fit` takes of a run; one that was killed holds none, and whoever
    gets to its run goes on from the checkpoint. To one that still trains, `fit` waits.
    """
    taken = []
    for candidate in candidates:
        name = f"{paths.checkpoint_folder(plan.config(rung, candidate).run_id)}.lock"
        paths.checkpoints_dir().mkdir(parents=True, exist_ok=True)
        lock = FileLock(Path(name).absolute(), is_singleton=True)  # `fit` takes it once more
        try:
            with lock.acquire(timeout=0):
                yield candidate
        except Timeout:
            taken.append(candidate)
    yield from taken


def train_candidate(config: RunConfig, folder: Path, **options: Any) -> Record:
    """The compact record of a candidate in `folder`: loaded, or trained by `fit` with `options`.

    One whose loss becomes infinite is recorded too, with no score.
    """
    from seglib.training.checkpoints import remove_checkpoint
    from seglib.training.loop import NonFiniteLoss, fit

    record = find_record(config, folder)
    if record is None:
        try:
            record = fit(config, results=folder, keep_weights=False, **options)
        except NonFiniteLoss as problem:
            print(f"{config.run_id}: {problem}")
            environment = {"commit": commit(), "results_version": RESULTS_VERSION,
                           "seconds": 0.0, "problem": str(problem)}
            record = save_record(
                config, history=[{"epoch": 0, "train_loss": math.nan}],
                scores={config.scored_split: {"miou": None}}, environment=environment,
                state=None, predictions={}, results=folder,
            )
            remove_checkpoint(config.run_id)
    return _compact(record)


def _compact(record: Record) -> Record:
    """The record without pictures and the counts per image, which would swell the git."""
    shutil.rmtree(record.path / "predictions", ignore_errors=True)
    if record.scores[record.config.scored_split].pop("images", None):
        write_scores(record.path / "scores.json", record.scores)
    return Record(record.path)


def sweep_table(plan: SweepPlan) -> pd.DataFrame:
    """One row per candidate and rung, from the records alone; later rungs as far as decided.

    Columns: `rung` (from 1), `images` (<NA>: all), `candidate` (from 1), `run`, one for each swept
    field, `score` (NaN: not recorded yet, -inf: diverged), `rank` (from 1) and `kept` (<NA> while
    the rung is incomplete; on the last rung only the winner is kept), `seconds` of training.
    """
    rows, remaining = [], [*range(len(plan.candidates))]
    for rung in plan.rungs:
        found = {each: record for each in remaining
                 if (record := find_record(plan.config(rung, each), plan.folder)) is not None}
        scores = {each: score_of(record, plan.score) for each, record in found.items()}
        seconds = {each: record.environment["seconds"] for each, record in found.items()}
        order, complete = ranking(scores), len(scores) == len(remaining)
        kept = survivors(scores) if rung.images else order[:1]
        for candidate in remaining:
            rows.append({
                "rung": rung.number, "images": rung.images, "candidate": candidate + 1,
                "run": plan.config(rung, candidate).run_id, **plan.candidates[candidate],
                "score": scores.get(candidate, math.nan),
                "rank": order.index(candidate) + 1 if complete else None,
                "kept": candidate in kept if complete else None,
                "seconds": seconds.get(candidate, math.nan),
            })
        if not complete:
            break
        remaining = survivors(scores)
    return pd.DataFrame(rows).astype({"images": "Int64", "rank": "Int64", "kept": "boolean"})


def runs_done(plan: SweepPlan) -> tuple[int, int]:
    """How many runs of a sweep are recorded, and of how many."""
    return int(sweep_table(plan)["score"].notna().sum()), sum(r.candidates for r in plan.rungs)
