"""The plan of all runs, as `plan.toml` lists it: groups of runs at the scale of a CPU or a GPU."""

import itertools
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Required, TypedDict, get_type_hints

from typeguard import CollectionCheckStrategy, TypeCheckError, check_type

from seglib.config import RunConfig
from seglib.data.datasets import DATASETS
from seglib.data.tree import SPLITS
from seglib.errors import ConfigError, choose, shown
from seglib.models import MODELS
from seglib.recipes import recipe
from seglib.text import network_name

from .halving import SweepPlan

PLAN = Path(__file__).with_name("plan.toml")
SCALES = ("cpu", "gpu")
# TOML has no None, so `false` stands for a field left empty, but not in these.
BOOLEAN = {name for name, hint in get_type_hints(RunConfig).items() if hint in (bool, bool | None)}
NAMED = {"per_model": MODELS, "per_dataset": DATASETS}  # tables by name, and the names


class SweepOptions(TypedDict, total=False):
    """The fields of a `SweepPlan` but its base."""

    grid: dict[str, list]
    first_images: int
    halvings: int
    score: str


class Fields(TypedDict, total=False):
    """What a named set or a group changes in the config of its runs, or in its sweep."""

    set: dict[str, Any]
    per_model: dict[str, dict[str, Any]]
    per_dataset: dict[str, dict[str, Any]]
    sweep: SweepOptions


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
    predictions: bool
    measured: bool
    compared: bool


class Plan(TypedDict, total=False):
    """A whole plan, whose groups are checked one by one, so that a mistake names its group."""

    cpu: list[dict]
    gpu: list[dict]
    like: dict[str, Fields]
    factors: dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class StudyRun:
    """One run of the plan."""

    group: str
    config: RunConfig
    factor: str | None = None  # what is varied one at a time, and to which level
    level: str | None = None
    weights: bool = True  # whether the record keeps its weights
    followers: tuple["Entry", ...] = ()  # those of the whole plan that start from its weights
    predictions: bool = True  # and what it predicts for a dozen scenes
    splits: tuple[str, ...] = ()  # scored besides val
    measured: bool = False  # whether the record holds all of `beyond_scores`
    compared: bool = False  # whether notebook 06 compares it with the others

    @property
    def id(self) -> str:
        return self.config.run_id

    @property
    def label(self) -> str:
        """What sets it apart in its group, such as "loss: Dice, seed 0"."""
        start = f"from {self.config.start_dataset}, " if self.config.init_from else ""
        varied = f"{self.factor}: {self.level}, " if self.factor else ""
        return f"{start}{varied}seed {self.config.seed}"


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
    scale: str = "cpu", *,
    datasets: Sequence[str] = (), groups: Sequence[str] = (), plan: Path | None = None,
) -> list[Entry]:
    """All entries of a scale in the order of the plan, or those of some `datasets` and `groups`.

    A run that two groups need is in both. `ConfigError` names the file and group of a mistake.
    """
    file = plan or PLAN
    choose("scale", scale, SCALES)
    for dataset in datasets:
        choose("dataset", dataset, DATASETS)
    content = {"like": {}, "factors": {}, **read_toml(file, Plan)}
    tables = content.get(scale, [])
    names = dict.fromkeys(str(table.get("name")) for table in tables)
    for group in groups:
        choose(f"{scale} group", group, names)
    entries: list[Entry] = []
    for table in tables:
        with _naming(f"{file.name}: {scale} group {shown(table.get('name'))}"):
            _check(table, Group)
            entries += _expand(table, content)
    return [entry for entry in _with_all_that_is_asked(entries)
            if entry.config.dataset in (datasets or DATASETS) and entry.group in (groups or names)]


def _with_all_that_is_asked(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Each run with what the whole plan asks of it, so that no group drops what another needs."""
    ids = [entry.id for entry in entries]  # each a hash of many values: once
    runs: dict[str, list[StudyRun]] = {}
    followers: dict[str | None, dict[str, Entry]] = {}  # by the run that they start from
    for name, entry in zip(ids, entries, strict=True):
        runs.setdefault(name, []).append(entry)
        followers.setdefault(entry.config.init_from, {})[name] = entry
    for entry, same in zip(entries, map(runs.get, ids), strict=True):
        if isinstance(entry, StudyRun):
            flags = {name: any(getattr(each, name) for each in same)
                     for name in ("weights", "predictions", "measured")}
            splits = tuple(dict.fromkeys(split for each in same for split in each.splits))
            flags["followers"] = tuple(followers.get(entry.id, {}).values())
            entry = replace(entry, splits=splits, **flags)
        yield entry


def ablation_configs(model: str) -> dict[str, RunConfig]:
    """The plan's ablations of a network with seed 0 by name: the whole network, then variants."""
    runs = [run for run in load_study(groups=["ablations"])
            if (run.config.model, run.config.seed) == (model, 0)]
    return {run.level or network_name(run.config): run.config for run in runs}


def read_toml(file: Path, kind: Any) -> dict[str, Any]:
    """The content of a file that a `TypedDict` describes; `ConfigError` for what does not fit."""
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as problem:
        raise ConfigError(f"{file}: cannot be read ({problem.strerror})") from None
    except ValueError as problem:
        raise ConfigError(f"{file}: not valid TOML ({problem})") from None
    with _naming(file.name):
        _check(content, kind)
    return content


@contextmanager
def _naming(where: str) -> Iterator[None]:
    """Errors of the block as `ConfigError` that begins with `where`."""
    try:
        yield
    except (ConfigError, TypeCheckError, TypeError) as problem:
        raise ConfigError(f"{where}: {problem}") from None


def _check(table: dict[str, Any], kind: Any) -> None:
    """Raise an error in one line unless every key is known and every value of its kind."""
    for key in table:
        choose("key", key, kind.__annotations__)
    check_type(table, kind, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)


def _expand(table: dict[str, Any], content: dict[str, Any]) -> Iterator[Entry]:
    """The entries of one group."""
    group, sets, factors = table["name"], content["like"], content["factors"]
    flags = ("weights", "predictions", "measured", "compared")
    asked = {name: table[name] for name in flags if name in table}
    asked["splits"] = splits = tuple(table.get("splits", []))
    for split in splits:
        choose("split", split.removesuffix("+flip"), SPLITS["fine"])
    if table.get("compared") and not table.get("measured"):
        raise ConfigError("compared runs need to be measured")
    parts = [*(sets[choose("like", name, sets)] for name in table.get("like", [])), table]
    for part, (key, known) in itertools.product(parts, NAMED.items()):
        for name in part.get(key, {}):
            choose(key, name, known)
    sweep = {key: value for part in parts for key, value in part.get("sweep", {}).items()}
    if sweep and (useless := {"seeds", "factors", "splits", *flags} & table.keys()):
        raise ConfigError(f"a sweep has no {', '.join(sorted(useless))}")
    varied = [(None, None, {})]  # the unchanged run
    for factor in table.get("factors", []):
        levels = factors[choose("factor", factor, factors)]
        varied += [(factor, level, fields) for level, fields in levels.items()]
    for dataset, model in itertools.product(table["datasets"], table["models"]):
        changes: dict[str, Any] = {}
        for part in parts:
            changes |= part.get("set", {})
            changes |= part.get("per_model", {}).get(model, {})
            changes |= part.get("per_dataset", {}).get(dataset, {})
        for field in {"dataset", "model", "seed"} & changes.keys():
            raise ConfigError(f"{field!r} is not set among the fields: name {field}s of the group")
        if "init_from" in table:
            changes["init_from"] = _recipe(table["init_from"], model, changes).run_id
        if sweep:
            yield StudySweep(group, SweepPlan(_recipe(dataset, model, changes), **sweep))
            continue
        for seed, (factor, level, fields) in itertools.product(table.get("seeds", [0]), varied):
            config = _recipe(dataset, model, {**changes, **fields, "seed": seed})
            if config.with_val and (table.get("measured") or {"val", "val+flip"} & set(splits)):
                raise ConfigError("runs trained with_val are scored on test, and not measured")
            yield StudyRun(group, config, factor, level, **asked)


def _recipe(dataset: str, model: str, changes: dict[str, Any]) -> RunConfig:
    """The recipe with changes as TOML has them."""
    values = {name: None if value is False and name not in BOOLEAN else value
              for name, value in changes.items()}
    return recipe(dataset, model, **values)
