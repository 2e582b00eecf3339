"""What the notebooks print about a number is that number."""

import math

import numpy as np
import pytest

from seglib.errors import ConfigError
from seglib.evaluation.intervals import bootstrap_interval, paired_difference
from seglib.evaluation.metrics import ScoreAccumulator
from seglib.labels import CITYSCAPES_19
from seglib.text import claim, difference_text, percent, score_text, setting_name, setting_value


def scores(shift):
    accumulator = ScoreAccumulator(CITYSCAPES_19)
    for number in range(4):
        truth = np.full((4, 20), 7, dtype=np.uint8)
        truth[:, 10:] = 11
        guess = np.zeros((4, 20), dtype=np.uint8)
        guess[:, 10 + shift + number :] = 2
        accumulator.add(f"scene{number}", truth, guess)
    return accumulator.scores()


@pytest.mark.parametrize("metric", ["miou", "iou:road", "category_iou:flat"])
def test_score_text_holds_the_score_and_its_interval(metric):
    values = scores(2)
    key, _, name = metric.partition(":")
    value = {"": values["miou"], "road": values["iou"][0], "flat": values["category_iou"][0]}[name]
    low, high = bootstrap_interval(values, metric)
    interval = f"({100 * low:.1f} to {100 * high:.1f})"
    assert score_text(values, metric) == f"{100 * value:.1f} % {interval}"
    pair = 100 * scores(1)["miou"], 100 * scores(3)["miou"]
    start = f"{np.mean(pair):.1f} ± {np.std(pair, ddof=1):.1f} % ("
    assert score_text([scores(1), scores(3)]).startswith(start)


def test_a_share_an_absent_class_and_an_unknown_metric():
    assert (percent(0.4372), percent(0.4372, 0)) == ("43.7 %", "44 %")
    assert percent(None) == percent(float("nan")) == "absent"
    assert score_text(scores(1), "iou:train") == "absent"
    with pytest.raises(ConfigError, match="'iou:tank' is unknown"):
        score_text(scores(1), "iou:tank")


def test_difference_text_has_signs():
    worse = paired_difference(scores(3), scores(0))
    text = difference_text(worse)
    assert text.startswith(f"{100 * worse.difference:+.1f} points (-")
    assert difference_text((0.052, 0.031, 0.074)) == "+5.2 points (+3.1 to +7.4)"
    assert difference_text((float("nan"),) * 3) == "absent"


def test_settings_are_named_and_written_shortly():
    assert setting_name("weight_decay") == "weight decay"
    values = (1e-4, math.sqrt(0.1), 0, (96, 2560), "sgd", True)
    assert [setting_value(v) for v in values] == ["0.0001", "0.316", "0", "96×2560", "sgd", "True"]


def test_a_claim_is_marked_by_whether_it_is_true(capsys):
    claim("Two is more than one", 2 > 1)
    claim("One is more than two", 1 > 2)
    lines = "✓ Two is more than one\n✗ not true here: One is more than two\n"
    assert capsys.readouterr().out == lines
