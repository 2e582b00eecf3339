"""Means over a grid and intervals over seeds, held against values worked out by hand."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from seglib.errors import ConfigError
from study import effects


@pytest.fixture
def table() -> pd.DataFrame:
    """Two rungs over 2 × 3 × 4 values; on the first, a moves the score by 0.1, b by 0.05."""
    rows = pd.DataFrame(itertools.product((-1, 1), (-1, 0, 1), range(4)), columns=["a", "b", "c"])
    rows = rows.assign(rung=1, score=0.5 + 0.1 * rows["a"] + 0.05 * rows["b"])
    return pd.concat([rows, rows.assign(rung=2, score=np.nan)], ignore_index=True)


def test_means_are_those_of_the_first_rung(table):
    assert effects.mean_scores(table, ["a"]).to_dict() == pytest.approx({-1: 0.4, 1: 0.6})
    pairs = effects.mean_scores(table, ["a", "b"])
    assert pairs[-1, 1] == pytest.approx(0.45) and len(pairs) == 6
    table.loc[0, "score"] = -np.inf  # diverged: counts as zero
    assert effects.mean_scores(table, ["a"])[-1] == pytest.approx(0.4 - 0.35 / 12)
    table.loc[0, "score"] = np.nan
    with pytest.raises(ConfigError, match="incomplete; run: seglib study"):
        effects.mean_scores(table, ["a"])


def test_mean_interval_is_student_s():
    mean, low, high = effects.mean_interval([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5
    assert (mean, low, high) == pytest.approx((2, 2 - half, 2 + half))
    assert np.isnan(effects.mean_interval([1.0])[1:]).all()


def test_pooled_deviation_is_within_the_groups():
    groups = [[1.0, 3.0], [10.0, 10.0, 13.0]]  # squares 2 and 6, degrees of freedom 1 and 2
    assert effects.pooled_deviation(groups) == pytest.approx((8 / 3) ** 0.5)
    # Student's t with three degrees of freedom is 3.182; two runs scatter by √2 times one's.
    assert effects.two_runs(groups) == pytest.approx(3.18245 * 2**0.5 * (8 / 3) ** 0.5, rel=1e-5)


def test_gains_are_of_a_level_s_seeds_against_those_of_the_unchanged_run(monkeypatch):
    rows = [("Dice", f"d{seed}", f"u{seed}", False) for seed in range(3)]
    rows += [("both", f"u{seed}", f"u{seed}", True) for seed in range(3)]
    runs, asked = pd.DataFrame(rows, columns=["level", "run", "base", "is_base"]), []
    runs = runs.assign(dataset="a", model="b", factor="loss", miou=0.5, gain=0.0)
    monkeypatch.setattr(effects, "load_record", lambda run: SimpleNamespace(scores={"val": run}))
    monkeypatch.setattr(effects, "paired_difference",
                        lambda *groups: asked.append(groups) or (0.02, -0.01, 0.05, 0.1))
    alone = runs[:1].assign(level="IoU", run="i0", base=None, gain=np.nan)  # its base is missing
    runs = pd.concat([runs, alone], ignore_index=True)
    gains = effects.one_factor_summary(runs)[["gain", "low", "high", "p_value"]].to_numpy()
    assert len(gains) == 2
    assert asked == [(["d0", "d1", "d2"], ["u0", "u1", "u2"])]  # of the unchanged run nothing
    assert gains[0].tolist() == [0.02, -0.01, 0.05, 0.1] and np.isnan(gains[1, 1:]).all()
