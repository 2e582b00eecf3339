"""What a hyper-parameter changes: marginal effects, importance and interactions over a grid.

On the first rung of a sweep every combination of settings was run once, so the variance of the
scores splits exactly into parts: one for each setting, one for each pair, and the rest (functional
ANOVA: Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014, where a random forest stands in for the missing combinations; ours are
complete). One run per combination can't tell chance from effects of three settings at once: we take
that rest as chance, and its size gives the intervals.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from .errors import ConfigError

# Student's t: 97.5 % quantile by degrees of freedom, for the means of a few seeds.
STUDENT = {
    1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262,
    10: 2.228, 15: 2.131, 20: 2.086, 30: 2.042, 60: 2.000,
}  # fmt: skip


def mean_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Mean of independent values and its 95 % interval by Student's t (NaN bounds for one value).

    It assumes values that scatter normally; with three seeds it is 4.3 standard errors wide.
    """
    array = np.asarray(values, dtype=float)
    mean = float(array.mean()) if array.size else math.nan
    if array.size < 2:
        return mean, math.nan, math.nan
    known = max(freedom for freedom in STUDENT if freedom <= array.size - 1)
    half = STUDENT[known] * array.std(ddof=1) / math.sqrt(array.size)
    return mean, float(mean - half), float(mean + half)


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


def marginal_effects(
    table: pd.DataFrame, fields: Sequence[str], resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Mean score of each value of each field, over all values of the other fields.

    `table`: a `sweep_table` with a complete first rung. Returns a row per field and value: `field`,
    `value`, `mean`, `low` and `high` (95 %, see `importance`), `runs`.
    """
    rows = first_rung(table, fields)
    scores = np.vstack([rows["score"].to_numpy(), *_redrawn(rows, fields, resamples, seed)])
    effects = []
    for name in fields:
        for value in _levels(rows, name):
            mine = (rows[name] == value).to_numpy()
            means = scores[:, mine].mean(axis=1)
            low, high = np.quantile(means[1:], [0.025, 0.975])
            effects.append((name, value, means[0], low, high, int(mine.sum())))
    columns = ["field", "value", "mean", "low", "high", "runs"]
    return pd.DataFrame(effects, columns=columns)


def importance(
    table: pd.DataFrame, fields: Sequence[str], resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Share of the scores' variance that each field, and each pair of fields, accounts for.

    Args:
        table: a `sweep_table` with a complete first rung.
        fields: the swept fields, two or more.
        resamples: redrawn sets of scores behind the intervals.
        seed: of their draws.

    Returns:
        A row per field, per pair and one for the rest: `part` ("dropout", "dropout × gamma",
        "rest"), `share` (0 to 1; all shares add up to 1), `low` and `high` (95 %), and `by_chance`,
        the share that is to be expected if no setting had any effect: parts with more values have
        more. The intervals come from a residual bootstrap: the rest, scaled up to its degrees of
        freedom, is taken as chance and drawn anew onto the fitted effects. They say how far one
        training run per combination can be trusted, and nothing about another dataset.
    """
    rows = first_rung(table, fields)
    shares, freedom = _shares(rows, fields, rows["score"].to_numpy())
    drawn = _redrawn(rows, fields, resamples, seed)
    resampled = [_shares(rows, fields, scores)[0] for scores in drawn]
    low, high = np.quantile(resampled, [0.025, 0.975], axis=0)
    names = [" × ".join(part) for part in _parts(fields)] + ["rest"]
    return pd.DataFrame(
        {
            "part": names,
            "share": shares,
            "low": low,
            "high": high,
            "by_chance": np.array(freedom) / max(1, len(rows) - 1),
        }
    )


def interaction(
    table: pd.DataFrame, first: str, second: str, fields: Sequence[str]
) -> pd.DataFrame:
    """Mean score for each pair of values: a row per value of `first`, a column per one of `second`.

    Without an interaction all rows rise and fall alike. `fields` are all swept fields.
    """
    return first_rung(table, fields).pivot_table("score", first, second, "mean", sort=False)


def _parts(fields: Sequence[str]) -> list[tuple[str, ...]]:
    return [(name,) for name in fields] + list(itertools.combinations(fields, 2))


def _levels(rows: pd.DataFrame, name: str) -> list:
    return list(dict.fromkeys(rows[name]))


def _effect(rows: pd.DataFrame, part: tuple[str, ...], scores: np.ndarray) -> np.ndarray:
    """The scores' mean over everything but the fields of `part`, at every row."""
    groups = rows.groupby(list(part), sort=False).ngroup().to_numpy()
    return (np.bincount(groups, scores) / np.bincount(groups))[groups]


def _fit(
    rows: pd.DataFrame, fields: Sequence[str], scores: np.ndarray
) -> tuple[dict[tuple[str, ...], np.ndarray], np.ndarray]:
    """Every part's own contribution at every row, all of mean 0, and the rest."""
    mean = scores.mean()
    effects: dict[tuple[str, ...], np.ndarray] = {}
    for part in _parts(fields):
        effect = _effect(rows, part, scores) - mean
        for name in part if len(part) > 1 else ():
            effect = effect - effects[(name,)]
        effects[part] = effect
    return effects, scores - mean - sum(effects.values())


def _shares(
    rows: pd.DataFrame, fields: Sequence[str], scores: np.ndarray
) -> tuple[np.ndarray, list[int]]:
    """Share of the variance by part, the rest last, and the degrees of freedom of each."""
    effects, rest = _fit(rows, fields, scores)
    squares = np.array([float((e**2).sum()) for e in (*effects.values(), rest)])
    levels = {name: len(_levels(rows, name)) for name in fields}
    freedom = [math.prod(levels[name] - 1 for name in part) for part in effects]
    freedom.append(len(rows) - 1 - sum(freedom))
    total = squares.sum()
    return squares / total if total > 0 else np.zeros_like(squares), freedom


def _redrawn(
    rows: pd.DataFrame, fields: Sequence[str], resamples: int, seed: int
) -> np.ndarray:
    """Scores (resamples, rows) as another training of every combination might have given them."""
    scores = rows["score"].to_numpy()
    _, rest = _fit(rows, fields, scores)
    free = _shares(rows, fields, scores)[1][-1]
    if free < 1:
        raise ConfigError("importance needs three fields or more with two values each")
    rest = rest * math.sqrt(len(rows) / free)
    draws = np.random.default_rng(seed).choice(rest, (resamples, len(rows)))
    return scores - rest * math.sqrt(free / len(rows)) + draws
