"""A record knows the data it was made on: on others nothing passes for its result."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from runs import TINY, train

from seglib import cli, paths
from seglib.data.tree import list_scenes
from seglib.errors import ConfigError, DatasetError, RecordError
from seglib.evaluation.evaluate import score_split
from seglib.evaluation.intervals import paired_difference
from seglib.records import best_record, load_record
from seglib.text import score_table
from seglib.training import loop
from seglib.training.loop import OutOfTime
from seglib.training.verify import repeat
from seglib.widgets.recorded import view_records
from study.beyond_scores import measure
from study.gallery import load_gallery
from study.halving import SweepPlan, run_sweep
from study.tables import write_tables


def relabel(tree: Path, split: str, label_id: int = 8, scenes: int = 99) -> None:
    """Make masks of a split hold nothing but one label, sidewalk if not said."""
    for scene in list_scenes(tree, split)[:scenes]:
        for file, dtype in ((scene.label_ids, np.uint8), (scene.instance_ids, np.uint16)):
            Image.fromarray(np.full((32, 64), label_id, dtype)).save(file)


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_run_recorded_on_other_data_is_not_taken_for_this_one(tree, monkeypatch, split) -> None:
    record = train()
    relabel(tree, split, scenes=1)
    where = f"{record.id}: recorded on other data than {tree} \\(masks of {split} differ\\)"
    with monkeypatch.context() as patch:
        patch.setattr(loop, "new_state", None)  # would fail if anything were begun
        with pytest.raises(RecordError, match=f"{where}; set SEGLIB_RESULTS.*--retrain"):
            train()
    with pytest.raises(RecordError, match=where):
        repeat(record)
    again = train(retrain=True)
    assert again.environment["data"] != record.environment["data"]
    monkeypatch.setattr(loop, "new_state", None)
    train()  # is loaded


def test_scores_on_other_data_are_told_and_not_recorded(tree, capsys) -> None:
    record = train()
    known, file = record.scores["val"], (record.path / "scores.json").read_bytes()
    plan = SweepPlan(dataclasses.replace(TINY, epochs=1), {"dropout": (0.0, 0.1)}, 2, 1)
    with pytest.raises(OutOfTime):
        run_sweep(plan, deadline=0.0, device="cpu", progress=False)
    relabel(tree, "val")
    capsys.readouterr()
    for split in ("val", "val+flip"):
        assert cli.main(["evaluate", record.id, "--split", split, "--device", "cpu"]) == 0
        line, *table = capsys.readouterr().out.splitlines()
        problem = f"{record.id}: recorded on other data than {tree} (masks of val differ)"
        assert line == f"{problem}: scored anew, not recorded" and "mIoU" in "".join(table)
    found = score_split(record, "val", device="cpu", progress=False)
    assert found["data"] != known["data"] and found["miou"] != known["miou"]
    with pytest.raises(ConfigError, match="different images or masks"):
        paired_difference(found, known)
    for use in (load_gallery, lambda record: view_records("miniscapes", "val", [record]),
                lambda _: run_sweep(plan, device="cpu", progress=False)):
        with pytest.raises(RecordError, match="masks of val differ"):
            use(record)
    assert (record.path / "scores.json").read_bytes() == file
    capsys.readouterr()  # another split is that of the record as long as the training data are
    assert score_split(record, "test", device="cpu", progress=False) == record.scores["test"]
    assert "recorded on other data" not in capsys.readouterr().out


def test_fine_scores_of_coarse_training_scenes_are_no_other_data(tree) -> None:
    record = train(dataclasses.replace(TINY, mode="coarse"))
    score_split(record, "train", device="cpu", progress=False)
    assert load_record(record.id).other_data("train") is None
    relabel(tree, "train", scenes=1)  # fine masks, on which it was not trained
    assert load_record(record.id).other_data() is None
    assert "masks of train differ" in load_record(record.id).other_data("train")


def test_a_checkpoint_of_other_data_is_passed_over(tree, capsys) -> None:
    with pytest.raises(OutOfTime):
        train(deadline=0.0)
    relabel(tree, "train", scenes=1)
    capsys.readouterr()
    record = train()
    assert capsys.readouterr().out.splitlines() == [
        f"last.ckpt of {record.id} is passed over: it was made on other data",
        f"{record.id}: training 3 epochs on cpu",
    ]


def test_a_start_from_a_run_on_other_data_is_told(tree, capsys) -> None:
    record = train()
    relabel(tree, "train", scenes=1)
    train(dataclasses.replace(TINY, init_from=record.id))
    assert f"init_from: {record.id}: recorded on other data than {tree}" in capsys.readouterr().out


def test_without_its_dataset_a_record_serves(tree, capsys, monkeypatch) -> None:
    record = train()
    shutil.rmtree(tree)
    monkeypatch.setattr(loop, "new_state", None)  # would fail if anything were begun
    loaded = train()
    assert loaded.load_model()
    assert score_split(loaded, "val") == record.scores["val"]
    assert "other data" not in capsys.readouterr().out
    with pytest.raises(DatasetError, match="test.*no such folder"):
        score_split(loaded, "test", device="cpu", progress=False)


def test_what_training_does_not_read_does_not_stop_it(tree) -> None:
    shutil.rmtree(tree / "leftImg8bit" / "test")
    next(tree.glob("gtFine/test/*/*_labelIds.png")).write_bytes(b"damaged")
    next(tree.glob("gtFine/train/*/*_instanceIds.png")).unlink()
    assert train().miou() > 0


def test_masks_that_scoring_or_learning_would_refuse_are_refused_first(tree, monkeypatch) -> None:
    monkeypatch.setattr(loop, "train_one_epoch", None)
    mask = sorted(tree.glob("gtFine/val/*/*_instanceIds.png"))[1]
    mask.write_bytes(b"damaged")
    with pytest.raises(DatasetError, match=f"{mask.name}: cannot be read"):
        train()
    mask.unlink()
    with pytest.raises(DatasetError, match=f"{mask.name}: no such file, but other scenes have"):
        train()
    relabel(tree, "val")
    relabel(tree, "train", label_id=1)
    with pytest.raises(DatasetError, match="the masks to train on hold no pixel of a class"):
        train()


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_without_a_scored_pixel_has_no_scores(tree, capsys, split, monkeypatch) -> None:
    relabel(tree, split, label_id=1)  # ego vehicle, as in the public masks of Cityscapes' test
    record = train()
    export = paths.home() / "export"
    scores = score_split(record, split, export=export, device="cpu", progress=False)
    assert [scores[name] for name in ("miou", "miiou", "pixel_accuracy")] == [None] * 3
    assert score_table(scores) == "nothing is scored: its masks hold no pixel of a class"
    assert len(list(export.iterdir())) == len(scores["images"]["names"]) == 3
    assert np.isnan(load_record(record.id).miou(split))
    with monkeypatch.context() as patch:
        patch.setattr(loop, "new_state", None)
        train()  # is loaded
    capsys.readouterr()
    assert cli.main(["runs"]) == 0 and "nan" in capsys.readouterr().out
    write_tables()
    if split == "val":
        with pytest.raises(RecordError, match="score it first"):
            measure(record, ["calibration"], device="cpu", progress=False)
        with pytest.raises(RecordError, match="no run keeps its weights"):
            best_record()
    else:
        assert "calibration" in measure(record, ["calibration"], device="cpu", progress=False)
        assert best_record() == record
