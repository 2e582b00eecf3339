"""Effects over a grid: what was put into made-up scores is found, and chance is told from it."""

import itertools

import numpy as np
import pandas as pd
import pytest

from seglib.errors import ConfigError
from study import anova

FIELDS = ["a", "b", "c"]


def grid(noise: float, seed: int, effect=lambda rows: 0.1 * rows["a"] + 0.05 * rows["b"]):
    """A sweep's first rung over 2 × 3 × 4 values, with `effect` and normal noise in the score."""
    rows = pd.DataFrame(itertools.product((-1, 1), (-1, 0, 1), range(4)), columns=FIELDS)
    scores = 0.5 + effect(rows) + np.random.default_rng(seed).normal(0, noise, len(rows))
    rows = rows.assign(rung=1, score=scores)
    return pd.concat([rows, rows.assign(rung=2, score=np.nan)])


@pytest.fixture
def grid_table() -> pd.DataFrame:
    """a moves the score by 0.1 to either side, b by half of that, c not at all; a little noise."""
    return grid(0.002, 0)


def test_importance_finds_what_was_put_in(grid_table):
    table = anova.importance(grid_table, FIELDS).set_index("part")
    assert list(table.index) == ["a", "b", "c", "a × b", "a × c", "b × c", "rest"]
    # By hand: variances 0.01 of a and 0.05² · 2/3 of b.
    assert table["share"]["a"] == pytest.approx(0.01 / (0.01 + 0.0025 * 2 / 3), abs=0.01)
    assert table["share"].sum() == pytest.approx(1)
    assert table["share"]["c"] < 0.01 and table["share"]["a × b"] < 0.01
    assert (table["low"] <= table["high"])[:-1].all()
    assert table["low"]["a"] < table["share"]["a"] < table["high"]["a"]
    assert table["low"]["c"] == 0
    real = table["share"] > table["by_chance"]
    assert real["a"] and real["b"] and np.isnan(table["by_chance"]["rest"])
    assert table["by_chance"]["b × c"] > table["by_chance"]["a"]  # six degrees of freedom, not one


def test_importance_is_as_sure_as_it_says():
    called, inside = [], []
    for seed in range(40):
        table = grid(0.02, seed, lambda rows: 0.05 * rows["a"])
        rows = anova.importance(table, FIELDS).set_index("part")[:-1]
        called += (rows["share"] > rows["by_chance"])[1:].tolist()
        # By hand: 24 runs of variance 0.05², and the noise's 23 degrees of freedom.
        truth = 24 * 0.05**2 / (24 * 0.05**2 + 23 * 0.02**2) * (rows.index == "a")
        inside += ((rows["low"] <= truth + 1e-6) & (truth <= rows["high"] + 1e-6)).tolist()
    assert 0.01 < np.mean(called) < 0.1  # of 200: a part without effect is called in 1 of 20
    assert np.mean(inside) == pytest.approx(0.95, abs=0.05)


def test_chance_is_the_scatter_of_a_single_run():
    found = [anova.chance(grid(0.02, seed), FIELDS) for seed in range(40)]
    spreads, freedom = zip(*found, strict=True)
    assert np.mean(np.square(spreads)) == pytest.approx(0.02**2, rel=0.2)
    assert set(freedom) == {6}  # 23 less 1 + 2 + 3 of the fields and 2 + 3 + 6 of the pairs


def test_an_interaction_is_told_from_two_effects():
    table = grid(0.002, 1, lambda rows: 0.1 * rows["a"] * rows["b"])
    shares = anova.importance(table, FIELDS).set_index("part")["share"]
    assert shares["a × b"] > 0.95
    pairs = anova.mean_scores(table, ["a", "b"], FIELDS).set_index(["a", "b"])
    assert pairs["mean"][-1, -1] == pytest.approx(0.6, abs=0.01)
    assert pairs["mean"][1, -1] == pytest.approx(0.4, abs=0.01)
    assert (pairs["low"] < pairs["mean"]).all() and (pairs["mean"] < pairs["high"]).all()
    assert len(pairs) == 6 and (pairs["runs"] == 4).all()


def test_marginal_effects_are_means_with_intervals(grid_table):
    table = anova.marginal_effects(grid_table, FIELDS)
    assert len(table) == 2 + 3 + 4
    first = table.iloc[0]
    mine = (grid_table["rung"] == 1) & (grid_table["a"] == -1)
    assert first["mean"] == pytest.approx(grid_table.loc[mine, "score"].mean())
    assert first["low"] < 0.4 < first["high"] < 0.41 and first["runs"] == 12
    grid_table.iloc[0, grid_table.columns.get_loc("score")] = -np.inf  # diverged: counts as zero
    first = anova.marginal_effects(grid_table, FIELDS).iloc[0]
    assert first["mean"] == pytest.approx(grid_table.loc[mine, "score"].iloc[1:].sum() / 12)


def test_contrasts_are_differences_of_means(grid_table):
    table = anova.contrasts(grid_table, FIELDS).set_index("field")
    assert table[["best", "worst"]].loc[["a", "b"]].to_numpy().tolist() == [[1, -1], [1, -1]]
    assert table["difference"].tolist()[:2] == pytest.approx([0.2, 0.1], abs=0.005)
    spread, _ = anova.chance(grid_table, FIELDS)
    # Six degrees of freedom, means of twelve and of eight runs.
    halves = [2.446912 * spread * (2 / runs) ** 0.5 for runs in (12, 8)]
    assert (table["high"] - table["difference"]).tolist()[:2] == pytest.approx(halves)
    assert (table["difference"] - table["low"]).tolist()[:2] == pytest.approx(halves)


def test_intervals_of_means_hold_the_truth_as_often_as_they_say():
    inside = []
    for seed in range(60):
        table = anova.marginal_effects(grid(0.02, seed, lambda rows: 0.1 * rows["a"]), FIELDS)
        truth = 0.5 + 0.1 * table["value"].where(table["field"] == "a", 0)
        inside += ((table["low"] < truth) & (truth < table["high"])).tolist()
    assert np.mean(inside) == pytest.approx(0.95, abs=0.025)


def test_a_grid_with_a_hole_is_refused(grid_table):
    with pytest.raises(ConfigError, match="24 combinations"):
        anova.importance(grid_table.iloc[1:], FIELDS)
    with pytest.raises(ConfigError, match="'d'"):
        anova.importance(grid_table, ["a", "d"])
    with pytest.raises(ConfigError, match="three fields"):
        anova.importance(grid_table[grid_table["c"] == 0], ["a", "b"])


def test_rungs_agree_as_far_as_their_ranks_do():
    def rung(number, scores, ranks):
        rows = {"rung": number, "candidate": list(scores), "score": scores.values(), "rank": ranks}
        return pd.DataFrame(rows).astype({"rank": "Int64"})

    first = rung(1, {1: 0.1, 2: 0.4, 3: 0.3, 4: 0.2, 5: -np.inf, 6: 0.05}, [4, 1, 2, 3, 6, 5])
    second = rung(2, {2: 0.5, 3: 0.7, 4: 0.6}, [3, 1, 2])
    # By hand: ranks 1, 2, 3 against 3, 1, 2.
    table = anova.rung_agreement(pd.concat([first, second]))
    assert table.to_dict("records") == [
        {"rung": 1, "candidates": 3, "correlation": pytest.approx(-0.5), "place": 2}
    ]
    undecided = rung(3, {3: 0.8, 4: np.nan}, [None, None])
    assert len(anova.rung_agreement(pd.concat([first, second, undecided]))) == 1


def test_mean_interval_is_student_s():
    mean, low, high = anova.mean_interval([1.0, 2.0, 3.0])
    half = 4.302653 / 3**0.5
    assert (mean, low, high) == pytest.approx((2, 2 - half, 2 + half))
    assert np.isnan(anova.mean_interval([1.0])[1:]).all()
