"""A sweep ends the same whatever interrupts it and whoever helps: its records are its state."""

import contextlib
import dataclasses
import math
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import Process

from seglib import paths
from seglib.config import RunConfig
from seglib.errors import ConfigError
from seglib.records import Record, list_records
from seglib.training import loop
from seglib.training.loop import NonFiniteLoss, OutOfTime
from study import halving
from study.halving import SweepPlan, run_sweep, sweep_table
from study.run import run_study

BASE = RunConfig("cityscapes", "unet", width=4, image_size=(32, 64), epochs=1, batch_size=2,
                 precision="fp32")
GRID = {"learning_rate": (1e-2, 1e-3), "dropout": (0.0, 0.1)}
PLAN = SweepPlan(BASE, GRID, first_images=2, halvings=1)


def run(plan: SweepPlan = PLAN, **options) -> pd.DataFrame:
    return run_sweep(plan, device="cpu", progress=False, **options)


def decided(table: pd.DataFrame) -> str:
    """What must not depend on how a sweep came about."""
    return table.drop(columns="seconds").to_csv()


def contents() -> dict[str, str]:
    """What the records of all sweeps hold, but for times."""
    files = sorted((paths.results_dir() / "sweeps").glob("*/[!.]*/*"))
    texts = {str(file.relative_to(paths.home())): file.read_text() for file in files}
    changing = ("environment.json", "SHA256SUMS")  # times, and the digest of the file with them
    return {name: text for name, text in texts.items() if not name.endswith(changing)}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, seglib_home: Path):
    """Sweeps without training: the score is a function of the config; returns the ids trained."""
    ids: list[str] = []

    def candidate(config: RunConfig, folder: Path, **options) -> Record:
        record = Record(folder / config.run_id)
        if not (record.path / "config.json").exists():
            ids.append(config.run_id)
            score = None if config.learning_rate > 1 else round(1 - abs(config.dropout - 0.1), 6)
            save(config, score, folder)
        return record

    monkeypatch.setattr(halving, "train_candidate", candidate)
    monkeypatch.setattr(halving, "list_scenes", lambda *a: list(range(100)))
    return ids


def save(config: RunConfig, score: float | None, folder: Path) -> None:
    halving.save_record(
        config, history=[{"epoch": 1, "val_loss": 1.0}],
        scores={"val": {"miou": score, "iou": [0.25] * 19, "classes": list(range(19))}},
        environment={"seconds": 1.5, "results_version": 1},
        state=None, predictions={}, results=folder,
    )


def test_rungs_halve_candidates_and_double_images():
    plan = SweepPlan(BASE, {"seed": range(36)}, first_images=24, halvings=4)
    assert [rung.candidates for rung in plan.rungs] == [36, 18, 9, 5, 3]
    assert [rung.images for rung in plan.rungs] == [24, 48, 96, 192, None]
    assert plan.config(plan.rungs[-1], 0).train_images is None


def test_the_id_is_that_of_the_meaning():
    other_base = dataclasses.replace(BASE, learning_rate=0.5, dropout=0.3, train_images=3)
    same = SweepPlan(other_base, {"learning_rate": [0.01, 1e-3], "dropout": [0, 0.1]}, 2, 1)
    assert same.id == PLAN.id and same == PLAN
    for change in ({"score": "iou:wall"}, {"halvings": 0}, {"first_images": 3}):
        assert dataclasses.replace(PLAN, **change).id != PLAN.id


@pytest.mark.parametrize(("changes", "words"), [
    ({"grid": {"learning_rte": (1.0,)}}, "learning_rte"), ({"grid": {"dropout": ()}}, "one value"),
    ({"grid": {"epochs": (1, 2)}}, "'epochs' is unknown"),
    ({"grid": {"hold_out": (("ulm",), ("bonn",))}}, "'hold_out' is unknown"),
    ({"grid": {"dropout": (0, 0.0)}}, "two combinations of the grid are the same run"),
    ({"grid": {"batch_size": (2, 4)}}, "first_images 2 is less than a batch of 4"),
    ({"grid": {"dropout": (2.0,)}}, "dropout"), ({"first_images": 1}, "batch"),
    ({"halvings": -1}, "halvings"), ({"score": "mIoU"}, "mIoU"),
    ({"score": "iou:sea"}, "iou:sea"), ({"grid": {"with_val": (True,)}}, "'with_val' is unknown"),
    ({"base": dataclasses.replace(BASE, with_val=True)}, "with_val: a sweep chooses by"),
])
def test_a_plan_that_cannot_work_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(PLAN, **changes)


def test_candidates_have_the_base_s_settings_in_whatever_order_values_stand():
    base = dataclasses.replace(BASE, class_weights="sqrt_median", label_smoothing=0.1, batch_size=8)
    for values in (("dice", "cross_entropy"), ("cross_entropy", "dice")):
        plan = SweepPlan(base, {"loss": values, "batch_size": (2,)}, first_images=2, halvings=1)
        found = {run.loss: run for run in (plan.config(plan.rungs[0], i) for i in (0, 1))}
        dice, entropy = found["dice"], found["cross_entropy"]
        assert (entropy.class_weights, entropy.label_smoothing) == ("sqrt_median", 0.1)
        assert (dice.class_weights, dice.label_smoothing) == ("none", None)


def test_torchrun_is_refused_before_anything_is_trained(trained, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    for call in (run, lambda: run_study([], device="cpu")):
        with pytest.raises(ConfigError, match="start this without torchrun, a sweep several times"):
            call()
    assert trained == []


def test_halving_keeps_the_better_half_and_breaks_ties_by_grid_order(trained):
    grid = {"learning_rate": (1e-3, 1e-4, 2.0), "dropout": (0.0, 0.1, 0.3)}
    plan = SweepPlan(BASE, grid, first_images=10, halvings=2)
    table = run(plan)
    assert trained == table["run"].tolist()  # each once, rung by rung
    first = table[table["rung"] == 1]
    # By hand: 0.9, 1, 0.8 for each of two rates; the three of rate 2 diverged.
    assert first["score"].tolist() == [0.9, 1.0, 0.8] * 2 + [-math.inf] * 3
    assert first["rank"].tolist() == [3, 1, 5, 4, 2, 6, 7, 8, 9]
    assert first["kept"].tolist() == [True] * 5 + [False] * 4
    assert table[table["rung"] == 2]["candidate"].tolist() == [1, 2, 3, 4, 5]
    last = table[table["rung"] == 3]
    assert last["candidate"].tolist() == [1, 2, 5] and last["images"].isna().all()
    assert last["kept"].tolist() == [False, True, False]
    assert run(plan).equals(table) and len(trained) == 9 + 5 + 3
    assert list_records() == []  # the study's own records stay apart


def test_an_unfinished_rung_decides_nothing_and_any_score_may_decide(trained):
    table = run()
    shutil.rmtree(PLAN.folder / table["run"][1])
    partial = sweep_table(PLAN)
    assert partial["rung"].unique().tolist() == [1] and partial["kept"].isna().all()
    assert np.isnan(partial["score"][1]) and halving.runs_done(PLAN) == (3, 6)
    assert run().equals(table)
    record = Record(PLAN.folder / sweep_table(PLAN)["run"][0])
    record.scores["val"]["classes"][3] = "wall"
    assert halving.score_of(record, "iou:wall") == 0.25


def test_more_images_than_there_are(trained):
    with pytest.raises(ConfigError, match="of 100 training images"):
        run(SweepPlan(BASE, GRID, first_images=60, halvings=2))
    assert trained == []


def test_a_small_sweep_trains_and_its_records_are_compact(cityscapes_home, monkeypatch):
    with pytest.raises(OutOfTime):
        run(deadline=0)  # which is time for one epoch, so that any budget gets on
    assert halving.runs_done(PLAN) == (1, 6)
    table = run()
    assert table["score"].between(0, 1).all()
    for run_id in table["run"]:
        sizes = {file.name: file.stat().st_size for file in (PLAN.folder / run_id).iterdir()}
        named = {"config.json", "history.csv", "scores.json", "environment.json", "SHA256SUMS"}
        assert set(sizes) == named
        assert sum(sizes.values()) < 10_000
    assert Record(PLAN.folder / table["run"].iloc[-1]).config.train_images is None
    monkeypatch.setattr(loop, "fit", lambda *a, **k: pytest.fail("trained twice"))
    assert run().equals(table)


@pytest.mark.parametrize("hold_out", [None, ("southtown",)])
def test_a_candidate_that_diverges_is_recorded_as_the_worst(cityscapes_home, monkeypatch, hold_out):
    real, base = loop.fit, dataclasses.replace(BASE, hold_out=hold_out)
    plan = dataclasses.replace(PLAN, base=base)

    def diverging(config, **options):
        if config.dropout == 0 and config.train_images:
            raise NonFiniteLoss("the loss is nan in epoch 1")
        return real(config, **options)

    monkeypatch.setattr(loop, "fit", diverging)
    table = run(plan)
    assert table["score"][[0, 2]].tolist() == [-math.inf] * 2
    assert table["kept"].tolist()[:4] == [False, True, False, True]
    monkeypatch.setattr(loop, "fit", lambda *a, **k: pytest.fail("trained again"))
    assert run(plan).equals(table)


def work(plan: SweepPlan, log: Path) -> str:
    """Work on a sweep as one of several workers; `log` gets what `fit` says of each run."""
    with open(log, "w", buffering=1) as file, contextlib.redirect_stdout(file):
        return decided(run(plan))


def test_two_workers_share_a_sweep_and_one_may_be_killed(cityscapes_home, tmp_path):
    plan = dataclasses.replace(PLAN, base=dataclasses.replace(BASE, epochs=3))
    logs = [tmp_path / name for name in ("killed", "other", "again")]
    killed, other = (Process(cityscapes_home, work, plan, log) for log in logs[:2])
    killed.wait_for(lambda: len(list(paths.checkpoints_dir().glob("*/last.ckpt"))) == 2)
    killed.kill()
    again = Process(cityscapes_home, work, plan, logs[2])
    assert [other.result(), again.result()] == [decided(sweep_table(plan))] * 2

    begun = [line for log in logs for line in log.read_text().splitlines() if ": training" in line]
    in_hand = logs[0].read_text().splitlines()[-1].partition(":")[0]
    once = Counter(line.partition(":")[0] for line in begun)
    assert set(once) == set(sweep_table(plan)["run"])
    assert {run for run, count in once.items() if count > 1} <= {in_hand}

    shared = contents()
    shutil.rmtree(paths.results_dir())
    run(plan)
    assert contents() == shared  # as one worker alone
