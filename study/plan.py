"""The plan of all runs, as `study.toml` lists it: groups of runs at two scales.

`cpu` is what is recorded in `results/`, `gpu` the full-size study.
"""

import dataclasses
import json
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

from seglib import recipes
from seglib.config import RunConfig
from seglib.data.datasets import DATASETS
from seglib.errors import ConfigError, choose

from .halving import GRID, SweepPlan

PLAN = Path(__file__).with_name("plan.toml")
SCALES = ("cpu", "gpu")
KEYS = (
    *("name", "for", "datasets", "models", "seeds", "set", "per_model", "per_dataset"),
    *("factors", "init_from", "recipes", "splits", "weights", "measured", "compared"),
    "sweep",
)
SWEEP_KEYS = ("grid", "first_images", "halvings", "score")


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
    measured: bool = False  # whether the record holds all `measurements`
    compared: bool = False  # whether notebook 06 compares it with the others

    @property
    def id(self) -> str:
        return self.config.run_id


@dataclass(frozen=True)
class StudySweep:
    """One halving sweep of the plan."""

    group: str
    plan: SweepPlan

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
    content = _read(file)
    tables = content.get(scale, [])
    names = [str(table.get("name", "")) for table in tables]
    for chosen, known, what in ((datasets, tuple(DATASETS), "dataset"), (groups, names, "group")):
        for name in chosen:
            choose(what, name, known)
    entries: list[Entry] = []
    for table in tables:
        try:
            entries += _expand(table, content.get("factors", {}))
        except (ConfigError, TypeError, KeyError) as problem:
            reason = f"needs {problem}" if isinstance(problem, KeyError) else str(problem)
            where = f"{file.name}: {scale} group {table.get('name')!r}"
            raise ConfigError(f"{where}: {reason}") from None
    return [
        entry
        for entry in entries
        if (not datasets or entry.config.dataset in datasets)
        and (not groups or entry.group in groups)
    ]


def _read(file: Path) -> dict[str, Any]:
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read ({problem.strerror})") from None
    except ValueError as problem:
        raise ConfigError(f"{file}: not valid TOML ({problem})") from None
    for key in content:
        choose(f"{file}: table", key, (*SCALES, "factors"))
    return content


def _expand(table: dict[str, Any], factors: dict[str, Any]) -> list[Entry]:
    """The entries of one group."""
    for key in table:
        choose("key", key, KEYS)
    common = {
        "group": table["name"],
        "weights": table.get("weights", True),
        "splits": tuple(table.get("splits", ())),
        "measured": table.get("measured", False),
        "compared": table.get("compared", False),
    }
    if common["compared"] and not common["measured"]:
        raise ConfigError("compared runs need to be measured")
    entries: list[Entry] = []
    for dataset in table["datasets"]:
        for model in table["models"]:
            changes = {
                **table.get("set", {}),
                **table.get("per_model", {}).get(model, {}),
                **table.get("per_dataset", {}).get(dataset, {}),
            }
            base = recipes.recipe(dataset, model, **_fields(changes))
            if source := table.get("init_from"):
                start = recipes.recipe(source, model).run_id
                base = dataclasses.replace(base, init_from=start)
            if "sweep" in table:
                entries.append(StudySweep(common["group"], _sweep(base, table["sweep"])))
                continue
            for seed in table.get("seeds", [0]):
                seeded = dataclasses.replace(base, seed=seed)
                entries += [
                    StudyRun(config=config, label=label, factor=factor, level=level, **common)
                    for label, factor, level, config in _variants(seeded, table, factors)
                ]
    return entries


def _variants(
    base: RunConfig, table: dict[str, Any], factors: dict[str, Any]
) -> Iterable[tuple[str, str | None, str | None, RunConfig]]:
    """Label, factor, level and config of the runs that a group makes of one base."""
    if name := table.get("recipes"):
        if not hasattr(recipes, name):
            raise ConfigError(f"recipes {name!r}: seglib/recipes.py has no such function")
        for label, config in getattr(recipes, name)(base.dataset).items():
            yield label, None, None, dataclasses.replace(config, seed=base.seed)
        return
    start = f"from {table['init_from']}, " if "init_from" in table else ""
    yield f"{start}seed {base.seed}", None, None, base
    for factor in table.get("factors", []):
        for level, fields in factors[choose("factor", factor, factors)].items():
            config = dataclasses.replace(base, **_fields(fields))
            yield f"{factor}: {level}, seed {base.seed}", factor, level, config.resolved()


def _fields(values: dict[str, Any]) -> dict[str, Any]:
    """Fields as the config has them: TOML has no None, so `false` stands for an empty one."""
    hints = get_type_hints(RunConfig)
    for name in values:
        choose("config field", name, hints)
    return {
        name: None if value is False and not _is_flag(hints[name]) else value
        for name, value in values.items()
    }


def _is_flag(hint: Any) -> bool:
    return bool in (hint, *get_args(hint))


def _sweep(base: RunConfig, options: dict[str, Any]) -> SweepPlan:
    for key in options:
        choose("sweep key", key, SWEEP_KEYS)
    return SweepPlan(base, **{"grid": dict(GRID), **options})


def find_sweep(entries: Sequence[Entry], dataset: str, model: str) -> SweepPlan:
    """The plan's sweep of an architecture on a dataset; `ConfigError` lists what there is."""
    sweeps = [entry for entry in entries if isinstance(entry, StudySweep)]
    for entry in sweeps:
        if (entry.config.dataset, entry.config.model) == (dataset, model):
            return entry.plan
    known = ", ".join(f"{entry.config.model} on {entry.config.dataset}" for entry in sweeps)
    raise ConfigError(f"the study has no sweep of {model} on {dataset}; it has: {known or 'none'}")


def change_sweep(
    entries: Sequence[Entry], dataset: str, model: str, grid: Sequence[str] = (), **changes: Any
) -> SweepPlan:
    """The study's sweep with other options, or one of another dataset or model with its options.

    `grid`: values to try as text, such as "dropout=0,0.1". `changes`: fields of the `SweepPlan` or
    of its base; None leaves one as it is.
    """
    try:
        plan = find_sweep(entries, dataset, model)
    except ConfigError:
        sweeps = [entry.plan for entry in entries if isinstance(entry, StudySweep)]
        if not sweeps:
            raise
        like = sweeps[0].base
        fields = ("schedule", "crop_size", "epochs", "validate_every", "batch_size")
        base = recipes.recipe(dataset, model, **{name: getattr(like, name) for name in fields})
        plan = dataclasses.replace(sweeps[0], base=base)
    changes = {name: value for name, value in changes.items() if value is not None}
    if grid:
        changes["grid"] = dict(_grid_values(text) for text in grid)
    own = {name: changes.pop(name) for name in SWEEP_KEYS if name in changes}
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
