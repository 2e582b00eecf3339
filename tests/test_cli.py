"""Every mistake of a user's gets one line and exit code 2, and leaves nothing behind."""

import io
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seglib import cli, paths
from seglib.errors import ConfigError, SeglibError
from seglib.files import read_json
from seglib.models import MODELS
from seglib.records import list_records

ROOT = Path(__file__).parent.parent

SMALL = (
    "train --dataset cityscapes --model unet --width 4 --image-size 32 64 --crop-size None "
    "--batch-size 2 --epochs 1 --validate-every 1 --precision fp32 --device cpu"
).split()


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


def test_train_evaluate_and_list(cityscapes_home, capsys):
    assert cli.main(SMALL) == 0
    (record,) = list_records()
    assert record.id in capsys.readouterr().out

    assert cli.main(["evaluate", "--split", "test", "--export", str(cityscapes_home / "out")]) == 0
    printed = capsys.readouterr().out
    (record,) = list_records()
    lines, scores = [line.split() for line in printed.splitlines()], record.scores["test"]
    cells = {"road": [scores["iou"][0], None], "car": [scores["iou"][13], scores["iiou"][13]],
             "mean": [scores["miou"], scores["miiou"]]}
    for row, values in cells.items():
        assert [row, *("n/a" if v is None else f"{100 * v:.1f}" for v in values)] in lines
    assert "95 % interval" in printed and record.id in printed
    kept = record.predictions("test")
    assert len(list((cityscapes_home / "out").glob("*_labelIds.png"))) == len(kept) == 3
    for name, label_ids in kept.items():
        exported = Image.open(cityscapes_home / "out" / f"{name}_labelIds.png")
        assert np.array_equal(exported, label_ids)

    assert cli.main(["runs"]) == 0
    assert record.id in capsys.readouterr().out


def test_the_official_evaluator_takes_what_predict_writes(cityscapes_home, tiny_tree, monkeypatch):
    pytest.importorskip("cityscapesscripts")
    assert cli.main([*SMALL, "--epochs", "9", "--learning-rate", "0.01"]) == 0
    (record,) = list_records()
    monkeypatch.setenv("HOME", str(cityscapes_home))
    photos = [str(path) for path in tiny_tree.glob("leftImg8bit/val/*/*.png")]
    call = ["predict", *photos, "--run", record.id, "--output=~/labelled", "--device", "cpu"]
    assert cli.main(call) == 0
    out = cityscapes_home / "labelled"
    predicted = {file: np.asarray(Image.open(file)) for file in out.glob("*_labelIds.png")}
    # the same label ids under the same names
    assert cli.main(["evaluate", record.id, "--export", str(out), "--device", "cpu"]) == 0
    assert len(list(out.iterdir())) == 9 and len(predicted) == 3
    assert all(np.array_equal(ids, Image.open(file)) for file, ids in predicted.items())

    environment = {"CITYSCAPES_RESULTS": str(out), "CITYSCAPES_EXPORT_DIR": str(cityscapes_home)}
    command = [sys.executable, "-m", "tools.official"]
    subprocess.run(command, env=os.environ | environment, cwd=ROOT, check=True)
    theirs = read_json(cityscapes_home / "resultPixelLevelSemanticLabeling.json")
    ours = record.scores["val"]
    assert 0 < ours["miou"] == pytest.approx(theirs["averageScoreClasses"], abs=1e-9)
    found = [theirs["classScores"][name] for name in ours["classes"]]
    assert np.array(ours["iou"], float) == pytest.approx(np.array(found), nan_ok=True)


def test_data_are_checked_and_models_listed(cityscapes_home, capsys):
    assert cli.main(["data", "cityscapes", "--check"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["train", "fine", "6", "scenes"] and "32x64" in lines[1]
    assert cli.main(["models"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:-1]] == [*MODELS]


def test_verify_repeats_the_record(cityscapes_home, capsys):
    assert cli.main(SMALL) == 0
    (record,) = list_records()
    assert cli.main(["verify", record.id]) == 0
    assert "1 recorded rows repeated to every digit" in capsys.readouterr().out


@pytest.mark.parametrize(("option", "value", "expected"), [
    ("--model", "alexnet", "fcn, unet"),
    ("--dataset", "moonscapes", "miniscapes, miniscapes2560, camvid"),
    ("--optimizer", "sgd", "adam, adamw, adamax"), ("--epochs", "0", "1 or more"),
    ("--batch-size", "7", "split of 6 images"), ("--init-from", "nothing", "nothing"),
    ("--learning-rate", "fast", "learning-rate"), ("--image-size", "32 -1", "above 0"),
    ("--widht", "3", "did you mean --width?"), ("--width", "x", "--width INT, found"),
    ("--crop-size", "3", "expected --crop-size INT INT, found '3'"), ("--scale", "", "value"),
])
def test_options_that_cannot_work(cityscapes_home, capsys, option, value, expected):
    assert expected in refused(capsys, *SMALL, option, *value.split())
    assert "an argument is empty" in refused(capsys, *SMALL, option, "")


def test_datasets_that_are_not_there(seglib_home, monkeypatch, capsys):
    monkeypatch.setenv("CITYSCAPES_DATASET", str(seglib_home / "nowhere"))
    assert "nowhere" in refused(capsys, *SMALL)
    line = refused(capsys, "train", "--dataset", "camvid")
    assert "seglib data camvid --from" in line and "--download" in line


def test_a_full_disk_is_told_with_what_to_do(capsys):
    def write():
        raise OSError(28, "No space left on device", "results/x")

    assert cli.exit_code(write) == 2
    line = "seglib: error: results/x: No space left on device; free some space and rerun\n"
    assert capsys.readouterr().err == line
    assert cli.exit_code(lambda: torch.empty(1 << 50)) == 2
    assert capsys.readouterr().err.startswith("seglib: error: out of memory; smaller batches")


def test_help_of_every_command(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main([]) == cli.main(["help"]) == 0
    listing = capsys.readouterr().out
    texts = [listing]
    for name in cli.commands():
        assert f" {name} " in listing
        assert cli.main([name, "--help"]) == cli.main(["help", name]) == 0
        first, second = capsys.readouterr().out.split(f"usage: seglib {name}")[1:]
        assert first == second and len(first) > 80
        texts.append(first)
    assert not [line for text in texts for line in text.splitlines() if len(line) > 80]
    assert not [noise for noise in ("{None", "(default: )", "STR]", "│") if noise in "".join(texts)]
    assert " RUN " in texts[1 + list(cli.commands()).index("verify")]
    assert cli.main(["train", "--help", "--dataset", "camvid"]) == 0
    printed = capsys.readouterr().out
    assert re.search(r"--weight-decay FLOAT\s", printed)
    assert "--crop-size INT INT\n" in printed
    assert cli.main(["-V"]) == cli.main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("seglib 0.")


def test_a_recorded_run_is_loaded_without_its_dataset(cityscapes_home, monkeypatch, capsys):
    assert cli.main(SMALL) == 0
    monkeypatch.delenv("CITYSCAPES_DATASET")
    assert cli.main([*SMALL, "--workers", "1"]) == 0
    assert list_records()[0].id in capsys.readouterr().out
    assert cli.main([*SMALL, "--retrain"]) == 2
    assert "CITYSCAPES_DATASET is not set" in capsys.readouterr().err


@pytest.mark.parametrize("options", ["--size huge --model swin", "--size tiny", "--workers -1",
                                     "--init-from nothing", "--tracker tensorboard"])
def test_options_are_refused_before_a_dataset_is_made(seglib_home, capsys, options):
    assert options.split()[1] in refused(capsys, "train", *options.split())
    assert not paths.data_dir().exists()


def test_runs_say_what_they_are(cityscapes_home, capsys):
    assert cli.main(["runs", "camvid"]) == 0
    assert "no run on camvid is recorded; start with" in capsys.readouterr().out
    assert "did you mean 'camvid'" in refused(capsys, "runs", "camvit")
    assert cli.main([*SMALL, "--no-flip", "--seed", "7", "--hold-out", "northtown"]) == 0
    capsys.readouterr()
    assert cli.main(["runs", "cityscapes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["run", "epochs", "seed", "held_out", "model,", "options"]
    (record,) = list_records()
    expected = [record.id, "1", "7", f"{100 * record.miou():.1f}", "unet", "--width", "4"]
    assert lines[1].split()[:7] == expected and "--no-flip" in "".join(lines[1:])
    assert max(map(len, lines)) <= 100


# --- whatever the terminal, the signal and the process --------------------------------------------


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_no_encoding_is_too_small(monkeypatch, encoding):
    streams = [io.TextIOWrapper(io.BytesIO(), encoding) for _ in range(2)]
    monkeypatch.setattr(sys, "stdout", streams[0])
    monkeypatch.setattr(sys, "stderr", streams[1])

    def fail():
        print("96×192 →", os.fsdecode(b"K\xf6ln"))
        raise SeglibError("K\x1b[31m\n\udcf6 is no name")

    assert (cli.exit_code(fail), cli.main(["help", "train"])) == (2, 0)
    printed, error = (stream.flush() or stream.buffer.getvalue().decode(encoding)
                      for stream in streams)
    assert "192" in printed and "--class-weights" in printed
    assert error == "seglib: error: K\\x1b[31m \\udcf6 is no name\n"


@pytest.mark.parametrize("ignored", [False, True])  # as a shell starts a job in the background
def test_sigterm_ends_in_one_line_as_ctrl_c_does(capsys, ignored):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN if ignored else before[0])
        assert cli.exit_code(lambda: signal.raise_signal(signal.SIGTERM)) == 1
    finally:
        signal.signal(signal.SIGINT, before[0])
        signal.signal(signal.SIGTERM, before[1])
    assert capsys.readouterr().err.strip().startswith("seglib: interrupted")


@pytest.mark.parametrize(("rank", "printed", "told"), [("0", 3, 2), ("3", 0, 1)])
def test_only_the_first_process_prints(monkeypatch, capsys, rank, printed, told):
    monkeypatch.setenv("RANK", rank)

    def work(error):
        print("at work")
        raise error("wrong")

    for error in (ConfigError, SeglibError):  # of an option, which all have, and of one process
        assert cli.exit_code(lambda error=error: work(error)) == 2
    assert cli.exit_code(lambda: work(KeyboardInterrupt)) == 1
    out, err = capsys.readouterr()
    assert (out.count("at work"), err.count("wrong")) == (printed, told)
    assert err.count("seglib: interrupted") == (rank == "0")


def test_a_reader_that_goes_away_is_no_mistake():
    command = f"{sys.executable} -m seglib help data | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert done.stderr == ""


def test_the_module_runs_as_a_program():
    command = [sys.executable, "-m", "seglib", "trian"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1 and "train" in result.stderr


def test_sweep_and_study_list_without_training(cityscapes_home, capsys):
    assert cli.main(["study", "--list", "--group", "halving"]) == 0
    assert "0 of 1 recorded; 1 to do\n" in capsys.readouterr().out
    assert cli.main(["sweep", "--list"]) == 0
    assert "0 of 71 runs recorded" in capsys.readouterr().out
    assert list_records() == []


@pytest.mark.parametrize(("arguments", "words"), [
    (["study", "--budget", "2x"], "2h, 90m or 1h30m"),
    (["study", "--dataset", "paris"], "choose one of: miniscapes"),
    (["sweep", "--plan", "nosuch.toml"], "nosuch.toml: cannot be read"),
    (["sweep", "--list", "--device", "cpu"], "leave --budget and --device out"),
    (["study", "--list", "--budget", "2h"], "leave --budget and --device out"),
    (["study", "--dataset", "cityscapes"], "no such run at scale cpu; try --scale gpu"),
    (["study", "--group", "model"], "did you mean 'models'?"),
    (["study", "--dataset"], "--dataset needs a value"),
    (["measure", "nosuch"], "run 'nosuch' has no record"),
])
def test_a_wrong_plan_is_one_line(cityscapes_home, capsys, arguments, words):
    assert words in refused(capsys, *arguments)
