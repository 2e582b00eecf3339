"""A sweep ends the same whatever interrupts it and whoever helps: its records are its state."""

import dataclasses
import math
import random
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from processes import Process

from seglib import paths
from seglib.config import RunConfig
from seglib.data.datasets import prepare
from seglib.errors import ConfigError, RecordError
from seglib.files import read_json
from seglib.records import Record, list_records
from seglib.training.loop import NonFiniteLoss
from study import halving
from study.budget import Clock, OutOfTime, format_duration, parse_duration
from study.halving import SweepPlan, run_sweep, sweep_table, winner
from study.halving_workers import run_shared_sweep

BASE = RunConfig(
    dataset="cityscapes",
    model="unet",
    width=4,
    image_size=(32, 64),
    epochs=1,
    batch_size=2,
    validate_every=1,
    precision="fp32",
)
GRID = {"learning_rate": (1e-2, 1e-3), "dropout": (0.0, 0.1)}
PLAN = SweepPlan(BASE, GRID, first_images=2, halvings=1)


def run(plan: SweepPlan = PLAN, **options) -> pd.DataFrame:
    return run_sweep(plan, device="cpu", progress=False, **options)


def work_on(plan: SweepPlan, storage: str) -> str:
    return decided(
        run_shared_sweep(plan, storage, device="cpu", progress=False, patience=2, poll=0.05)
    )


def decided(table: pd.DataFrame) -> str:
    """What must not depend on how a sweep came about."""
    return table.drop(columns=["seconds", "is_current"]).to_csv()


def contents() -> dict[str, str]:
    """What the records of all sweeps hold, but for times."""
    files = sorted(halving.sweeps_dir().glob("*/*/*"))
    texts = {str(f.relative_to(paths.home())): f.read_text() for f in files if f.suffix != ".old"}
    return {name: text for name, text in texts.items() if not name.endswith("environment.json")}


@pytest.fixture
def tree(tiny_tree: Path, seglib_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CITYSCAPES_DATASET", str(tiny_tree))
    prepare("cityscapes", progress=False)
    return seglib_home


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch, seglib_home: Path):
    """Sweeps without training: the score is a function of the config; returns the ids trained."""
    ids: list[str] = []

    def candidate(config: RunConfig, folder: Path, clock: Clock, **options) -> Record:
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
        config,
        history=[{"epoch": 1, "val_loss": 1.0}],
        scores={"val": {"miou": score, "iou": [0.25] * 19, "classes": list(range(19))}},
        environment={"seconds": 1.5, "results_version": 1},
        state=None,
        predictions={},
        results=folder,
    )


def test_rungs_halve_candidates_and_double_images():
    plan = SweepPlan(BASE, first_images=24, halvings=4)
    assert [(r.candidates, r.images) for r in plan.rungs] == [
        (36, 24), (18, 48), (9, 96), (5, 192), (3, None),
    ]  # fmt: skip
    one_epoch = 36 * 24 + 18 * 48 + 9 * 96 + 5 * 192 + 3 * 367
    assert plan.image_passes(367) == one_epoch * BASE.epochs
    assert plan.config(plan.rungs[-1], 0).train_images is None


def test_the_id_is_that_of_the_meaning():
    other_base = dataclasses.replace(BASE, learning_rate=0.5, dropout=0.3, train_images=3)
    same = SweepPlan(other_base, {"learning_rate": [0.01, 1e-3], "dropout": [0, 0.1]}, 2, 1)
    assert same.id == PLAN.id and same == PLAN
    assert SweepPlan.from_dict(PLAN.to_dict()) == PLAN
    for change in ({"score": "loss"}, {"halvings": 0}, {"first_images": 3}):
        assert dataclasses.replace(PLAN, **change).id != PLAN.id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"grid": {"learning_rte": (1.0,)}}, "learning_rte"),
        ({"grid": {"epochs": (1, 2)}}, "can't be swept"),
        ({"grid": {"dropout": ()}}, "one value"),
        ({"grid": {"dropout": (0, 0.0)}}, "twice"),
        ({"grid": {"dropout": (2.0,)}}, "dropout"),
        ({"first_images": 1}, "batch"),
        ({"halvings": -1}, "halvings"),
        ({"score": "mIoU"}, "mIoU"),
        ({"score": "iou:sea"}, "iou:sea"),
    ],
)
def test_a_plan_that_cannot_work_is_refused(changes, words):
    with pytest.raises(ConfigError, match=words):
        dataclasses.replace(PLAN, **changes)


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
    assert winner(plan) == {"learning_rate": 1e-3, "dropout": 0.1}
    assert run(plan).equals(table) and len(trained) == 9 + 5 + 3
    assert list_records() == []  # the study's own records stay apart
    assert halving.list_sweeps() == [plan]


def test_an_unfinished_rung_decides_nothing(trained):
    table = run()
    shutil.rmtree(PLAN.folder / table["run"][1])
    partial = sweep_table(PLAN)
    assert partial["rung"].unique().tolist() == [1] and partial["kept"].isna().all()
    assert np.isnan(partial["score"][1]) and halving.runs_done(PLAN) == (3, 6)
    with pytest.raises(RecordError, match="3 of 6"):
        winner(PLAN)
    assert run().equals(table)


def test_scores(trained):
    run()
    record = Record(PLAN.folder / sweep_table(PLAN)["run"][0])
    assert halving.score_of(record, "loss") == -1.0
    record.scores["val"]["classes"][3] = "wall"
    assert halving.score_of(record, "iou:wall") == 0.25


def test_more_images_than_there_are(trained):
    with pytest.raises(ConfigError, match="of 100 training images"):
        run(SweepPlan(BASE, GRID, first_images=60, halvings=2))
    assert trained == []


def test_a_small_sweep_trains_and_its_records_are_compact(tree, monkeypatch):
    with pytest.raises(OutOfTime):
        run(clock=Clock(0))  # which is time for one epoch, so that any budget gets on
    assert halving.runs_done(PLAN) == (1, 6)
    table = run()
    assert table["score"].between(0, 1).all() and table["is_current"].all()
    for run_id in table["run"]:
        names = {file.name for file in (PLAN.folder / run_id).iterdir()}
        assert names == {"config.json", "history.csv", "scores.json", "environment.json"}
        size = sum(file.stat().st_size for file in (PLAN.folder / run_id).iterdir())
        assert size < 10_000
    assert Record(PLAN.folder / table["run"].iloc[-1]).config.train_images is None
    monkeypatch.setattr(halving, "fit_within", lambda *a, **k: pytest.fail("trained twice"))
    assert run().equals(table)


def test_a_candidate_that_diverges_is_recorded_as_the_worst(tree, monkeypatch):
    real = halving.fit_within

    def diverging(config, clock, **options):
        if config.dropout == 0 and config.train_images:
            raise NonFiniteLoss("the loss is nan in epoch 1")
        return real(config, clock, **options)

    monkeypatch.setattr(halving, "fit_within", diverging)
    table = run()
    assert table["score"][[0, 2]].tolist() == [-math.inf] * 2
    assert table["kept"].tolist()[:4] == [False, True, False, True]
    monkeypatch.setattr(halving, "fit_within", lambda *a, **k: pytest.fail("trained again"))
    assert run().equals(table)


def progress_made() -> set[tuple[str, int]]:
    """Checkpoints and records, with the time at which each was written."""
    files = [*paths.checkpoints_dir().glob("*/*.ckpt"), *halving.sweeps_dir().glob("*/*/c*.json")]
    return {(str(file), file.stat().st_mtime_ns) for file in files if file.exists()}


@pytest.mark.slow
@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.long)])
def test_killed_again_and_again_a_sweep_ends_the_same(tree, kills):
    grid = {**GRID, "weight_decay": (0.0, 1e-2)}
    plan = SweepPlan(dataclasses.replace(BASE, epochs=3), grid, first_images=4, halvings=1)
    table = run(plan)
    expected = contents()
    assert len(set(table["score"])) > 6
    shutil.rmtree(paths.results_dir())
    moment = random.Random(0)
    for _ in range(kills):
        process, before = Process(tree, run, plan), progress_made()
        process.wait_for(lambda before=before: progress_made() - before)
        time.sleep(moment.uniform(0, 1 / kills))
        process.kill()
    done, total = halving.runs_done(plan)
    assert done < total
    Process(tree, run, plan).result()
    assert decided(sweep_table(plan)) == decided(table)
    assert contents() == expected


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_two_workers_share_a_sweep_and_train_nothing_twice(tree, kind):
    optuna = pytest.importorskip("optuna")
    storage = str(tree / "sweep.log") if kind == "journal" else f"sqlite:///{tree}/sweep.db"
    workers = [Process(tree, work_on, PLAN, storage) for _ in range(2)]
    tables = [worker.result() for worker in workers]
    assert tables[0] == tables[1] == decided(sweep_table(PLAN))
    expected = contents()
    trials = study_of(optuna, PLAN, storage).get_trials()
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    assert sorted(t.user_attrs["run"] for t in done) == sorted(sweep_table(PLAN)["run"])
    assert {tuple(trial.params) for trial in done} == {("learning_rate", "dropout")}
    shutil.rmtree(paths.results_dir())
    assert decided(run()) == tables[0] and contents() == expected  # as one worker alone


def study_of(optuna, plan: SweepPlan, storage: str):
    if "://" not in storage:
        backend = optuna.storages.journal.JournalFileBackend(storage)
        storage = optuna.storages.JournalStorage(backend)
    return optuna.load_study(study_name=plan.id, storage=storage)


def test_the_candidate_of_a_dead_worker_is_given_to_another(tree):
    optuna = pytest.importorskip("optuna")
    long = dataclasses.replace(PLAN, base=dataclasses.replace(BASE, epochs=3))
    storage = str(tree / "sweep.log")
    dead = Process(tree, work_on, long, storage)
    dead.wait_for(lambda: list(paths.checkpoints_dir().glob("*/last.ckpt")))
    dead.kill()
    states = [trial.state.name for trial in study_of(optuna, long, storage).get_trials()]
    assert states == ["RUNNING"]
    table = work_on(long, storage)
    trials = study_of(optuna, long, storage).get_trials()
    assert trials[0].state.name == "FAIL"
    done = [trial.user_attrs["run"] for trial in trials if trial.state.name == "COMPLETE"]
    assert sorted(done) == sorted(sweep_table(long)["run"]) and trials[0].user_attrs["run"] in done
    assert table == decided(sweep_table(long))


def test_a_storage_that_cannot_be_used_is_one_line(seglib_home):
    pytest.importorskip("optuna")
    for storage in ("nosuch://x/y", "sqlite:////nosuch/folder/x.db"):
        with pytest.raises(ConfigError, match="can't be used") as problem:
            work_on(PLAN, storage)
        assert "\n" not in str(problem.value)


def test_durations():
    assert [parse_duration(text) for text in ("2h", "1h30m", "45s", "0.5d")] == [
        7200, 5400, 45, 43200,
    ]  # fmt: skip
    for text in ("2", "h", "2x", "-2h", ""):
        with pytest.raises(ConfigError, match="budget"):
            parse_duration(text)
    assert [format_duration(s) for s in (7500, 200, 12, 90000, math.nan)] == [
        "2h05m", "3m20s", "12s", "1d01h", "?",
    ]  # fmt: skip


def test_the_written_plan_is_only_a_definition(trained):
    run()
    written = read_json(PLAN.folder / "sweep.json")
    (PLAN.folder / "sweep.json").write_text("{")
    with pytest.raises(RecordError, match="sweep.json"):
        halving.list_sweeps()
    run()
    assert read_json(PLAN.folder / "sweep.json") == written and len(trained) == 6
