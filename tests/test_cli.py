"""Every mistake of a user's gets one line and exit code 2, and leaves nothing behind."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seglib import cli, paths
from seglib.files import read_json
from seglib.records import list_records

ROOT = Path(__file__).parent.parent

SMALL = (
    "train --dataset cityscapes --model unet --width 4 --image-size 32 64 --crop-size None "
    "--batch-size 2 --epochs 1 --validate-every 1 --precision fp32 --device cpu"
).split()


@pytest.fixture
def tree(tiny_tree: Path, seglib_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A private copy of the tiny tree, found as the user's Cityscapes."""
    copy = seglib_home / "copy"
    shutil.copytree(tiny_tree, copy)
    monkeypatch.setenv("CITYSCAPES_DATASET", str(copy))
    return copy


def refused(capsys: pytest.CaptureFixture, *arguments: str) -> str:
    """Run a command that must fail; return its one line."""
    capsys.readouterr()
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    errors = [line for line in captured.err.splitlines() if "seglib: error" in line]
    assert len(errors) == 1
    assert "Traceback" not in captured.err
    assert list_records() == []
    if paths.results_dir().is_dir():
        assert list(paths.results_dir().iterdir()) == []
    return errors[0]


def test_train_evaluate_predict(tree, seglib_home, capsys):
    assert cli.main(SMALL) == 0
    (record,) = list_records()
    assert record.id in capsys.readouterr().out

    assert cli.main(["evaluate", "--split", "test", "--export", str(seglib_home / "out")]) == 0
    printed = capsys.readouterr().out
    assert "95 % interval" in printed and "road" in printed and record.id in printed
    kept = record.predictions("test")
    assert len(list((seglib_home / "out").glob("*_labelIds.png"))) == len(kept) == 3
    for name, label_ids in kept.items():
        exported = Image.open(seglib_home / "out" / f"{name}_labelIds.png")
        assert np.array_equal(exported, label_ids)

    assert cli.main(["runs"]) == 0
    assert record.id in capsys.readouterr().out


def test_the_official_evaluator_takes_what_predict_writes(tree, seglib_home, monkeypatch):
    pytest.importorskip("cityscapesscripts")
    assert cli.main([*SMALL, "--epochs", "9", "--learning-rate", "0.01"]) == 0
    (record,) = list_records()
    monkeypatch.setenv("HOME", str(seglib_home))
    photos = [str(path) for path in tree.glob("leftImg8bit/val/*/*.png")]
    assert cli.main(["predict", *photos, "--run", record.id, "--output=~/labelled"]) == 0
    out = seglib_home / "labelled"
    assert len(list(out.iterdir())) == 9
    predicted = {file: np.asarray(Image.open(file)) for file in out.glob("*_labelIds.png")}
    # the same label ids under the same names
    assert cli.main(["evaluate", record.id, "--export", str(out)]) == 0
    assert len(list(out.iterdir())) == 9 and len(predicted) == 3
    for file, label_ids in predicted.items():
        assert np.array_equal(label_ids, np.asarray(Image.open(file)))

    environment = {"CITYSCAPES_RESULTS": str(out), "CITYSCAPES_EXPORT_DIR": str(seglib_home)}
    command = [sys.executable, "-m", "tools.official"]
    subprocess.run(command, env=os.environ | environment, cwd=ROOT, check=True)
    theirs = read_json(seglib_home / "resultPixelLevelSemanticLabeling.json")
    ours = record.scores["val"]
    assert 0 < ours["miou"] == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    for name, score in zip(ours["classes"], ours["iou"], strict=True):
        score = np.nan if score is None else score
        assert theirs["classScores"][name] == pytest.approx(score, nan_ok=True), name


def test_verify_repeats_the_record_and_notices_a_difference(tree, capsys):
    assert cli.main(SMALL) == 0
    (record,) = list_records()
    assert cli.main(["verify", record.id]) == 0
    history = record.path / "history.csv"
    header, row = history.read_text().splitlines()
    values = row.split(",")
    values[2] = f"{float(values[2]) * 1.001:.6g}"  # the training loss
    history.write_text(f"{header}\n{','.join(values)}\n")
    capsys.readouterr()
    assert cli.main(["verify", record.id]) == 2
    assert "another history (train_loss)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "expected"),
    [
        ("--model", "alexnet", "fcn, unet"),
        ("--dataset", "kitti", "miniscapes, camvid, cityscapes"),
        ("--loss", "focal", "cross_entropy, dice"), ("--optimizer", "sgd", "adam, adamw, adamax"),
        ("--device", "tpu", "cuda, mps, cpu"), ("--tracker", "tensorboard", "none, wandb"),
        ("--batch-size", "7", "at most 6"), ("--epochs", "0", "1 or more"),
        ("--image-size", "0 64", "above 0"), ("--image-size", "32 -1", "above 0"),
        ("--learning-rate", "fast", "learning-rate"), ("--init-from", "nothing", "nothing"),
        ("--widht", "3", "--widht"),
    ],
)
def test_options_that_cannot_work(tree, capsys, option, value, expected):
    assert expected in refused(capsys, *SMALL, option, *value.split())


def test_datasets_that_are_not_there(seglib_home, monkeypatch, capsys):
    monkeypatch.setenv("CITYSCAPES_DATASET", str(seglib_home / "nowhere"))
    assert "nowhere" in refused(capsys, *SMALL)
    line = refused(capsys, "train", "--dataset", "camvid")
    assert "seglib data camvid --from" in line and "--download" in line


def mask_of(label_id: int, *size: int):
    return lambda file: Image.fromarray(np.full(size, label_id, np.uint8)).save(file)


IMAGES, MASKS = "leftImg8bit/train/*/*.png", "gtFine/train/*/*_labelIds.png"


@pytest.mark.parametrize(
    ("pattern", "damage", "named"),
    [
        (MASKS, Path.unlink, None), (IMAGES, Path.unlink, None),
        (IMAGES, lambda file: file.write_bytes(file.read_bytes()[:600]), None),
        (MASKS, mask_of(7, 16, 64), None), (MASKS, mask_of(77, 32, 64), "77"),
        ("*/val/*/*", Path.unlink, "val"),
    ],
)
def test_damaged_datasets(tree, capsys, pattern, damage, named):
    files = sorted(tree.glob(pattern))
    for file in files if named == "val" else files[:1]:
        damage(file)
    assert (named or files[0].name) in refused(capsys, *SMALL)


def test_weights_that_are_damaged_or_foreign(tree, capsys):
    assert cli.main(SMALL) == 0
    (record,) = list_records()
    (record.path / "scores.json").write_text("{}")  # so that scoring needs the weights
    intact = record.weights_path.read_bytes()
    record.weights_path.write_bytes(intact[: len(intact) // 2])
    capsys.readouterr()
    assert cli.main(["evaluate", record.id]) == 2
    assert "weights.safetensors" in capsys.readouterr().err

    narrower = record.path / "config.json"
    narrower.write_text(narrower.read_text().replace('"width": 4', '"width": 8'))
    record.weights_path.write_bytes(intact)
    assert cli.main(["evaluate", record.id]) == 2
    assert "of another architecture: size mismatch" in capsys.readouterr().err


def test_results_folder_that_cannot_be_written(tree, seglib_home, monkeypatch, capsys):
    (seglib_home / "file").touch()  # a folder below a file can't be made, not even by root
    monkeypatch.setenv("SEGLIB_RESULTS", str(seglib_home / "file" / "results"))
    assert cli.main(SMALL) == 2
    error = capsys.readouterr().err
    assert "can't be written" in error and "SEGLIB_RESULTS" in error


def test_full_disk(tree, seglib_home, monkeypatch, capsys, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    try:
        monkeypatch.setenv("SEGLIB_HOME", str(small))
        assert cli.main(SMALL) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("seglib: error:") and "No space left" in error
        assert not (small / "results").exists() or not list((small / "results").iterdir())
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_help_of_every_command(capsys):
    assert cli.main([]) == 0
    listing = capsys.readouterr().out
    for name in cli.commands():
        assert f" {name} " in listing
        assert cli.main([name, "--help"]) == 0
        assert f"seglib {name}" in capsys.readouterr().out
    assert cli.main(["train", "--help", "--dataset", "camvid"]) == 0
    assert "--weight-decay" in capsys.readouterr().out


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "seglib", "trian"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "train" in result.stderr


def test_sweep_and_study_list_without_training(tree, capsys):
    assert cli.main(["study", "--list", "--group", "halving"]) == 0
    assert "0 of 2 recorded; 2 to do\n" in capsys.readouterr().out
    assert cli.main(["sweep", "--list", "--model", "swin"]) == 0
    assert "0 of 71 runs recorded" in capsys.readouterr().out
    assert list_records() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["study", "--budget", "2x"], "2h, 90m or 1h30m"),
        (["study", "--dataset", "paris"], "choose one of: miniscapes"),
        (["sweep", "--model", "fcn"], "one of: camvid unet, camvid swin"),
        (["sweep", "--plan", "nosuch.toml"], "nosuch.toml: cannot be read"),
    ],
)
def test_a_wrong_plan_is_one_line(tree, capsys, arguments, words):
    assert words in refused(capsys, *arguments)
