"""The study's figures say what their tables hold, a network always in its own colour."""

import itertools
import math
from types import SimpleNamespace
from unittest import mock

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from seglib.config import RunConfig
from seglib.evaluation.intervals import PairedDifference
from seglib.labels import CAMVID_11, CITYSCAPES_19, IGNORE_INDEX
from seglib.models import build_model
from seglib.plots import style
from study import attention, halving, plots
from study.comparison import Pair
from study.halving import SweepPlan, sweep_table
from study.plots.diagram import find_stages
from study.plots.hyperparameters import DROPPED, KEPT

pytestmark = pytest.mark.usefixtures("agg")
CLASSES = CITYSCAPES_19
UNET = style.NETWORKS["U-Net"][0]
FIELDS = ["learning_rate", "gamma", "dropout"]
GRID = {"learning_rate": (1e-3, 1e-4), "gamma": (1.0, 0.1), "dropout": (0.0, 0.05, 0.1)}
BASE = RunConfig(dataset="cityscapes", model="unet", image_size=(32, 64), epochs=1, batch_size=2)
PLAN = SweepPlan(BASE, GRID, first_images=8, halvings=2)


def texts(figure) -> list[str]:
    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(plt.Text) if text.get_text()]


def marks(axis, marker: str, color: str) -> list[tuple[float, float]]:
    return [
        point
        for line in axis.lines
        if line.get_marker() == marker and to_rgb(line.get_color()) == to_rgb(color)
        for point in zip(line.get_xdata(), line.get_ydata(), strict=True)
    ]


# --- exploration ------------------------------------------------------------------------------


def test_class_frequencies_show_both_datasets_commonest_class_first():
    shares = np.arange(1, 20) / 190
    panels = {"a": ({"train": shares, "val": shares[::-1]}, CLASSES),
              "b": ({"train": shares}, CLASSES)}
    first, second = plots.class_frequencies(panels).axes
    assert first.get_yticklabels()[0].get_text() == CLASSES.names[-1]
    assert first.lines[0].get_xdata() == 10 and first.get_xscale() == "log"
    assert [len(axis.get_legend().get_texts()) for axis in (first, second)] == [2, 1]


def test_exploration_is_drawn():
    priors = np.zeros((19, 4, 8))
    priors[0, 3] = 0.5
    assert {"road: 50 %", "sky: absent"} <= set(texts(plots.spatial_priors(priors, CLASSES)))
    instances = pd.DataFrame({"class": ["car"] * 3 + ["person"], "pixels": [10, 100, 1000, 5]})
    assert {"3 objects", "1 objects"} <= set(texts(plots.instance_sizes(instances, CLASSES)))
    agreement = pd.DataFrame({"class": ["road", "car"], "recall": [0.9, 0.5], "precision": [1, 1]})
    assert plots.fine_coarse(agreement).axes[0].lines[0].get_xdata().tolist() == [90, 50]
    table = pd.DataFrame({"width": [64, 128], "class": "pole", "pixels": 1, "objects": 1,
                          "best_iou": [0.3, 0.5]})
    assert plots.survival(table, ["pole"]).axes[2].lines[0].get_ydata().tolist() == [30, 50]


def test_fine_coarse_scenes_show_gaps_and_contradictions():
    image, mask = np.zeros((24, 48, 3), dtype=np.uint8), np.full((24, 48), 2, dtype=np.uint8)
    mask[8:12], mask[-2:] = 8, IGNORE_INDEX
    coarse = mask.copy()
    coarse[:4], coarse[8:10] = IGNORE_INDEX, 3
    agreement = plots.fine_coarse_scenes([image], [mask], [coarse], CLASSES).axes[2]
    colors = agreement.images[0].get_array()
    assert (colors[:4] == 255).all() and (colors[-2:] == 0).all()
    assert (colors[8:10] == style.WRONG).all() and (colors[12:20] == style.CORRECT).all()


def test_masks_are_drawn_in_the_label_palette():
    image = np.random.default_rng(0).integers(0, 256, (24, 48, 3), dtype=np.uint8)
    mask = np.full((24, 48), 2, dtype=np.uint8)
    mask[:8], mask[8:12], mask[-2:] = 10, 8, IGNORE_INDEX
    figure = plots.show_scenes([image, image], [mask, mask], CLASSES, names=["first", "second"])
    shown = [axis.images[0].get_array() for axis in figure.axes]
    np.testing.assert_array_equal(shown[1], CLASSES.colorize(mask))
    np.testing.assert_array_equal(shown[2][-1], image[-1])  # void shows the image
    assert {"first", "second"} <= set(texts(figure))


def test_closeups_put_the_grid_on_its_lines():
    image, mask = np.zeros((16, 24, 3), dtype=np.uint8), np.full((16, 24), 2, dtype=np.uint8)
    figure = plots.closeups([(image, mask)], ["image", "truth"], CLASSES, (8, 8), [(4, 8)])
    photograph, truth = figure.axes
    assert not photograph.lines
    # Lines of the grid at rows 8 and 16 and columns 8, 16, 24 and 32 of the scene.
    ys = sorted(line.get_ydata()[0] for line in truth.lines if len(set(line.get_ydata())) == 1)
    xs = sorted(line.get_xdata()[0] for line in truth.lines if len(set(line.get_xdata())) == 1)
    assert (ys, xs) == ([3.5, 11.5], [-0.5, 7.5, 15.5, 23.5])


# --- attention --------------------------------------------------------------------------------


def test_the_shift_is_drawn_with_every_mask_counted_from_one():
    moved = attention.window_ids((4, 4), (2, 2), (1, 1))
    masks = attention.shift_mask((4, 4), (2, 2), (1, 1)).numpy()
    figure = plots.shift_steps([("moved", moved.numpy())] * 2, masks, (2, 2))
    drawn = [text.get_text() for text in figure.findobj(plt.Text) if text.get_text().isdigit()]
    assert sorted(map(int, drawn)) == sorted(2 * (moved.ravel() + 1).tolist())
    assert {f"mask of window {number}" for number in (1, 2, 3, 4)} <= set(texts(figure))


def test_maps_are_brightest_where_the_weight_is_largest_and_the_window_of_the_query():
    weights = np.zeros((2, 4), dtype=np.float32)
    weights[1, 2], weights[0, 0], weights[0, 3] = 0.6, 0.1, np.nan
    image = np.full((20, 40, 3), 200, dtype=np.uint8)
    picture = plots.attention_maps(image, [("head 1", weights, (0, 0))]).axes[0].images[0]
    light = picture.get_array().sum(axis=-1)
    assert np.unravel_index(light.argmax(), light.shape) == (10, 20)
    assert light[0, 15] > light[0, 39]  # the latter is out of its sight
    ids = attention.window_ids((2, 4), (2, 2)).numpy()
    windows = plots.token_windows(image, [("level 1", ids)], query=(15, 25)).axes[0].images[0]
    assert (windows.get_array()[0, ::10, 0] < 200).tolist() == [True, True, False, False]


def test_every_head_has_its_dot():
    heads = [np.array([10.0, 20.0]), np.array([5.0, 40.0])]
    axis = plots.attention_distances([("Swin", heads, [30.0, 50.0])]).axes[0]
    assert np.concatenate([line.get_ydata() for line in axis.lines]).tolist() == [10, 20, 5, 40]


# --- single networks --------------------------------------------------------------------------


def test_a_network_s_errors_parts_and_fields_are_drawn():
    table = pd.DataFrame({"distance": ["1", "2"], "pixels": [8, 8], "wrong": [4, 2]})
    rate, near = plots.error_distance([("U-Net", table)]).axes
    assert marks(rate, "o", UNET) == [("1", 50), ("2", 25)] and near.lines[0].get_ydata()[-1] == 100
    runs = [("U-Net", 0.5, (0.45, 0.55)), ("less", 0.4, (0.36, 0.44))]
    figure = plots.run_intervals(runs, {"less": (-0.1, -0.12, -0.07, 0.001)})
    assert len(marks(figure.axes[1], "o", style.WORSE)) == 1
    chance = plots.run_intervals(runs, {"less": (-0.1, -0.12, -0.07, 0.06)})
    assert len(marks(chance.axes[1], "o", style.UNCLEAR)) == 1
    assert figure.axes[0].lines[0].get_xdata().tolist() == pytest.approx([45, 55])
    assert {"50.0", "40.0", "−10.0", "reference"} <= set(texts(figure))
    strength = np.zeros((32, 64))
    strength[9:31, 22:44] = 1  # of a pixel whose cell isn't in the middle
    figure = plots.receptive_fields([("FCN", strength, 22), ("ViT", strength, None)])
    (square,), none = figure.axes[0].patches, figure.axes[1].patches
    assert (*square.get_xy(), square.get_width()) == (21.5, 8.5, 22) and not len(none)


def test_scores_by_number_of_scenes_show_every_seed_and_both_losses():
    tp, fp = np.array([[8, 6], [9, 3]]), np.array([[2, 4], [1, 7]])
    images = {f"{kind}{key}": part for kind in ("", "category_")
              for key, part in (("tp", tp), ("fp", fp), ("fn", fp))} | {"names": ["a_0", "a_1"]}
    scores = {"classes": ("road", "car"), "categories": ("flat", "vehicle"), "images": images}
    seeds = [scores | {"miou": miou} for miou in (0.4, 0.5)]
    ends = {40: {"train_loss": 0.2, "val_loss": 1.5}, 160: {"train_loss": 0.4, "val_loss": 1.1}}
    figure = plots.data_size({"Swin": {40: seeds, 160: seeds[:1]}}, {"Swin": ends})
    score, loss = figure.axes
    assert [round(y) for _, y in marks(score, "_", style.INK)] == [40, 50, 40]
    assert score.lines[0].get_ydata().tolist() == pytest.approx([45, 40])
    training, validation = loss.lines
    assert validation.get_linestyle() == style.VALIDATION
    assert (list(training.get_ydata()), list(validation.get_ydata())) == ([0.2, 0.4], [1.5, 1.1])


@pytest.mark.parametrize(("options", "skips"), [({}, 4), ({"skips": 0}, 0)])
def test_network_diagram_draws_the_skips_the_model_has(options, skips):
    model = build_model("unet", 19, width=16, **options)
    assert len(find_stages(model, (64, 128))[1]) == skips
    words = texts(plots.draw_network(model, (64, 128)))
    assert ("copied by a skip connection" in words) == bool(skips)
    assert any(word.endswith("4×8") for word in words)  # the bottleneck's resolution
    assert any(word.startswith("U-Net: ") for word in words)


def test_network_diagram_draws_attention_as_maps_of_tokens():
    model = build_model("vit", 19, size="mini")
    kinds = [kind for kind, _ in find_stages(model, (32, 64))[0][1].maps]
    assert kinds[:2] == ["conv", "attention"]
    assert "self-attention" in texts(plots.draw_network(model, (32, 64)))


def test_confusion_rows_are_shares_of_the_truth():
    confusion = np.zeros((11, 11), dtype=int)
    confusion[3, 3], confusion[3, 4] = 75, 25
    figure = plots.confusion_heatmap(confusion, CAMVID_11)
    shares = np.asarray(figure.axes[0].collections[0].get_array()).reshape(11, 11)
    assert shares[3, 3] == 75 and shares[3, 4] == 25 and shares.sum() == 100
    assert {"75", "25"} <= set(texts(figure))


# --- comparison -------------------------------------------------------------------------------


def test_pairs_are_drawn_both_ways_and_grey_where_unclear():
    pairs = [Pair("A", "B", PairedDifference(0.1, 0.05, 0.2, 0.01)),
             Pair("C", "A", PairedDifference(0.01, 0.0, 0.02, 0.06)),
             Pair("C", "B", PairedDifference(0.01, 0.0, 0.02, 0.04))]
    figure = plots.pair_matrix({"CamVid": ["A", "B", "C"]}, {"CamVid": pairs})
    drawn = texts(figure)
    assert {"+10.0", "−10.0", "+5.0 to +20.0", "−20.0 to −5.0", "+1.0", "−1.0"} <= set(drawn)
    shades = [patch.get_facecolor()[:3] for patch in figure.axes[0].patches]
    assert len(shades) == 6 and len(set(shades)) == 5  # four colours, and grey twice
    assert sum(max(abs(np.subtract(s, to_rgb("#EEEEEE")))) > 0.08 for s in shades) == 4


def test_one_run_looks_alike_in_all_panels():
    bands = [{"width": 1, "low": 0, "miou": 0.04, "high": 0.1},
             {"width": 2, "low": 0.5, "miou": 0.64, "high": 0.7}]
    figure = plots.band_iou({"a": {"FCN": bands, "U-Net": bands}, "b": {"U-Net": bands}})
    first, second = (axis.lines for axis in figure.axes)
    assert first[1].get_color() == second[0].get_color() == UNET != first[0].get_color()
    assert first[1].get_ydata().tolist() == pytest.approx([4, 64])
    assert texts(figure).count("U-Net") == 1  # one legend
    points = {"U-Net": (0.08, 0.5, 0.4, 0.6), "FCN": (0.04, 0.4, 0.3, 0.5)}
    axis = plots.accuracy_cost({"a": points}, {"a": ["FCN", "U-Net"]}).axes[0]
    assert axis.lines[0].get_xydata().tolist() == [[40, 40], [80, 50]]
    assert marks(axis, "o", UNET) == [(80, 50)]


def test_calibration_and_robustness_are_drawn():
    bins = [{"pixels": 999_990, "confidence": 0.5, "accuracy": 0.54},
            {"pixels": 10, "confidence": 0.9, "accuracy": 0.1}]
    axis = plots.reliability({"CamVid": {"U-Net": {"bins": bins}}}).axes[0]
    assert axis.lines[1].get_xydata().tolist() == [[50, 54]]  # a bin of ten pixels is left out
    levels = {"clean": {"miou": 0.4}, "corruptions": {"blur": [{"miou": 0.2}], "fog": []}}
    axes = plots.robustness({"a": {"FCN": levels}, "b": {"FCN": levels}}).axes
    assert len(axes) == 4 and axes[0].lines[0].get_ydata().tolist() == [40, 20]


# --- hyper-parameters -------------------------------------------------------------------------


def made_up(rungs: int = 3, diverged: int | None = None) -> pd.DataFrame:
    """A table in which the learning rate counts and the rest is small; `rungs` are recorded."""
    noise = np.random.default_rng(0).normal(0, 0.004, (4, len(PLAN.candidates)))
    recorded = {}
    for rung, candidate in itertools.product(PLAN.rungs[:rungs], range(len(PLAN.candidates))):
        fast = PLAN.candidates[candidate]["learning_rate"] > 5e-4
        score = float(0.1 * rung.number + 0.1 * fast + noise[rung.number, candidate])
        score = -math.inf if candidate == diverged else score
        recorded[PLAN.config(rung, candidate)] = SimpleNamespace(
            score=score, environment={"seconds": math.nan})
    with mock.patch.multiple(halving, find_record=lambda config, folder: recorded.get(config),
                             score_of=lambda record, name: record.score):
        return sweep_table(PLAN)


def test_rungs_fade_what_was_dropped_and_star_the_winner():
    table = made_up()
    axis = plots.sweep_rungs(table).axes[0]
    kept, dropped = marks(axis, "o", KEPT), marks(axis, "o", DROPPED)
    (star,) = marks(axis, "*", style.COLORS[1])
    assert (len(kept), len(dropped)) == (6 + 3, 6 + 3 + 2)
    assert star[1] == pytest.approx(100 * table.loc[table["rung"] == 3, "score"].max())
    assert [tick.get_text() for tick in axis.get_xticklabels()] == ["8\n12", "16\n6", "all\n3"]
    axis = plots.sweep_rungs(made_up(1, diverged=11)).axes[0]
    assert (len(marks(axis, "o", KEPT)), len(marks(axis, "o", DROPPED))) == (6, 5)


def test_every_run_has_its_dash_and_every_value_its_mean():
    table = made_up()
    axis, *others = plots.marginal_effects(table, FIELDS, "U-Net").axes
    runs, means = (line.get_xydata() for line in axis.lines)
    first = 100 * table.loc[table["rung"] == 1, ["learning_rate", "score"]]
    assert sorted(runs[:, 1]) == pytest.approx(sorted(first["score"]))
    mean = first.loc[first["learning_rate"] == 0.1, "score"].mean()
    assert means[0].tolist() == [0, pytest.approx(mean)]
    assert [each.get_xlabel() for each in others] == ["step decay γ", "dropout"]


def test_single_factors_are_coloured_by_how_sure_they_are():
    gains = {("loss", "both"): (0, 0), ("loss", "Dice"): (0.01, -0.02), ("width", "8"): (-0.06, -8),
             ("width", "16"): (0, 0), ("width", "32"): (0.04, 0.06)}
    runs = pd.DataFrame(
        [(*key, gain, key[1] in ("both", "16")) for key, row in gains.items() for gain in row],
        columns=["factor", "level", "gain", "is_base"],
    )
    rows = [(*key, np.mean(row), min(row) - 0.02, max(row) + 0.02) for key, row in gains.items()]
    summary = pd.DataFrame(rows, columns=["factor", "level", "gain", "low", "high"])
    summary["p_value"] = [np.nan, 0.6, 0.001, np.nan, 0.02]
    figure = plots.factor_intervals(summary, runs)
    axis = figure.axes[0]
    assert marks(axis, "o", style.BETTER) == [(pytest.approx(5), 6)]
    assert [y for _, y in marks(axis, "o", style.WORSE)] == [4]
    assert [y for _, y in marks(axis, "o", style.UNCLEAR)] == [2]
    assert len(marks(axis, "|", style.INK)) == 6
    summary.loc[4, "p_value"] = 0.04  # alone below 0.05, but not as one of three
    assert not marks(plots.factor_intervals(summary, runs).axes[0], "o", style.BETTER)
    assert {"loss", "Dice", "worse"} <= set(texts(figure))


def test_seeds_are_drawn():
    axis = plots.seed_spread({"U-Net": [0.4, 0.5]}, {"U-Net": (0.45, 0.3, 0.6)}).axes[0]
    assert marks(axis, "o", UNET) == [(pytest.approx(45), 0)]
    assert marks(axis, "|", style.INK) == [(40, 0), (50, 0)]
