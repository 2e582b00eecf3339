"""What is measured of a finished run: by hand where it can be, and against the record's scores."""

import dataclasses
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from seglib import cli
from seglib.config import RunConfig
from seglib.errors import ConfigError, RecordError
from seglib.evaluation.evaluate import score_split
from seglib.files import read_json, write_json
from seglib.provenance import RESULTS_VERSION
from seglib.records import Record, load_record, write_scores
from seglib.training.loop import fit
from seglib.widgets import view_records
from study import beyond_scores as beyond
from study import calibration
from study import run as study_run
from study.corruptions import CORRUPTIONS, STRENGTHS, corrupt, transmission
from study.measurements import is_measured, measurement
from study.plan import StudyRun

# Half the labels' size, so that logits are enlarged.
SMALL = {"model": "fcn", "width": 4, "image_size": (16, 32), "batch_size": 2, "precision": "fp32"}
TINY = RunConfig(**SMALL, epochs=2, learning_rate=1e-2)
PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_a_stronger_disturbance_changes_more_and_always_the_same(kind: str) -> None:
    distances = []
    for strength in STRENGTHS:
        disturbed = corrupt(PHOTOGRAPH, kind, strength, "a")
        assert disturbed.shape == PHOTOGRAPH.shape and disturbed.dtype == np.uint8
        assert np.array_equal(disturbed, corrupt(PHOTOGRAPH, kind, strength, "a"))
        distances.append(np.abs(disturbed.astype(int) - PHOTOGRAPH).mean())
    assert all(weaker < stronger for weaker, stronger in pairwise([0, *distances]))


def test_disturbances_are_what_they_say_and_unknown_ones_are_refused() -> None:
    grey = np.full((40, 8, 3), 128, dtype=np.uint8)
    assert (corrupt(grey, "blur", 5) == 128).all()
    # One stop less light is half of it, which the display's gamma makes 0.5^(1/2.2) of the value.
    assert (corrupt(grey, "darkness", 1) == round(128 * 0.5 ** (1 / 2.2))).all()
    assert corrupt(grey, "noise", 2, "a").std() == pytest.approx(10, rel=0.15)
    assert (corrupt(grey, "noise", 2, "a") != corrupt(grey, "noise", 2, "b")).any()
    foggy = corrupt(grey, "fog", 4)[:, 0, 0].astype(int)
    assert (foggy[:20] == round(128 / np.e + 217 * (1 - 1 / np.e))).all()  # far: one optical depth
    assert (np.diff(foggy[22:]) <= 0).all() and foggy[-1] < 145  # near: clear
    share = transmission(1000, 0.5)  # which follows the distance
    assert share[:550] == pytest.approx(np.exp(-0.5))
    assert share[749] == pytest.approx(np.exp(-0.5 * 0.05 / 0.2495), rel=1e-4)
    with pytest.raises(ConfigError, match="'rain' is unknown; choose one of: blur"):
        corrupt(PHOTOGRAPH, "rain", 1)
    with pytest.raises(ConfigError, match="strength 6"):
        corrupt(PHOTOGRAPH, "fog", 6)


def test_calibration_error_is_that_of_the_hand() -> None:
    truth = np.array([[0, 0, 0, 0, 255]], dtype=np.uint8)
    guess = np.array([[0, 0, 0, 1, 0]], dtype=np.uint8)
    sure = np.array([[0.9, 0.9, 0.5, 0.5, 0.1]])
    counts = calibration.reliability_counts(truth, guess, sure)
    found = calibration.calibration(counts[None], ["a_0_0"], 1)
    # Two of 0.9, both right (off by 0.1); two of 0.5, one right (exact); void is not counted.
    assert found["ece"] == pytest.approx((2 * 0.1 + 2 * 0) / 4)
    assert (found["confidence"], found["accuracy"]) == (0.7, 0.75)
    assert np.isnan(found["low"]) and np.isnan(found["high"])  # one image has no spread
    keys = ("pixels", "confidence", "accuracy")
    filled = {i: [each[key] for key in keys] for i, each in enumerate(found["bins"])}
    assert {i: row for i, row in filled.items() if row[0]} == {7: [2, 0.5, 0.5], 13: [2, 0.9, 1]}
    # At the edges of the bins:
    sure, right = np.array([[0.0, 1 / calibration.BINS, 1.0]]), np.zeros((1, 3), np.uint8)
    pixels = calibration.reliability_counts(right, right, sure)[:, 0]
    assert pixels.tolist() == [2, *[0] * (calibration.BINS - 2), 1]


def drives(**sharpness: float) -> calibration.Sample:
    """Logits of networks whose own chances come true, times a sharpness: too sure above 1."""
    generator, parts = torch.Generator().manual_seed(0), []
    for city, factor in sharpness.items():
        logits = 2 * torch.randn(40, 500, 4, generator=generator)
        truth = torch.multinomial(logits.softmax(2).flatten(0, 1), 1, generator=generator)
        truth = truth.view(40, 500).masked_fill(torch.arange(500) % 10 == 0, 255)
        parts.append(([f"{city}_0_{n:03}" for n in range(40)], factor * logits, truth))
    names, logits, truth = zip(*parts, strict=True)
    return sum(names, []), torch.cat(logits), torch.cat(truth)


def test_a_temperature_takes_away_what_a_network_is_too_sure_and_no_more() -> None:
    val, test = drives(east=2.0), drives(north=2.0, south=0.5)
    on_val = calibration.fitted_temperature(*val[1:])
    assert on_val == pytest.approx(2, rel=0.03)
    rows = list(calibration.temperature_scaling({"val": val, "test": test}, block=5))
    found = {(row["split"], row["city"], row["fitted_on"]): row for row in rows}
    assert len(found) == len(rows) == 2 + 3 + 3
    assert {row["temperature"] for row in rows if row["fitted_on"] == "val"} == {on_val}
    for city, other in (("north", slice(40, 80)), ("south", slice(40))):  # its own has no say
        alone = calibration.fitted_temperature(test[1][other], test[2][other])
        assert found["test", city, "other cities"]["temperature"] == alone
    assert found["test", "", "other cities"]["temperature"] is None
    north, south = (found["test", city, "val"] for city in ("north", "south"))
    assert north["ece"]["after"][0] < 0.02 < 0.1 < north["ece"]["before"][0]
    assert north["nll"]["change"][2] < 0 < south["nll"]["change"][1]  # south was not sure enough
    for row in rows:
        for values in (row["ece"], row["nll"]):
            before, after, change = (values[part] for part in ("before", "after", "change"))
            assert change[0] == pytest.approx(after[0] - before[0])
            assert all(low < value < high for value, low, high in (before, after, change))
    _, logits, truth = drives(north=2.0)
    chances, true = (logits / 2).softmax(2)[truth < 255], truth[truth < 255]
    by_hand = -chances[range(len(true)), true].log().mean()
    counts = calibration.counts_at(logits, truth, [2.0] * 40)
    assert calibration.mean_loss(counts.sum(axis=0)) == pytest.approx(by_hand.item())


def test_drawn_pixels_have_their_own_logits_and_class() -> None:
    truth = np.arange(48, dtype=np.uint8).reshape(6, 8)
    drawn, classes = calibration.draw(logits := torch.randn(2, 3, 4), truth, 1)
    enlarged = nn.functional.interpolate(logits[None], (6, 8), mode="bilinear")[0].flatten(1)
    assert classes.bincount().min() > 0.5 * calibration.PIXELS / 48
    assert torch.equal(drawn, enlarged[:, classes.long()].T)


@pytest.fixture
def record(home: Path, tiny_tree: Path) -> Record:
    made = fit(TINY, device="cpu", progress=False)
    score_split(made, "test", device="cpu", progress=False)
    return made


def measure_quietly(record: Record, parts=None) -> list[str]:
    return beyond.measure(record, parts, device="cpu", progress=False)


def test_measurements_agree_with_the_scores_of_the_record(record: Record, monkeypatch) -> None:
    monkeypatch.setattr(beyond, "BATCH", 2)  # of three scenes
    assert beyond.missing_parts(record) == list(beyond.PARTS)
    assert measure_quietly(record) == list(beyond.PARTS)
    assert beyond.missing_parts(record) == [] and measure_quietly(record) == []
    made_by = measurement(record, "cost")["made_by"]
    assert len(made_by["weights"]) == 16 and made_by["precision"] == "fp32"
    assert made_by["results_version"] == RESULTS_VERSION
    for split in ("val", "test"):
        scores = record.scores[split]
        found = measurement(record, "calibration")[split]
        assert found["accuracy"] == pytest.approx(scores["pixel_accuracy"], abs=1e-6)
        assert sum(each["pixels"] for each in found["bins"]) == np.sum(scores["confusion"])
        rows = measurement(record, "calibration")["temperature"]
        (row,) = (r for r in rows if (r["split"], r["city"], r["fitted_on"]) == (split, "", "val"))
        assert row["ece"]["before"][0] == pytest.approx(found["ece"], abs=0.02)
        assert row["nll"]["after"][0] < row["nll"]["before"][0]
        found = measurement(record, "boundaries")[split]
        *_, widest = bands = found["bands"]
        assert [band["width"] for band in bands] == list(beyond.BANDS)
        pixels, inside = [band["pixels"] for band in bands], found["inside"]
        assert pixels == sorted(pixels)
        assert widest["pixels"] + inside["pixels"] == np.sum(scores["confusion"])
        right = sum((p["pixel_accuracy"] or 0) * p["pixels"] for p in (widest, inside))
        assert right == pytest.approx(np.trace(scores["confusion"]), abs=1)
    robust, scores = measurement(record, "robustness"), record.scores["test"]
    present = np.flatnonzero(np.sum(scores["confusion"], axis=1))
    assert robust["classes"] == [scores["classes"][index] for index in present]
    mean = np.mean([scores["iou"][index] for index in present])
    assert robust["clean"]["miou"] == pytest.approx(mean, abs=1e-6)
    for levels in robust["corruptions"].values():
        assert [level["strength"] for level in levels] == list(STRENGTHS)
        for level in levels:
            loss, low, high = level["loss"]
            assert loss == pytest.approx(robust["clean"]["miou"] - level["miou"], abs=2e-6)
            assert low <= loss <= high
    cost = measurement(record, "cost")
    assert cost["parameters"] == record.environment["parameters"]
    low, median, high = (cost["seconds"][key] for key in ("low", "median", "high"))
    assert cost["image_size"] == [16, 32] and 0 < low <= median <= high


def test_measurements_repeat_byte_for_byte_and_notice_what_changed(record: Record) -> None:
    parts = [part for part in beyond.PARTS if part != "cost"]  # its seconds are never the same
    measure_quietly(record, parts)
    folder = record.path / "measurements"
    before = {file: file.read_bytes() for file in folder.rglob("*.*")}
    measure_quietly(record, parts)
    assert before == {file: file.read_bytes() for file in folder.rglob("*.*")}
    assert beyond.missing_parts(record) == ["cost"]
    values = read_json(file := folder / "robustness.json")
    write_json(file, {**values, "made_by": {**values["made_by"], "results_version": 0}})
    assert beyond.missing_parts(record) == ["cost", "robustness"]
    write_json(file, values)
    write_scores(record.path / "scores.json", {"val": record.scores["val"]})
    alone = load_record(record.id)
    assert measure_quietly(alone, ["robustness"]) and beyond.missing_parts(alone) == ["cost"]
    score_split(alone, "test", device="cpu", progress=False)  # later, so of it nothing is measured
    measure_quietly(alone, ["cost"])
    assert beyond.missing_parts(load_record(record.id)) == ["robustness"]
    with open(record.weights_path, "ab") as weights:
        weights.write(b" ")
    assert beyond.missing_parts(record) == list(beyond.PARTS)


def test_confidence_maps_go_with_the_kept_predictions(record: Record) -> None:
    assert record.confidence_maps("val") == {}
    measure_quietly(record, ["calibration"])
    maps, kept = record.confidence_maps("val"), record.predictions("val")
    assert list(maps) == list(kept) and is_measured(record, "boundaries")
    for name, sure in maps.items():
        assert sure.shape == kept[name].shape and sure.dtype == np.float32
        assert 1 / 19 - 0.02 <= sure.min() and sure.max() <= 1
    mean = np.mean([sure.mean() for sure in maps.values()])
    assert mean == pytest.approx(measurement(record, "calibration")["val"]["confidence"], abs=0.03)
    viewer = view_records("miniscapes", records={"FCN": record})
    assert all("confidence" in scene["models"][0] for scene in viewer._scenes)


def test_what_cannot_be_measured_is_one_line(record: Record, capsys) -> None:
    with pytest.raises(ConfigError, match="part 'speed' is unknown; choose one of: calibration"):
        measure_quietly(record, ["speed"])
    with pytest.raises(RecordError, match="cost was not measured; run: seglib measure minisc"):
        measurement(record, "cost")
    both = fit(dataclasses.replace(TINY, with_val=True), device="cpu", progress=False)
    with pytest.raises(RecordError, match=f"{both.id}: was trained on val, by which measuring"):
        measure_quietly(both)
    held = fit(dataclasses.replace(TINY, hold_out=("southtown",)), device="cpu", progress=False)
    with pytest.raises(RecordError, match=f"{held.id}: score it first: seglib evaluate {held.id}"):
        measure_quietly(held)
    assert not (held.path / "measurements").exists() and measure_quietly(held, ["cost"]) == ["cost"]
    record.weights_path.unlink()
    with pytest.raises(RecordError, match="recorded without its weights"):
        measure_quietly(record)
    capsys.readouterr()
    assert cli.main(["measure", record.id]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert cli.main(["measure"]) == 0
    assert capsys.readouterr().out.startswith("no recorded run keeps its weights")


def test_the_command_says_what_it_measured(record: Record, capsys) -> None:
    assert cli.main(["measure", record.id, "--part", "cost", "--device", "cpu"]) == 0
    assert capsys.readouterr().out.endswith(f"{record.id}: measured cost\n")
    measure_quietly(load_record(record.id))
    assert cli.main(["measure"]) == 0
    assert capsys.readouterr().out.endswith(f"{record.id}: all is measured\n")


def test_the_study_measures_what_its_plan_says(record: Record, monkeypatch, capsys) -> None:
    entry = StudyRun("models", TINY, splits=("test",), measured=True)
    assert study_run.status(entry) == study_run.Status("not measured", "4 of 4 parts")
    assert study_run.status(dataclasses.replace(entry, measured=False)).is_done
    monkeypatch.setattr(study_run, "prepare", lambda name: None)  # the tiny tree is there already
    measure_quietly(record, ["cost"])
    masks = record.dataset.root() / "gtFine" / "test"
    elsewhere = masks.rename(masks.with_name("elsewhere"))
    assert study_run.run_study([entry], device="cpu", progress=False) == 1
    assert f"{record.id}: passed over" in capsys.readouterr().out
    assert study_run.status(entry).detail == "3 of 4 parts"
    elsewhere.rename(masks)
    assert study_run.run_study([entry], device="cpu", progress=False) == 0
    assert study_run.status(entry).is_done


def test_what_was_measured_outlasts_the_weights(record: Record) -> None:
    entry = StudyRun("models", TINY, splits=("test",), weights=False, measured=True)
    measure_quietly(record)
    record.weights_path.unlink()
    assert beyond.missing_parts(record) == [] and study_run.status(entry).state == "recorded"
    (record.path / "measurements" / "cost.json").unlink()
    assert beyond.missing_parts(record) == ["cost"]
    assert study_run.status(entry).state == "no weights"  # has to be trained again to be measured
