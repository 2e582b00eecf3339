"""The settings of the recorded runs, from which the command line and the notebooks start."""

import dataclasses
import shlex
import tomllib
from pathlib import Path
from typing import Any

from .config import RunConfig

RECIPES = tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def recipe(dataset: str = "miniscapes", model: str = "unet", **changes: Any) -> RunConfig:
    """The recipe of an architecture on a dataset, with `changes` to single fields.

    What `recipes.toml` has no table for gets what all share; `ConfigError` for an unknown name.
    """
    sizes = RECIPES["size"]["gpu" if dataset == "cityscapes" else "cpu"]
    kinds = (("dataset", dataset), ("model", model), ("run", f"{dataset}-{model}"))
    values = {"dataset": dataset, "model": model, **RECIPES["all"]}
    for table in (*(RECIPES[kind].get(name) for kind, name in kinds), sizes.get(model)):
        values |= table or {}
    return RunConfig.from_dict(values | changes).resolved()


def command(config: RunConfig) -> str:
    """The `seglib train` command of a run: what differs from its recipe, option by option."""
    own, config = recipe(config.dataset, config.model), config.resolved()
    words = f"seglib train --dataset {config.dataset} --model {config.model}".split()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != getattr(own, field.name):
            parts = value if isinstance(value, tuple) else [] if field.type is bool else [value]
            off = "no-" if parts == [] and not value else ""
            words += [f"--{off}{field.name.replace('_', '-')}", *map(str, parts)]
    return shlex.join(words)
