"""The report's figures show the values that they are given, absent ones not as zero."""

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from seglib.labels import CAMVID_11, CITYSCAPES_19
from seglib.plots import report


@pytest.fixture(autouse=True)
def agg():
    matplotlib.use("Agg")
    yield
    plt.close("all")


def test_class_scores_stand_in_the_order_of_their_mean():
    first = [0.1 * i for i in range(11)]
    second = [None, *first[1:]]
    panels = [("CamVid", {"FCN": first, "U-Net": second}, CAMVID_11)]
    axis = report.class_scores(panels).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names == list(CAMVID_11.names[::-1])
    marks = {line.get_label(): line for line in axis.get_lines()}
    assert np.allclose(marks["FCN"].get_xdata(), [10 * i for i in range(10, -1, -1)])
    assert np.isnan(marks["U-Net"].get_xdata()[-1])
    assert marks["FCN"].get_marker() != marks["U-Net"].get_marker()  # also told apart in grey


def test_costs_start_at_zero_and_carry_their_interval():
    points = {"FCN": (2.0, 0.3, (0.25, 0.35)), "U-Net": (4.0, 0.5, (0.4, 0.6))}
    axis = report.score_against_cost([("CamVid", points)]).axes[0]
    assert axis.get_xlim()[0] == 0 and axis.get_xlim()[1] > 4
    spans = [tuple(line.get_ydata()) for line in axis.get_lines() if len(line.get_ydata()) == 2]
    assert spans == [(25, 35), (40, 60)]


def test_class_shares_are_sorted_and_marked_by_split():
    shares = np.linspace(1, 2, 19)
    panels = [("A", {"train": shares / shares.sum(), "val": shares / 30}, CITYSCAPES_19)]
    axis = report.class_shares(panels).axes[0]
    names = [label.get_text() for label in axis.get_yticklabels()]
    assert names[0] == CITYSCAPES_19.names[-1] and names[-1] == CITYSCAPES_19.names[0]
    assert [text.get_text() for text in axis.get_legend().get_texts()] == ["val"]


@pytest.mark.parametrize("with_images", [True, False])
def test_networks_stand_side_by_side(with_images):
    truth = np.zeros((8, 12), np.uint8)
    truth[:2] = 255
    guess = np.ones((8, 12), np.uint8)
    images = [np.zeros((8, 12, 3), np.uint8)] if with_images else None
    predicted = {"FCN": [truth * 0], "U-Net": [guess]}
    figure = report.networks_side_by_side([truth], predicted, CAMVID_11, images)
    titles = [axis.get_title() for axis in figure.axes]
    if with_images:
        assert titles == ["image", "truth", "FCN", "U-Net"]
        return
    assert titles == ["truth", "FCN", "U-Net", "wrong (U-Net)"]
    errors = figure.axes[-1].get_images()[0].get_array()
    assert (errors[:2] == 255).all()  # void is neither right nor wrong
    assert (errors[2:] == report.WRONG).all()


def test_single_changes_stand_in_columns_and_show_every_seed():
    levels = [("loss", "Dice"), ("loss", "IoU"), ("width", "8"), ("width", "32")]
    spans = [(-0.03, -0.01), (-0.02, 0.01), (0.01, 0.05), (-0.04, 0.02)]
    summary = pd.DataFrame(
        [
            {"factor": factor, "level": level, "gain": (low + high) / 2, "low": low, "high": high}
            for (factor, level), (low, high) in zip(levels, spans, strict=True)
        ]
    )
    runs = pd.DataFrame(
        [{"factor": f, "level": v, "gain": 0.01 * seed} for f, v in levels for seed in range(3)]
    )
    left, right = report.factor_gains(summary, runs).axes
    names = [[label.get_text() for label in axis.get_yticklabels()] for axis in (left, right)]
    assert names == [["loss: Dice", "loss: IoU"], ["width: 8", "width: 32"]]
    seeds = [line for line in left.get_lines() if line.get_marker() == "|"]
    assert [list(line.get_xdata()) for line in seeds] == [[0, 1, 2]] * 2
    means = [line for line in left.get_lines() if line.get_marker() in ("o", "s")]
    assert np.allclose([line.get_xdata()[0] for line in means], [-2, -0.5])
    assert means[0].get_marker() == "s" and means[0].get_color() != means[1].get_color()


def test_a_figure_of_half_width_has_one_label_for_its_axes():
    figure = report.score_against_cost([("CamVid", {"FCN": (2.0, 0.3, (0.25, 0.35))})])
    report.half_width(figure, "work", height=2)
    assert figure.get_size_inches()[0] < report.TEXT_WIDTH / 2
    assert [axis.get_xlabel() for axis in figure.axes] == [""]
    assert figure.get_supxlabel() == "work"
