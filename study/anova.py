"""What a hyper-parameter changes: marginal effects, importance and interactions over a grid.

On the first rung of a sweep every combination of settings was run once, so the variance of the
scores splits exactly into parts: one for each setting, one for each pair, and the rest (functional
ANOVA: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014, where a random forest stands in for the missing combinations; ours are
complete). One run per combination can't tell chance from effects of three settings at once: we take
that rest as chance, and its size gives the intervals. All runs of a sweep have one seed, so how far
another seed would move them together is not in it.

Every `table` is a `sweep_table` with a complete first rung, and `fields` are all that was swept.
"""

import itertools
import math
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.stats import f, ncf, t

from seglib.errors import ConfigError
from seglib.records import find_record

from .plan import Entry, StudyRun


def student(freedom: int) -> float:
    """97.5 % quantile of Student's t, the half width of a 95 % interval in standard errors."""
    return float(t.ppf(0.975, freedom))


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % interval by Student's t (NaN bounds for one value).

    It assumes values that scatter normally; with three seeds it is 4.3 standard errors wide.
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean()) if array.size else math.nan
    if array.size < 2:
        return mean, math.nan, math.nan
    half = student(array.size - 1) * array.std(ddof=1) / math.sqrt(array.size)
    return mean, float(mean - half), float(mean + half)


def pooled_deviation(groups: Iterable[Sequence[float]]) -> float:
    """Standard deviation within groups of values, such as the seeds of several networks.

    Squares are summed over all groups and divided by all their degrees of freedom.
    """
    groups = [np.asarray(values, dtype=float) for values in groups]
    squares = sum(np.square(values - values.mean()).sum() for values in groups)
    return math.sqrt(squares / sum(values.size - 1 for values in groups))


def first_rung(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """The rows of a `sweep_table` on which every combination of `fields` was run exactly once.

    A diverged run counts with score 0. Raises `ConfigError` where a combination is missing.
    """
    rows = table[table["rung"] == 1].copy()
    rows["score"] = rows["score"].replace(-math.inf, 0.0)
    if unknown := [name for name in fields if name not in rows]:
        raise ConfigError(f"field {unknown[0]!r} was not swept")
    count = math.prod(rows[name].nunique() for name in fields)
    complete = len(rows) == count == len(rows.drop_duplicates(list(fields)))
    if not complete or rows["score"].isna().any():
        raise ConfigError(
            f"the first rung must have a score for each of its {count} combinations of "
            + ", ".join(fields)
        )
    return rows.sort_values(list(fields), ignore_index=True)


def chance(table: pd.DataFrame, fields: Sequence[str]) -> tuple[float, int]:
    """Standard deviation of a single run's score by the rest, and its degrees of freedom.

    It also holds what three or more settings do together, so it rather is too large.
    """
    rest = _variance(first_rung(table, fields), fields).loc["rest"]
    return math.sqrt(rest["squares"] / rest["freedom"]), int(rest["freedom"])


def marginal_effects(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Mean score of each value of each field, over all values of the other fields.

    Returns a row per field and value: `field`, `value`, `mean`, `low` and `high` (95 % by Student's
    t from `chance`), `runs`.
    """
    means = pd.concat(
        [
            _means(table, fields, [name]).rename(columns={name: "value"}).assign(field=name)
            for name in fields
        ],
        ignore_index=True,
    )
    return means[["field", "value", "mean", "low", "high", "runs"]]


def interaction(
    table: pd.DataFrame, first: str, second: str, fields: Sequence[str]
) -> pd.DataFrame:
    """Mean score of each pair of values of two fields, over all values of the others.

    Without an interaction, the scores of all values of `first` rise and fall alike over those of
    `second`. Returns a row per pair: the values in columns of the fields' names, then `mean`,
    `low`, `high`, `runs` as `marginal_effects`.
    """
    return _means(table, fields, [first, second])


def _means(table: pd.DataFrame, fields: Sequence[str], part: list[str]) -> pd.DataFrame:
    """Mean, interval and number of runs of each combination of the fields of `part`."""
    spread, freedom = chance(table, fields)
    groups = first_rung(table, fields).groupby(part, sort=False)["score"]
    means = groups.agg(mean="mean", runs="size").reset_index()
    half = student(freedom) * spread / np.sqrt(means["runs"])
    means = means.assign(low=means["mean"] - half, high=means["mean"] + half)
    return means[[*part, "mean", "low", "high", "runs"]]


def contrasts(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """The best value of each field against its worst, by the mean over all other settings.

    Returns a row per field: `field`, `best`, `worst`, `difference` of the mean scores, `low` and
    `high` (95 % by Student's t from `chance`).
    The interval is that of two values picked in advance: among three or more, the largest
    difference leaves out zero more often by chance, and `importance` is the fairer judge.
    """
    (spread, freedom), found = chance(table, fields), []
    for name, rows in marginal_effects(table, fields).groupby("field", sort=False):
        best, worst = rows.loc[rows["mean"].idxmax()], rows.loc[rows["mean"].idxmin()]
        half = student(freedom) * spread * math.sqrt(1 / best["runs"] + 1 / worst["runs"])
        gap = best["mean"] - worst["mean"]
        found.append((name, best["value"], worst["value"], gap, gap - half, gap + half))
    columns = ["field", "best", "worst", "difference", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def importance(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Share of the scores' variance that each field, and each pair of fields, accounts for.

    Needs three fields or more. Returns a row per field, per pair and one for the rest: `part`
    ("dropout", "dropout × gamma", "rest"), `share` (0 to 1; all shares add up to 1), `by_chance`,
    which the share of a part without any effect exceeds in one of twenty cases (the F test of the
    analysis of variance), and `low` and `high`, the 95 % interval of the share that would be left
    without chance (from the noncentral F distribution: Steiger, "Beyond the F Test", Psychological
    Methods 2004, https://doi.org/10.1037/1082-989X.9.2.164). The last three are NaN for the rest.
    They take the rest as normal noise, and say how far one training run per combination can be
    trusted, and nothing about another dataset.
    """
    parts = _variance(first_rung(table, fields), fields)
    shares = parts["squares"] / (parts["squares"].sum() or 1.0)
    free = parts["freedom"]["rest"]
    noise = max(shares["rest"] / free, 1e-9)  # made-up scores may leave no rest at all
    rows = []
    for part, share, count in zip(parts.index, shares, parts["freedom"], strict=True):
        if part == "rest":
            rows.append((part, share, math.nan, math.nan, math.nan))
            continue
        statistic, limit = share / noise / count, noise * count * f.ppf(0.95, count, free)
        effects = [noise * _noncentrality(statistic, count, free, p) for p in (0.025, 0.975)]
        bounds = [effect / (effect + count * noise + 1 - share) for effect in effects]
        rows.append((part, share, *bounds, min(limit, 1.0)))
    return pd.DataFrame(rows, columns=["part", "share", "low", "high", "by_chance"])


def _noncentrality(statistic: float, count: int, free: int, probability: float) -> float:
    """The effect, in units of the noise's variance, with which F reaches `statistic` so often.

    `count` and `free` are F's degrees of freedom; 0 if it does so more often without an effect.
    """

    def excess(effect: float) -> float:
        if effect == 0:  # here scipy's noncentral F is wrong (1.17: a negative probability)
            return f.sf(statistic, count, free) - probability
        return ncf.sf(statistic, count, free, effect) - probability

    if excess(0.0) >= 0:
        return 0.0
    high = 1.0
    while excess(high) < 0:
        high *= 2
    return brentq(excess, 0.0, high)


def one_factor_table(entries: Sequence[Entry]) -> pd.DataFrame:
    """The one-factor runs that are recorded, each beside the unchanged run of the same seed.

    Columns: `dataset`, `model`, `factor`, `level`, `seed`, `run`, `miou` (val, 0 to 1), `gain` over
    the unchanged run (NaN while that is missing) and `is_base`, whether the level is the unchanged
    run itself.
    """

    def terms(run: StudyRun) -> tuple:
        return run.group, run.config.dataset, run.config.model, run.config.seed

    runs = [entry for entry in entries if isinstance(entry, StudyRun)]
    bases = {terms(run): run for run in runs if run.factor is None}
    rows = []
    for run in runs:
        record = find_record(run.config)
        if run.factor is None or record is None:
            continue
        _, *where, seed = terms(run)
        base = bases[terms(run)]
        base_record = find_record(base.config)
        gain = record.miou() - (base_record.miou() if base_record else math.nan)
        row = (*where, run.factor, run.level, seed, run.id, record.miou(), gain, run.id == base.id)
        rows.append(row)
    columns = ["dataset", "model", "factor", "level", "seed", "run", "miou", "gain", "is_base"]
    return pd.DataFrame(rows, columns=columns)


def one_factor_summary(table: pd.DataFrame) -> pd.DataFrame:
    """Means over the seeds of a `one_factor_table`, in its order.

    Columns: `dataset`, `model`, `factor`, `level`, `seeds`, `miou`, `gain` with `low` and `high`
    (95 % by Student's t over the seeds' paired gains; NaN for a single seed).
    """
    keys = ["dataset", "model", "factor", "level"]
    rows = [
        (*values, len(group), group["miou"].mean(), *mean_interval(group["gain"]))
        for values, group in table.groupby(keys, sort=False)
    ]
    return pd.DataFrame(rows, columns=[*keys, "seeds", "miou", "gain", "low", "high"])


def rung_agreement(table: pd.DataFrame) -> pd.DataFrame:
    """How well each rung of a `sweep_table` foretells the next one, as far as they are ranked.

    Returns a row per rung but the last: `rung`, `candidates` that both have, `correlation` of their
    ranks (Spearman's, NaN for a single candidate) and `place` that the next rung's best had here.
    """
    found = []
    rungs = {number: rows.set_index("candidate") for number, rows in table.groupby("rung")}
    for number in sorted(rungs)[:-1]:
        there = rungs[number + 1]
        if there["rank"].isna().any():
            break
        here = rungs[number].loc[there.index]
        ranks = [rows["score"].rank(ascending=False) for rows in (here, there)]
        place = int(here["rank"].loc[there["rank"].idxmin()])
        found.append((number, len(there), ranks[0].corr(ranks[1]), place))
    return pd.DataFrame(found, columns=["rung", "candidates", "correlation", "place"])


def _variance(rows: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """`squares` and degrees of `freedom` of each field, each pair and the rest, by their names.

    The design is complete and balanced, so what a pair adds is the sum of squares between its
    cells less those of its two fields.
    """
    scores, values = rows["score"], {name: rows[name].nunique() for name in fields}

    def between(part: Sequence[str]) -> float:
        means = rows.groupby(list(part))["score"].transform("mean")
        return float(((means - scores.mean()) ** 2).sum())

    found = {name: (between([name]), values[name] - 1) for name in fields}
    for pair in itertools.combinations(fields, 2):
        (one, first), (two, second) = found[pair[0]], found[pair[1]]
        found[" × ".join(pair)] = max(between(pair) - one - two, 0.0), first * second
    squares, freedom = (sum(column) for column in zip(*found.values(), strict=True))
    total = float(((scores - scores.mean()) ** 2).sum())
    found["rest"] = max(total - squares, 0.0), len(rows) - 1 - freedom
    table = pd.DataFrame.from_dict(found, orient="index", columns=["squares", "freedom"])
    if table["freedom"].min() < 1:
        raise ConfigError("importance needs three fields or more with two values each")
    return table
