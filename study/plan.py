"""The plan of all runs, as `plan.toml` lists it: groups of runs at two scales.

`cpu` is what is recorded in `results/`, `gpu` the full-size study.
"""

import dataclasses
import itertools
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Required, TypedDict, get_args, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from seglib.config import RunConfig
from seglib.data.datasets import DATASETS
from seglib.errors import ConfigError, choose, shown
from seglib.recipes import recipe
from seglib.text import MODEL_NAMES

from .halving import SweepPlan

PLAN = Path(__file__).with_name("plan.toml")
SCALES = ("cpu", "gpu")


class Fields(TypedDict, total=False):
    """What a named set or a group changes in the config of its runs."""

    set: dict[str, Any]
    per_model: dict[str, dict[str, Any]]
    per_dataset: dict[str, dict[str, Any]]


class SweepOptions(TypedDict, total=False):
    """What a group's `sweep` may change in a `SweepPlan`."""

    grid: dict[str, list]
    first_images: int
    halvings: int
    score: str


class Group(Fields, total=False):
    """One table of the plan, as its first lines explain."""

    name: Required[str]
    datasets: Required[list[str]]
    models: Required[list[str]]
    seeds: list[int]
    like: list[str]
    factors: list[str]
    init_from: str
    splits: list[str]
    weights: bool
    measured: bool
    compared: bool
    sweep: SweepOptions


class Plan(TypedDict, total=False):
    """A whole plan. Its groups are checked one by one, so that a mistake names its group."""

    cpu: list[dict]
    gpu: list[dict]
    like: dict[str, Fields]
    factors: dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class StudyRun:
    """One run of the plan."""

    group: str
    config: RunConfig
    label: str = ""  # what sets it apart in its group, such as "loss: Dice"
    factor: str | None = None  # what is varied one at a time, and to which level
    level: str | None = None
    weights: bool = True  # whether the record keeps its weights
    splits: tuple[str, ...] = ()  # scored besides val
    measured: bool = False  # whether the record holds all of `beyond_scores`
    compared: bool = False  # whether notebook 06 compares it with the others

    @property
    def id(self) -> str:
        return self.config.run_id


@dataclass(frozen=True)
class StudySweep:
    """One halving sweep of the plan."""

    group: str
    plan: SweepPlan
    label: str = "sweep"

    @property
    def id(self) -> str:
        return self.plan.id

    @property
    def config(self) -> RunConfig:
        """What all its candidates share."""
        return self.plan.base


Entry = StudyRun | StudySweep


def load_study(
    scale: str = "cpu",
    *,
    datasets: Sequence[str] = (),
    groups: Sequence[str] = (),
    plan: Path | None = None,
) -> list[Entry]:
    """All entries of a scale in the order of the plan; a run that two groups need is in both.

    `datasets` and `groups` pick some by name; none given means all. Raises `ConfigError` that names
    the file and the group for anything the plan can't mean.
    """
    file = plan or PLAN
    choose("scale", scale, SCALES)
    for dataset in datasets:
        choose("dataset", dataset, DATASETS)
    content = _read(file)
    tables = content.get(scale, [])
    for group in groups:
        choose("group", group, dict.fromkeys(str(table.get("name")) for table in tables))
    entries: list[Entry] = []
    for table in tables:
        try:
            entries += _expand(table, content)
        except (ConfigError, TypeError) as problem:
            where = f"{file.name}: {scale} group {shown(table.get('name'))}"
            raise ConfigError(f"{where}: {problem}") from None
    return [
        entry
        for entry in entries
        if (not datasets or entry.config.dataset in datasets)
        and (not groups or entry.group in groups)
    ]


def ablation_configs(model: str) -> dict[str, RunConfig]:
    """The plan's ablations of a network by name: first the whole network, then without a part."""
    runs = [run for run in load_study(groups=["ablations"]) if run.config.model == model]
    return {run.level or MODEL_NAMES[model]: run.config for run in runs}


def change_sweep(
    entries: Sequence[Entry], dataset: str, model: str, grid: Sequence[str] = (), **changes: Any
) -> SweepPlan:
    """The study's sweep with other options, or one of another dataset or model with its options.

    `grid`: values to try as text, such as "dropout=0,0.1". `changes`: fields of the `SweepPlan` or
    of its base; None leaves one as it is.
    """
    sweeps = [entry.plan for entry in entries if isinstance(entry, StudySweep)]
    if not sweeps:
        raise ConfigError("the plan has no sweep to start from")
    planned = {(plan.base.dataset, plan.base.model): plan for plan in sweeps}
    plan = planned.get((dataset, model), sweeps[0])
    if (dataset, model) not in planned:
        shared = ("schedule", "crop_size", "epochs", "validate_every", "batch_size")
        base = recipe(dataset, model, **{name: getattr(plan.base, name) for name in shared})
        plan = dataclasses.replace(plan, base=base)
    changes = {name: value for name, value in changes.items() if value is not None}
    if grid:
        changes["grid"] = dict(_grid_values(text) for text in grid)
    own = {name: changes.pop(name) for name in SweepOptions.__annotations__ if name in changes}
    return dataclasses.replace(plan, base=dataclasses.replace(plan.base, **changes), **own)


def _grid_values(text: str) -> tuple[str, list[Any]]:
    """Field and values of "field=value,value"; values are read as JSON, or else as names."""
    name, equals, values = text.partition("=")
    if not equals or not values:
        raise ConfigError(f"grid {text!r} must be a field and its values: dropout=0,0.1")

    def read(value: str) -> Any:
        try:
            return json.loads(value)
        except ValueError:
            return value

    return name, [read(value) for value in values.split(",")]


def _read(file: Path) -> dict[str, Any]:
    """The content of a plan, its upper levels checked."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read ({problem.strerror})") from None
    except ValueError as problem:
        raise ConfigError(f"{file}: not valid TOML ({problem})") from None
    try:
        _check(content, Plan)
    except ConfigError as problem:
        raise ConfigError(f"{file.name}: {problem}") from None
    return {"like": {}, "factors": {}, **content}


def _check(table: dict[str, Any], kind: Any) -> None:
    """Raise `ConfigError` in one line unless every key is known and every value of its kind."""
    for key in table:
        choose("key", key, kind.__annotations__)
    try:
        check_type(table, kind, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
    except TypeCheckError as problem:
        raise ConfigError(str(problem)) from None


def _expand(table: dict[str, Any], content: dict[str, Any]) -> Iterator[Entry]:
    """The entries of one group."""
    _check(table, Group)
    group = table["name"]
    asked = {name: table[name] for name in ("weights", "measured", "compared") if name in table}
    asked["splits"] = tuple(table.get("splits", ()))
    if table.get("compared") and not table.get("measured"):
        raise ConfigError("compared runs need to be measured")
    start = f"from {table['init_from']}, " if "init_from" in table else ""
    for dataset, model in itertools.product(table["datasets"], table["models"]):
        base = recipe(dataset, model, **_fields(_changes(table, content["like"], dataset, model)))
        if start:
            first = recipe(table["init_from"], model)
            base = dataclasses.replace(base, init_from=first.run_id)
        if "sweep" in table:
            yield StudySweep(group, SweepPlan(base, **table["sweep"]))
            continue
        for seed in table.get("seeds", [0]):
            seeded = dataclasses.replace(base, seed=seed)
            yield StudyRun(group, seeded, f"{start}seed {seed}", **asked)
            for factor in table.get("factors", []):
                levels = content["factors"][choose("factor", factor, content["factors"])]
                for level, fields in levels.items():
                    config = dataclasses.replace(seeded, **_fields(fields)).resolved()
                    label = f"{factor}: {level}, seed {seed}"
                    yield StudyRun(group, config, label, factor, level, **asked)


def _changes(
    table: dict[str, Any], named: dict[str, Any], dataset: str, model: str
) -> dict[str, Any]:
    """What a group changes in the recipe of a dataset and model: its named sets, then its own."""
    sets = [named[choose("like", name, named)] for name in table.get("like", [])]
    changes: dict[str, Any] = {}
    for part in (*sets, table):
        changes |= part.get("set", {})
        changes |= part.get("per_model", {}).get(model, {})
        changes |= part.get("per_dataset", {}).get(dataset, {})
    return changes


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Fields as the config has them: TOML has no None, so `false` stands for an empty one."""
    hints = get_type_hints(RunConfig)
    for name in values:
        choose("config field", name, hints)
    empty = [name for name in values if bool not in (hints[name], *get_args(hints[name]))]
    return {
        name: None if value is False and name in empty else value for name, value in values.items()
    }
