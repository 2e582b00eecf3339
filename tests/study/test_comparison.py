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
from study.corruptions import CORRUPTIONS, STRENGTHS
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


def measured(record: Record, quality: float) -> None:
    """Made-up measurements that are the better, the higher the quality (0 to 1)."""
    work = {"parameters": int(1e6 * quality), "multiply_adds": 2e9, "peak_bytes": 2e7}
    seconds = {"median": 0.1 * quality, "low": 0.01, "high": 0.2}
    levels = {
        kind: [{"miou": quality * (1 - 0.1 * i) / strength} for strength in STRENGTHS]
        for i, kind in enumerate(CORRUPTIONS)
    }
    moved = {"home": {"test": {"miou": quality}}, "abroad": {"test": {"miou": quality / 4}}}
    parts = {
        "cost": {"image_size": [192, 256], "seconds": seconds, **work},
        "robustness": {"clean": {"miou": quality}, "corruptions": levels},
        "generalisation": {"miniscapes": moved},
    }
    for part, values in parts.items():
        write_json(record.path / "measurements" / f"{part}.json", {"made_by": {}, **values})


@pytest.fixture
def measured_runs(runs: dict[str, Record]) -> dict[str, Record]:
    measured(runs["FCN"], 0.4)
    measured(runs["U-Net"], 0.8)
    return runs


def test_the_plan_s_runs_are_found_named_and_in_order(runs: dict[str, Record]) -> None:
    assert list(runs) == ["FCN", "U-Net"]
    save(recipe("camvid", "swin"), SPREAD, split="val")  # never scored on test
    assert list(comparison.compared_runs("camvid")) == ["FCN", "U-Net"]
    assert list(comparison.compared_runs("camvid", "val")) == ["FCN", "U-Net", "Swin"]
    (tuned, *_) = load_study("cpu", groups=["fine-tuned"])
    save(tuned.config, SPREAD)
    save(recipe("camvid", "vit", epochs=1), SPREAD)  # not in the plan
    for entry in load_study("cpu", groups=["full augmentation"]):
        save(entry.config, SPREAD)  # measured, but of another recipe
    assert list(comparison.compared_runs("camvid")) == ["FCN", "U-Net", "U-Net, from MiniScapes"]


def test_a_steady_difference_is_real_and_a_scattered_one_is_not(runs: dict[str, Record]) -> None:
    (pair,) = comparison.pairs(runs)
    assert (pair.better, pair.worse, pair.is_real) == ("U-Net", "FCN", True)
    gain = runs["U-Net"].miou("test") - runs["FCN"].miou("test")
    assert pair.difference.difference == pytest.approx(gain)
    assert pair.sentence().startswith("U-Net is better than FCN by ")
    # The same counts in another order: the same score, but not scene by scene.
    save(recipe("camvid", "swin"), SPREAD[::-1])
    more = comparison.compared_runs("camvid")
    found = {(p.better, p.worse): p for p in comparison.pairs(more)}
    (close,) = [p for names, p in found.items() if set(names) == {"U-Net", "Swin"}]
    assert not close.is_real and "cannot be told apart: 0.0 points" in close.sentence()
    # Three pairs instead of one: the smallest p-value counts three times (Holm).
    corrected = found["U-Net", "FCN"].difference.p_value
    assert corrected == pytest.approx(3 * pair.difference.p_value)


def test_largest_confusions_are_shares_of_what_is_wrong(runs: dict[str, Record]) -> None:
    first, second = comparison.largest_confusions(runs["FCN"].scores["test"], 2)
    assert first == ("car", "road", 1.0) and second[2] == 0


def test_the_pareto_front_keeps_what_nothing_dominates() -> None:
    points = {"slow": (9, 0.5), "good": (5, 0.5), "cheap": (1, 0.2), "poor": (6, 0.1)}
    assert comparison.pareto_front(points) == ["cheap", "good"]
    assert comparison.pareto_front({"a": (1, 0.5), "b": (1, 0.5)}) == ["a", "b"]
    assert comparison.pareto_front({}) == []


def test_tables_hold_what_is_recorded(measured_runs: dict[str, Record]) -> None:
    table = comparison.score_overview(measured_runs)
    assert table.loc["FCN", "iIoU"] == "n/a"
    assert table.loc["U-Net", "mIoU"].startswith(f"{100 * measured_runs['U-Net'].miou():.1f} % (")
    costs = comparison.cost_overview(measured_runs)
    assert costs.loc["U-Net", "CPU (ms)"] == "80 (10 to 200)"
    assert costs.loc["FCN", ["parameters (M)", "training (min)"]].tolist() == ["0.40", "10"]
    points = comparison.cost_points(measured_runs)
    assert points["U-Net"] == pytest.approx((0.08, measured_runs["U-Net"].miou("test")))


def test_robustness_is_the_share_of_the_clean_score_that_is_kept(measured_runs) -> None:
    table = comparison.robustness_overview(measured_runs)
    kept = np.mean([1 / s for s in STRENGTHS])
    assert table.loc["FCN", "blur"] == pytest.approx(kept)
    assert table.loc["FCN", "jpeg"] == pytest.approx(0.6 * kept)
    assert table.loc["FCN", "mean"] == pytest.approx(0.8 * kept)


def test_transfer_leaves_out_what_a_run_started_from(measured_runs) -> None:
    table = comparison.transfer_overview({"camvid": measured_runs})
    assert table["model"].tolist() == ["FCN", "U-Net"]
    assert table["scored on"].tolist() == ["miniscapes"] * 2
    assert table["retained"].tolist() == [0.25, 0.25]
    (tuned, *_) = load_study("cpu", groups=["fine-tuned"])
    measured(save(tuned.config, SPREAD), 0.9)
    more = comparison.compared_runs("camvid")
    assert len(more) == 3 and len(comparison.transfer_overview({"camvid": more})) == 2


def test_accuracies_of_scenes_and_their_ranks(runs: dict[str, Record]) -> None:
    table = comparison.scene_accuracies(runs)
    assert table.loc["scene_00"].tolist() == [1 - 10 / 200, 1.0]
    assert table.rank()["FCN"].corr(table.rank()["U-Net"]) == pytest.approx(1)


def test_seeds_count_only_where_there_are_several(seglib_home: Path) -> None:
    entries = load_study("cpu", groups=["seeds"])
    by_seed = {e.config.seed: e.config for e in entries if e.config.model == "unet"}
    save(by_seed[0], SPREAD)
    assert comparison.seed_scores("miniscapes") == {}
    save(by_seed[1], [0] * SCENES)
    assert comparison.seed_scores("miniscapes")["U-Net"] == [scores(SPREAD)["miou"], 1.0]


def test_a_missing_measurement_leaves_its_run_out(runs: dict[str, Record]) -> None:
    measured(runs["FCN"], 0.5)
    assert list(comparison.measured(runs, "cost")) == ["FCN"]
    assert list(comparison.robustness_overview(runs).index) == ["FCN"]
