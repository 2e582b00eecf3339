"""What a setting changes: means over a sweep's grid, one factor at a time, and other seeds.

All intervals are of 95 %.
"""

import math
from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
from scipy.stats import sem, t

from seglib.errors import ConfigError, RecordError
from seglib.evaluation.intervals import paired_difference
from seglib.records import find_record, load_record

from .plan import Entry, StudyRun


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent, normally scattered values and its interval (NaN for a single value)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = float(t.ppf(0.975, len(values) - 1) * sem(values))
    return mean, mean - half, mean + half


def pooled_deviation(groups: Collection[Sequence[float]]) -> float:
    """Standard deviation within groups of values, such as the seeds of several networks."""
    squares = sum(len(values) * np.var(values) for values in groups)
    if not (freedom := sum(len(values) - 1 for values in groups)):
        raise RecordError("no run is recorded with several seeds; train them: seglib study")
    return math.sqrt(squares / freedom)


def two_runs(groups: Collection[Sequence[float]]) -> float:
    """How far two runs that differ in their seed alone lie apart at most, in 95 of 100 cases."""
    freedom = sum(len(values) - 1 for values in groups)
    return pooled_deviation(groups) * math.sqrt(2) * float(t.ppf(0.975, freedom))


def first_rung(table: pd.DataFrame) -> pd.DataFrame:
    """The first rung's rows of a `sweep_table`; a diverged run counts with score 0.

    Raises `ConfigError` while a candidate lacks its score.
    """
    rows = table[table["rung"] == 1].replace({"score": {-math.inf: 0.0}})
    if rows["score"].isna().any():
        raise ConfigError("the sweep's first rung is incomplete; run: seglib study")
    return rows


def mean_scores(table: pd.DataFrame, fields: Sequence[str]) -> pd.Series:
    """Mean score on the first rung by the values of `fields`, over all values of the others."""
    return first_rung(table).groupby(list(fields), sort=False)["score"].mean()


def one_factor_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The one-factor runs that are recorded, each beside the unchanged run of the same seed.

    Columns: `dataset`, `model`, `factor`, `level`, `seed`, `run`, `miou` (val, 0 to 1), `gain` over
    the unchanged run `base` (NaN while that is missing) and `is_base`, whether it is that run
    itself.
    """
    terms = ["group", "dataset", "model", "seed"]
    rows = []
    for run in (entry for entry in entries if isinstance(entry, StudyRun)):
        config, record = run.config, find_record(run.config)
        where = run.group, config.dataset, config.model, config.seed
        rows.append((*where, run.factor, run.level, run.id, record.miou() if record else math.nan))
    runs = pd.DataFrame(rows, columns=[*terms, "factor", "level", "run", "miou"])
    unchanged = runs.loc[runs["factor"].isna(), [*terms, "run", "miou"]]
    unchanged = unchanged.rename(columns={"run": "base", "miou": "usual"})
    table = runs.dropna(subset=["factor", "miou"]).merge(unchanged, on=terms, validate="m:1")
    table["gain"] = table["miou"] - table.pop("usual")
    return table.assign(is_base=table["run"] == table["base"]).drop(columns="group")


def one_factor_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of a `one_factor_table` whose unchanged run is there, in its order.

    Columns: `dataset`, `model`, `factor`, `level`, `seeds`, `miou`, `gain` with `low`, `high`
    and `p_value` (over seeds and scenes; NaN for a single seed or the unchanged run).
    """
    keys, rows = ["dataset", "model", "factor", "level"], []
    for values, group in table.dropna(subset="gain").groupby(keys, sort=False):
        gain = group["gain"].mean(), math.nan, math.nan, math.nan
        if len(group) > 1 and not group["is_base"].all():
            own, usual = ([load_record(run).scores["val"] for run in group[name]]
                          for name in ("run", "base"))
            gain = paired_difference(own, usual)
        rows.append((*values, len(group), group["miou"].mean(), *gain))
    return pd.DataFrame(rows, columns=[*keys, "seeds", "miou", "gain", "low", "high", "p_value"])
