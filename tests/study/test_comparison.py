"""The comparison of notebook 06 on made-up records whose numbers can be worked out by hand."""

from pathlib import Path

import numpy as np
import pytest

from seglib.evaluation.metrics import ScoreAccumulator
from seglib.files import write_json
from seglib.labels import CAMVID_11
from seglib.recipes import recipe
from seglib.records import Record, save_record
from study import comparison
from study.plan import load_study

ROAD, CAR = CAMVID_11.index("road"), CAMVID_11.index("car")
SCENES = 30


def scores(wrong: list[int]) -> dict:
    """Scores of scenes of 100 road and 100 car pixels; `wrong` car pixels of each are road."""
    accumulator = ScoreAccumulator(CAMVID_11)
    truth = CAMVID_11.decode(np.repeat(np.uint8([ROAD, CAR]), 100)[None])
    for number, count in enumerate(wrong):
        guess = np.repeat(np.uint8([ROAD, CAR]), 100)[None]
        guess[0, 100 : 100 + count] = ROAD
        accumulator.add(f"scene_{number:02d}", truth, guess)
    return accumulator.scores()


def save(config, wrong: list[int], split: str = "test") -> Record:
    found = scores(wrong)
    history, environment = [{"epoch": 1, "val_miou": found["miou"]}], {"seconds": 600.0}
    kept = {"history": history, "environment": environment, "state": None, "predictions": {}}
    return save_record(config, scores={"val": found, split: found}, **kept)


SPREAD = [(7 * i) % 20 for i in range(SCENES)]  # 0 to 19 wrong pixels, in no order


@pytest.fixture
def runs(seglib_home: Path) -> dict[str, Record]:
    """A U-Net that is a little better than the FCN on every scene, both on CamVid."""
    save(recipe("camvid", "unet"), SPREAD)
    save(recipe("camvid", "fcn"), [count + 10 for count in SPREAD])
    return comparison.compared_runs("camvid")


def test_the_plan_s_runs_are_found_named_and_in_order(runs: dict[str, Record]) -> None:
    assert list(runs) == ["FCN", "U-Net"]
    save(recipe("camvid", "swin"), SPREAD, split="val")  # never scored on test
    assert list(comparison.compared_runs("camvid")) == ["FCN", "U-Net"]
    assert list(comparison.compared_runs("camvid", "val")) == ["FCN", "U-Net", "Swin"]
    save(recipe("camvid", "vit", epochs=1), SPREAD)  # not in the plan
    for entry in load_study("cpu", groups=["full augmentation", "fine-tuned"]):
        save(entry.config, SPREAD)  # of another recipe, of another start
    assert list(comparison.compared_runs("camvid")) == ["FCN", "U-Net"]


def test_a_steady_difference_is_real_and_a_scattered_one_is_not(runs: dict[str, Record]) -> None:
    (pair,) = comparison.pairs(runs)
    assert (pair.better, pair.worse, pair.is_significant) == ("U-Net", "FCN", True)
    gain = runs["U-Net"].miou("test") - runs["FCN"].miou("test")
    assert pair.difference.difference == pytest.approx(gain)
    # The same counts in another order: the same score, but not scene by scene.
    save(recipe("camvid", "swin"), SPREAD[::-1])
    more = comparison.compared_runs("camvid")
    found = {(p.better, p.worse): p for p in comparison.pairs(more)}
    (close,) = [p for names, p in found.items() if set(names) == {"U-Net", "Swin"}]
    assert not close.is_significant and close.difference.difference == pytest.approx(0)
    # Three pairs instead of one: the smallest p-value counts three times (Holm).
    assert found["U-Net", "FCN"].difference.p_value == pytest.approx(3 * pair.difference.p_value)


def test_largest_confusions_are_shares_of_what_is_wrong(runs: dict[str, Record]) -> None:
    first, second = comparison.largest_confusions(runs["FCN"].scores["test"], 2)
    assert first == ("car", "road", 1.0) and second[2] == 0


def test_seeds_count_only_where_there_are_several(seglib_home: Path) -> None:
    entries = load_study("cpu", groups=["seeds"])
    by_seed = {e.config.seed: e.config for e in entries if e.config.model == "unet"}
    save(by_seed[0], SPREAD)
    assert comparison.seed_scores("miniscapes") == {}
    save(by_seed[1], [0] * SCENES)
    assert comparison.seed_scores("miniscapes")["U-Net"] == [scores(SPREAD)["miou"], 1.0]


def test_a_missing_measurement_leaves_its_run_out(runs: dict[str, Record]) -> None:
    write_json(runs["FCN"].path / "measurements" / "cost.json", {"made_by": {}, "parameters": 7})
    assert comparison.measured(runs, "cost")["FCN"]["parameters"] == 7
    assert list(comparison.measured(runs, "cost")) == ["FCN"]


def test_what_is_retained_is_a_share_of_the_clean_score() -> None:
    levels = {"blur": [{"miou": 0.4}, {"miou": 0.2}], "fog": [{"miou": 0.0}]}
    found = comparison.retained_miou({"clean": {"miou": 0.5}, "corruptions": levels})
    assert found == pytest.approx({"blur": 0.6, "fog": 0.0})
