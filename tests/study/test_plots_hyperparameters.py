"""Figures of a sweep say what its tables hold: who was dropped, what is sure, what it cost."""

import itertools
import math

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from seglib import plots
from seglib.config import RunConfig
from seglib.plots.style import COLORS
from study import plots as study_plots
from study.anova import importance, interaction, marginal_effects
from study.halving import Rung, SweepPlan, sweep_table

FIELDS = ["learning_rate", "gamma", "dropout"]
GRID = {"learning_rate": (1e-3, 1e-4), "gamma": (1.0, 0.1), "dropout": (0.0, 0.05, 0.1)}
BASE = RunConfig(dataset="cityscapes", model="unet", image_size=(32, 64), epochs=1, batch_size=2)
PLAN = SweepPlan(BASE, GRID, first_images=8, halvings=2)


@pytest.fixture(autouse=True)
def agg():
    matplotlib.use("Agg")
    yield
    plt.close("all")


def texts(figure) -> list[str]:
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def made_up(rungs: int = 3, diverged: int | None = None) -> pd.DataFrame:
    """A table in which the learning rate counts and the rest is small; `rungs` are recorded."""
    noise = np.random.default_rng(0).normal(0, 0.004, (4, PLAN.count))

    def lookup(rung: Rung, candidate: int):
        if rung.number > rungs:
            return None
        if candidate == diverged:
            return {"score": -math.inf}
        fast = PLAN.candidates[candidate]["learning_rate"] > 5e-4
        score = 0.1 * rung.number + 0.1 * fast + noise[rung.number, candidate]
        return {"score": float(score)}

    return sweep_table(PLAN, lookup)


def marks(axis, marker: str, color: str) -> list[tuple[float, float]]:
    return [
        point
        for line in axis.lines
        if line.get_marker() == marker and to_rgb(line.get_color()) == to_rgb(color)
        for point in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


def test_rungs_fade_what_was_dropped_and_star_the_winner():
    table = made_up()
    axis = study_plots.sweep_rungs({"U-Net": table}).axes[0]
    kept, dropped = marks(axis, "o", COLORS[0]), marks(axis, "o", study_plots.hyperparameters.FADED)
    assert (len(kept), len(dropped)) == (6 + 3 + 1, 6 + 3 + 2)
    (star,) = marks(axis, "*", COLORS[2])
    assert star[1] == pytest.approx(100 * table.loc[table["rung"] == 3, "score"].max())
    assert sorted(y for _, y in kept + dropped) == pytest.approx(sorted(100 * table["score"]))
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["8\n12", "16\n6", "all\n3"]


def test_rungs_show_what_diverged_and_what_is_undecided():
    figure = study_plots.sweep_rungs({"a": made_up(1, diverged=11), "b": made_up(0)})
    (cross,) = marks(figure.axes[0], "x", COLORS[1])
    finite = [y for line in figure.axes[0].lines for y in line.get_ydata() if y != cross[1]]
    assert cross[1] < min(finite) and "diverged" in texts(figure)
    assert not marks(figure.axes[1], "o", COLORS[0])
    assert "diverged" not in texts(study_plots.sweep_rungs({"a": made_up(1)}))


def test_parallel_coordinates_draw_every_candidate_through_its_values():
    table = made_up()
    figure = study_plots.parallel_coordinates({"U-Net": table}, FIELDS)
    lines = [line for line in figure.axes[0].lines if len(line.get_ydata()) == len(FIELDS) + 1]
    assert len(lines) == PLAN.count
    first = [line.get_ydata()[0] for line in lines]
    assert sum(0.85 < height < 1.15 for height in first) == PLAN.count / 2  # the higher rate
    last = [line.get_ydata()[-1] for line in lines]
    assert (min(last), max(last)) == (0, 1)
    dashed = [line for line in lines if line.get_linestyle() == "--"]
    winner = table.loc[table["kept"] & (table["rung"] == 3), "candidate"].item() - 1
    heights = dashed[0].get_ydata()
    assert len(dashed) == 1
    assert round(heights[2] * 2) == GRID["dropout"].index(PLAN.candidates[winner]["dropout"])
    assert {"0.001", "0.1", "step decay γ", "val mIoU (%)\non 8 images"} <= set(texts(figure))


def test_parallel_coordinates_of_an_unfinished_sweep_have_no_winner():
    figure = study_plots.parallel_coordinates({"U-Net": made_up(1)}, FIELDS)
    lines = [line for line in figure.axes[0].lines if len(line.get_ydata()) == len(FIELDS) + 1]
    assert {line.get_linestyle() for line in lines} == {"-"}


def test_marginal_effects_are_drawn_with_their_intervals():
    effects = marginal_effects(made_up(), FIELDS)
    figure = study_plots.marginal_effects({"U-Net": effects, "Swin": effects})
    assert len(figure.axes) == 2 * len(FIELDS)
    axis = figure.axes[0]
    mine = effects[effects["field"] == "learning_rate"]
    assert axis.lines[0].get_ydata().tolist() == pytest.approx((100 * mine["mean"]).tolist())
    spans = [segment[:, 1].tolist() for segment in axis.collections[0].get_segments()]
    assert spans[1] == pytest.approx((100 * mine[["low", "high"]]).iloc[1].tolist())
    assert axis.lines[1].get_ydata()[0] == pytest.approx(100 * effects["mean"][:2].mean())


def test_importance_is_solid_where_it_exceeds_chance():
    shares = importance(made_up(), FIELDS)
    figure = study_plots.importance({"U-Net": shares})
    bars = figure.axes[0].patches
    assert [bar.get_width() for bar in bars] == pytest.approx((100 * shares["share"]).tolist())
    solid = [to_rgb(bar.get_facecolor()) == to_rgb(COLORS[0]) for bar in bars]
    assert solid == (shares["share"] > shares["by_chance"]).tolist() and solid[0]
    assert {"rest", "learning rate × dropout"} <= set(texts(figure))


def test_interactions_have_a_line_per_value():
    pairs = [interaction(made_up(), *pair, FIELDS) for pair in itertools.combinations(FIELDS, 2)]
    figure = study_plots.interactions(pairs)
    shown = [axis for axis in figure.axes if axis.get_visible()]
    assert [len(axis.lines) for axis in shown] == [2, 2, 2]
    assert shown[1].get_xlabel() == "dropout"
    low_rate = pairs[1][pairs[1]["learning_rate"] == 1e-4]["mean"]
    line = shown[1].lines[0]
    assert line.get_label() == "0.0001"
    assert line.get_ydata().tolist() == pytest.approx((100 * low_rate).tolist())


@pytest.fixture
def factors() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Runs of two factors with three seeds, and their summary."""
    gains = {
        ("loss", "both"): (0, 0, 0),
        ("loss", "Dice"): (0.01, 0.03, -0.02),
        ("width", "8"): (-0.07, -0.06, -0.08),
        ("width", "16"): (0, 0, 0),
        ("width", "32"): (0.04, 0.05, 0.06),
    }
    runs = pd.DataFrame(
        [(*key, gain, key[1] in ("both", "16")) for key, row in gains.items() for gain in row],
        columns=["factor", "level", "gain", "is_base"],
    )
    rows = [(*key, np.mean(row), min(row) - 0.02, max(row) + 0.02) for key, row in gains.items()]
    summary = pd.DataFrame(rows, columns=["factor", "level", "gain", "low", "high"])
    return summary.assign(cost=[1, 1, 0.25, 1, 4]), runs


def test_single_factors_are_coloured_by_how_sure_they_are(factors):
    figure = study_plots.factor_intervals(*factors)
    left, right = figure.axes
    assert marks(left, "o", COLORS[0]) == [(pytest.approx(5), 6)]
    assert marks(left, "o", COLORS[1]) == [(pytest.approx(-7), 4)]
    assert [y for _, y in marks(left, "o", study_plots.hyperparameters.TRUTH_COLOR)] == [2]
    assert len(marks(left, "o", "#444444")) == 2 and len(marks(left, "|", "#333333")) == 9
    assert [x for x, _ in marks(right, "D", COLORS[0])] == [1, 1, 0.25, 1, 4]
    assert {"loss", "Dice", "÷4", "×4", "worse"} <= set(texts(figure))


def test_gain_stands_against_cost(factors):
    rungs = pd.DataFrame({"work": [0.1, 0.3], "best": [0.2, 0.5], "images": [8, None]})
    left, right = study_plots.cost_gain(factors[0], {"U-Net": rungs}).axes
    others, width = left.lines[:2]
    assert others.get_xdata().tolist() == [1, 1]
    assert width.get_xdata().tolist() == [0.25, 1, 4]
    assert width.get_ydata().tolist() == pytest.approx([-7, 0, 5])
    assert {"8", "32"} <= {text.get_text() for text in left.texts}
    assert right.lines[0].get_xdata().tolist() == pytest.approx([10, 30])
    assert [text.get_text() for text in right.texts] == ["8", "all"]


def test_work_of_a_halving_stands_against_the_full_grid():
    rungs = pd.DataFrame(
        {"name": ["rung 1", "rung 2", "full grid"], "candidates": [4, 2, 4],
         "images": [8, 16, 32], "work": [32, 32, 128]}
    )  # fmt: skip
    figure = study_plots.halving_work(rungs)
    assert {"4 × 8 images", "25.0 %", "100.0 %", "full grid"} <= set(texts(figure))


def test_decayed_rates_add_up_to_a_distance():
    figure = study_plots.step_decay({"a": [1e-3] * 4, "b": [1e-3, 1e-3, 1e-4, 1e-4]}, marked=2)
    rate, way = figure.axes
    assert way.lines[1].get_ydata().tolist() == pytest.approx([0, 1, 2, 2.1, 2.2])
    assert rate.lines[1].get_ydata().tolist() == [1e-3, 1e-3, 1e-4, 1e-4, 1e-4]
    assert rate.get_yscale() == "log"


def test_seeds_are_drawn_beside_their_mean():
    figure = study_plots.seed_spread({"U-Net": [0.4, 0.5]}, {"U-Net": (0.45, 0.3, 0.6)})
    lines = figure.axes[0].lines
    assert [line.get_xdata().tolist() for line in lines if len(line.get_xdata()) == 2] == [
        pytest.approx([30, 60]), pytest.approx([40, 50]),
    ]  # fmt: skip
    assert figure.get_figwidth() == plots.TEXT_WIDTH
