"""What a hyper-parameter changes: marginal effects, importance and interactions over a grid.

On the first rung of a sweep every combination of settings was run once, so the variance of the
scores splits exactly into parts: one for each setting, one for each pair, and the rest (functional
ANOVA: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014, where a random forest stands in for the missing combinations; ours are
complete). One run per combination can't tell chance from effects of three settings at once: we take
that rest as chance, and its size gives the intervals. All runs of a sweep have one seed, so how far
another seed would move them together is not in it.
"""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from seglib.errors import ConfigError

# Student's t: 97.5 % quantile by degrees of freedom, for the means of a few seeds.
STUDENT = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262,
    10: 2.228, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000,
}  # fmt: skip


def student(freedom: int) -> float:
    """97.5 % quantile of Student's t; between two rows of the table, that of the lower one."""
    return STUDENT[max(known for known in STUDENT if known <= freedom)]


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

    `table`: a `sweep_table` with a complete first rung. The deviation is in units of the score; it
    also holds what three or more settings do together, so it rather is too large.
    """
    rows = first_rung(table, fields)
    projection = _parts(rows, fields)["rest"]
    rest, freedom = projection @ rows["score"].to_numpy(), _freedom(projection)
    return math.sqrt(float(rest @ rest) / freedom), freedom


def marginal_effects(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """Mean score of each value of each field, over all values of the other fields.

    `table`: a `sweep_table` with a complete first rung. Returns a row per field and value: `field`,
    `value`, `mean`, `low` and `high` (95 % by Student's t from `chance`), `runs`.
    """
    found = [(name, *row) for name in fields for row in _cell_means(table, fields, [name])]
    return pd.DataFrame(found, columns=["field", "value", "mean", "low", "high", "runs"])


def contrasts(table: pd.DataFrame, fields: Sequence[str]) -> pd.DataFrame:
    """The best value of each field against its worst, by the mean over all other settings.

    `table`: a `sweep_table` with a complete first rung. Returns a row per field: `field`, `best`,
    `worst`, `difference` of the mean scores, `low` and `high` (95 % by Student's t from `chance`).
    The interval is that of two values picked in advance: among three or more, the largest
    difference leaves out zero more often by chance, and `importance` is the fairer judge.
    """
    effects, (spread, freedom) = marginal_effects(table, fields), chance(table, fields)
    found = []
    for name, rows in effects.groupby("field", sort=False):
        best, worst = rows.loc[rows["mean"].idxmax()], rows.loc[rows["mean"].idxmin()]
        half = student(freedom) * spread * math.sqrt(1 / best["runs"] + 1 / worst["runs"])
        gap = best["mean"] - worst["mean"]
        found.append((name, best["value"], worst["value"], gap, gap - half, gap + half))
    columns = ["field", "best", "worst", "difference", "low", "high"]
    return pd.DataFrame(found, columns=columns)


def interaction(
    table: pd.DataFrame, first: str, second: str, fields: Sequence[str]
) -> pd.DataFrame:
    """Mean score of each pair of values of two fields, over all values of the others.

    Without an interaction, the scores of all values of `first` rise and fall alike over those of
    `second`. `fields` are all swept fields. Returns a row per pair: `first` and `second` (the
    values, in columns of the fields' names), `mean`, `low`, `high`, `runs` as `marginal_effects`.
    """
    found = _cell_means(table, fields, [first, second])
    return pd.DataFrame(found, columns=[first, second, "mean", "low", "high", "runs"])


def importance(
    table: pd.DataFrame, fields: Sequence[str], draws: int = 20_000, seed: int = 0
) -> pd.DataFrame:
    """Share of the scores' variance that each field, and each pair of fields, accounts for.

    Args:
        table: a `sweep_table` with a complete first rung.
        fields: the swept fields, three or more.
        draws: random numbers behind each limit and interval.
        seed: of these.

    Returns:
        A row per field, per pair and one for the rest: `part` ("dropout", "dropout × gamma",
        "rest"), `share` (0 to 1; all shares add up to 1), `by_chance`, which the share of a part
        without any effect exceeds in one of twenty cases (the F test of the analysis of variance;
        parts with more values reach further by chance), and `low` and `high`, the 95 % interval of
        the share that would be left without chance (from the noncentral F distribution: Steiger,
        "Beyond the F Test", Psychological Methods 2004, https://doi.org/10.1037/1082-989X.9.2.164).
        The last three are NaN for the rest. They take the rest as normal noise, and say how far one
        training run per combination can be trusted, and nothing about another dataset.
    """
    rows = first_rung(table, fields)
    matrices = _parts(rows, fields)
    shares = _shares(matrices, rows["score"].to_numpy())
    *freedom, free = (_freedom(matrix) for matrix in matrices.values())
    random, noise = np.random.default_rng(seed), shares[-1] / free
    found = []
    for share, count in zip(shares[:-1], freedom, strict=True):
        first, below = random.normal(size=draws), random.chisquare(free, draws) / free
        others = random.chisquare(count - 1, draws) if count > 1 else np.zeros(draws)
        limit = noise * np.quantile((first**2 + others) / below, 0.95)
        bounds = _noncentralities(share / max(noise, 1e-12), first, others, below)
        squares = noise * np.array(bounds)
        found.append((*squares / (squares + count * noise + 1 - share), min(limit, 1.0)))
    low, high, limits = zip(*found, strict=True)
    return pd.DataFrame(
        {
            "part": [part if isinstance(part, str) else " × ".join(part) for part in matrices],
            "share": shares,
            "low": [*low, math.nan],
            "high": [*high, math.nan],
            "by_chance": [*limits, math.nan],
        }
    )


def _noncentralities(
    square: float, first: np.ndarray, others: np.ndarray, below: np.ndarray
) -> tuple[float, float]:
    """95 % bounds of the sum of squares (in units of the noise's variance) behind one of `square`.

    The bounds are those at which so large, or so small, a value would be seen in one of forty
    cases. Drawn are a standard normal, the chi square of the part's other degrees of freedom, and
    the ratio of the rest's mean square to the true variance.
    """

    def exceeding(root: float) -> float:
        return float((((first + root) ** 2 + others) / below >= square).mean())

    bounds = []
    for wanted in (0.025, 0.975):
        low, high = 0.0, 1.0
        while exceeding(high) < wanted:
            high *= 2
        for _ in range(40):
            middle = (low + high) / 2
            low, high = (middle, high) if exceeding(middle) < wanted else (low, middle)
        bounds.append(low**2)
    return bounds[0], bounds[1]


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


def _cell_means(
    table: pd.DataFrame, fields: Sequence[str], part: Sequence[str]
) -> list[tuple[Any, ...]]:
    """Values, mean, interval and number of runs of each combination of the fields of `part`."""
    rows, (spread, freedom), found = first_rung(table, fields), chance(table, fields), []
    for values, scores in rows.groupby(list(part), sort=False)["score"]:
        half = student(freedom) * spread / math.sqrt(len(scores))
        mean = float(scores.mean())
        found.append((*values, mean, mean - half, mean + half, len(scores)))
    return found


def _parts(rows: pd.DataFrame, fields: Sequence[str]) -> dict[Any, np.ndarray]:
    """By part, the matrix (runs, runs) that turns scores into what this part contributes to them.

    Fields and pairs are tuples of names, the last part is "rest". All project onto spaces at right
    angles to each other, so that the squares of the contributions add up.
    """
    count = len(rows)

    def averaging(part: tuple[str, ...]) -> np.ndarray:
        groups = rows.groupby(list(part), sort=False).ngroup().to_numpy()
        same = groups[:, None] == groups
        return same / same.sum(axis=1, keepdims=True)

    mean = np.full((count, count), 1 / count)
    matrices: dict[Any, np.ndarray] = {(name,): averaging((name,)) - mean for name in fields}
    for pair in itertools.combinations(fields, 2):
        matrices[pair] = averaging(pair) - mean - sum(matrices[(name,)] for name in pair)
    matrices["rest"] = np.eye(count) - mean - sum(matrices.values())
    if _freedom(matrices["rest"]) < 1:
        raise ConfigError("importance needs three fields or more with two values each")
    return matrices


def _freedom(matrix: np.ndarray) -> int:
    """Degrees of freedom of a part: the trace of its projection is the rank."""
    return round(float(np.trace(matrix)))


def _shares(matrices: dict[Any, np.ndarray], scores: np.ndarray) -> np.ndarray:
    """Share of the variance of scores (runs,) by part, (parts,)."""
    squares = np.array([((part @ scores) ** 2).sum() for part in matrices.values()])
    return squares / squares.sum() if squares.sum() > 0 else squares
