"""What a hyper-parameter changes: marginal effects, importance and interactions over a grid.

On the first rung of a sweep every combination of settings was run once, so the variance of the
scores splits exactly into parts: one for each setting, one for each pair, and the rest (functional
ANOVA: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014). One run per combination can't tell chance from effects of three settings at
once: we take that rest as chance, and its size gives the intervals. How far another seed would move
all runs together is not in it.

Every `table` is a `sweep_table` with a complete first rung, and `fields` are all that was swept.
All intervals are of 95 %, and of means by Student's t.
"""

import math
from collections.abc import Collection, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import f, ncf, sem, t

from seglib.errors import ConfigError
from seglib.records import find_record

from .plan import Entry, StudyRun


def student(freedom: int) -> float:
    """97.5 % quantile of Student's t, the half width of a 95 % interval in standard errors."""
    return float(t.ppf(0.975, freedom))


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent, normally scattered values and its interval (NaN for a single value)."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return mean, math.nan, math.nan
    half = student(len(values) - 1) * float(sem(values))
    return mean, mean - half, mean + half


def pooled_deviation(groups: Collection[Sequence[float]]) -> float:
    """Standard deviation within groups of values, such as the seeds of several networks."""
    squares = sum(len(values) * np.var(values) for values in groups)
    return math.sqrt(squares / sum(len(values) - 1 for values in groups))


def first_rung(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """The first rung's rows, sorted by `fields`; a diverged run counts with score 0.

    Raises `ConfigError` unless every combination was run once.
    """
    rows = table[table["rung"] == 1].replace({"score": {-math.inf: 0.0}})
    if unknown := [name for name in fields if name not in rows]:
        raise ConfigError(f"field {unknown[0]!r} was not swept")
    count = math.prod(rows[name].nunique() for name in fields)
    complete = len(rows) == count == len(rows.drop_duplicates(list(fields)))
    if not complete or rows["score"].isna().any():
        raise ConfigError(f"the first rung must have a score for each of its {count} combinations")
    return rows.sort_values(list(fields), ignore_index=True)


def chance(table: pd.DataFrame, fields: Sequence[str]) -> tuple[float, int]:
    """Standard deviation of a single run's score by the rest, and its degrees of freedom."""
    squares, freedom = _variance(table, fields).loc["rest"]
    return math.sqrt(squares / freedom), int(freedom)


def mean_scores(table: pd.DataFrame, part: Sequence[str], fields: Sequence[str]) -> pd.DataFrame:
    """Mean score of each combination of values of the fields of `part`, over all other fields.

    Returns a row per combination: the values in columns of the fields' names, then `mean`, `runs`,
    `low`, `high`. Without an interaction of two fields, the scores of all values of the first rise
    and fall alike over those of the second.
    """
    spread, freedom = chance(table, fields)
    scores = first_rung(table, fields).groupby(list(part), sort=False)["score"]
    means = scores.agg(mean="mean", runs="size").reset_index()
    half = student(freedom) * spread / np.sqrt(means["runs"])
    return means.assign(low=means["mean"] - half, high=means["mean"] + half)


def marginal_effects(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """`mean_scores` of every single field: `field`, `value`, `mean`, `runs`, `low`, `high`."""
    means = {name: mean_scores(table, [name], fields).rename(columns={name: "value"})
             for name in fields}
    return pd.concat(means, names=["field", None]).reset_index("field").reset_index(drop=True)


def contrasts(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """The best value of each field against its worst, by the mean over all other settings.

    Returns a row per field: `field`, `best`, `worst`, `difference` of the mean scores, `low` and
    `high` as of two values picked in advance; of three or more, `importance` is the fairer judge.
    """
    spread, freedom = chance(table, fields)
    effects = marginal_effects(table, fields)
    means = effects.groupby("field", sort=False)["mean"]
    best = effects.loc[means.idxmax()].reset_index(drop=True)
    worst = effects.loc[means.idxmin()].reset_index(drop=True)
    half = student(freedom) * spread * np.sqrt(1 / best["runs"] + 1 / worst["runs"])
    gap = best["mean"] - worst["mean"]
    values = {"best": best["value"], "worst": worst["value"], "difference": gap}
    return best[["field"]].assign(**values, low=gap - half, high=gap + half)


def importance(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Share of the scores' variance that each field, and each pair of fields, accounts for.

    Needs three fields or more. Returns a row per field, per pair and one for the rest: `part`
    ("dropout", "dropout × gamma", "rest"), `share` (all add up to 1), `low` and `high` of the share
    that would be left without chance (from the noncentral F distribution: Steiger, "Beyond the F
    Test", Psychological Methods 2004, https://doi.org/10.1037/1082-989X.9.2.164), and `by_chance`,
    which the share of a part without any effect exceeds in one of twenty cases (the F test). These
    three take the rest as normal noise and are NaN for it.
    """
    parts = _variance(table, fields)
    shares = parts["squares"] / (parts["squares"].sum() or 1.0)
    free = parts["freedom"]["rest"]
    noise = max(shares["rest"] / free, 1e-9)  # made-up scores may leave no rest at all
    rows = []
    for part, share, count in zip(parts.index, shares, parts["freedom"], strict=True):
        effects = [_effect(share / noise / count, count, free, p) * noise for p in (0.025, 0.975)]
        bounds = [effect / (effect + count * noise + 1 - share) for effect in effects]
        limit = noise * count * f.ppf(0.95, count, free)
        rows.append((part, share, *bounds, min(limit, 1.0)))
    found = pd.DataFrame(rows, columns=["part", "share", "low", "high", "by_chance"])
    found.iloc[-1, 2:] = math.nan  # the rest
    return found


def _effect(statistic: float, count: int, free: int, probability: float) -> float:
    """The noncentrality with which F of `count` and `free` degrees of freedom exceeds `statistic`
    so often, 0 if it does so more often without an effect.
    """

    def excess(effect: float) -> float:
        # At 0 scipy's noncentral F is wrong (1.17: a negative probability).
        exceeds = ncf.sf(statistic, count, free, effect) if effect else f.sf(statistic, count, free)
        return exceeds - probability

    if excess(0.0) >= 0:
        return 0.0
    high = 1.0
    while excess(high) < 0:
        high *= 2
    return brentq(excess, 0.0, high)


def one_factor_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The one-factor runs that are recorded, each beside the unchanged run of the same seed.

    Columns: `dataset`, `model`, `factor`, `level`, `seed`, `run`, `miou` (val, 0 to 1), `gain` over
    the unchanged run (NaN while that is missing) and `is_base`, whether it is that run itself.
    """
    terms = ["group", "dataset", "model", "seed"]
    rows = []
    for run in (entry for entry in entries if isinstance(entry, StudyRun)):
        config, record = run.config, find_record(run.config)
        where = run.group, config.dataset, config.model, config.seed
        rows.append((*where, run.factor, run.level, run.id, record.miou() if record else math.nan))
    runs = pd.DataFrame(rows, columns=[*terms, "factor", "level", "run", "miou"])
    unchanged = runs.loc[runs["factor"].isna(), [*terms, "run", "miou"]]
    table = runs.dropna(subset=["factor", "miou"]).merge(unchanged, on=terms, suffixes=("", "_0"))
    table["gain"] = table["miou"] - table["miou_0"]
    table["is_base"] = table["run"] == table["run_0"]
    columns = ["dataset", "model", "factor", "level", "seed", "run", "miou", "gain", "is_base"]
    return table[columns]


def one_factor_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of a `one_factor_table`, in its order.

    Columns: `dataset`, `model`, `factor`, `level`, `seeds`, `miou`, `gain` with `low` and `high`
    (over the seeds' paired gains; NaN for a single seed).
    """
    keys = ["dataset", "model", "factor", "level"]
    rows = [(*values, len(group), group["miou"].mean(), *mean_interval(group["gain"]))
            for values, group in table.groupby(keys, sort=False)]
    return pd.DataFrame(rows, columns=[*keys, "seeds", "miou", "gain", "low", "high"])


def rung_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """How well each rung of a `sweep_table` foretells the next one, as far as they are ranked.

    Returns a row per rung but the last: `rung`, `candidates` that both have, `correlation` of their
    ranks (Spearman's, NaN for a single candidate) and `place` that the next rung's best had here.
    """
    rungs = table.pivot(index="candidate", columns="rung", values="rank")
    found = []
    for number in list(rungs)[:-1]:
        both = rungs[[number, number + 1]].dropna().astype(int)
        if both.empty:  # the next rung is undecided
            break
        here, there = both[number], both[number + 1]
        correlation = here.rank().corr(there)  # Spearman's, of ranks among those that both have
        found.append((number, len(both), correlation, here[there.idxmin()]))
    return pd.DataFrame(found, columns=["rung", "candidates", "correlation", "place"])


def _variance(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """`squares` and degrees of `freedom` of each field, each pair and the rest, by their names.

    The grid is complete, so what a pair adds is the sum of squares between its cells less those of
    its two fields.
    """
    rows = first_rung(table, fields)
    sizes = {name: rows[name].nunique() for name in fields}
    grid = rows["score"].to_numpy().reshape(tuple(sizes.values()))
    squares, freedom = {}, {}
    for part in (*combinations(fields, 1), *combinations(fields, 2)):
        others = [axis for axis, name in enumerate(fields) if name not in part]
        between = grid.size * grid.mean(axis=tuple(others)).var()
        alone = sum(squares[name] for name in part) if len(part) > 1 else 0.0
        squares[" × ".join(part)] = max(between - alone, 0.0)
        freedom[" × ".join(part)] = math.prod(sizes[name] - 1 for name in part)
    squares["rest"] = max(grid.size * grid.var() - sum(squares.values()), 0.0)
    freedom["rest"] = grid.size - 1 - sum(freedom.values())
    if min(freedom.values()) < 1:
        raise ConfigError("importance needs three fields or more with two values each")
    return pd.DataFrame({"squares": squares, "freedom": freedom})
