"""Fault drills: `kill -9` at random moments and full disks, after which nothing is lost."""

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from processes import Process

from seglib import checkpoints, paths, training
from seglib.config import RunConfig
from seglib.data.cache import load_cache
from seglib.data.datasets import MARKER
from seglib.data.miniscapes import VERSION
from seglib.data.tree import list_scenes
from seglib.errors import SeglibError
from seglib.files import write_json
from seglib.labels import CITYSCAPES_19
from seglib.records import Record, load_record, save_record

pytestmark = pytest.mark.slow

CONFIG = RunConfig(
    model="unet",
    width=4,
    image_size=(32, 64),
    epochs=12,
    batch_size=2,
    dropout=0.2,
    jitter=0.3,
    schedule="one_cycle",
    precision="fp32",
)


def files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a record but the one with times in it."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != "environment.json"
    }


def train(config: RunConfig) -> str:
    return training.fit(config, device="cpu", progress=False).id


def train_while(marker: str, config: RunConfig) -> str:
    """Train; make the file `marker` first, so that a killer knows that work has begun."""
    Path(marker).touch()
    return train(config)


def assert_nothing_half_written(folder: Path) -> None:
    """A visible record is complete, a visible checkpoint intact."""
    for file in folder.glob("results/[!.]*/config.json"):
        record = Record(file.parent)
        assert record.miou() >= 0 and len(record.history) == record.config.epochs
        record.load_model()
    for checkpoint in folder.glob("checkpoints/*/[!.]*.ckpt"):
        checkpoints._read(checkpoint)


def test_training_killed_at_random_moments_ends_with_the_same_bytes(home: Path) -> None:
    train(CONFIG)
    folder = paths.results_dir() / CONFIG.run_id
    expected = files_of(folder)
    shutil.rmtree(folder)
    shutil.rmtree(paths.cache_dir())
    # From where it begins to train: starting the first process of a session takes much longer.
    process = Process(home, train_while, str(home / "begun"), CONFIG)
    process.wait_for((home / "begun").exists)
    began = time.monotonic()
    process.result()
    whole = time.monotonic() - began
    shutil.rmtree(folder)
    shutil.rmtree(paths.cache_dir())  # so that its building is interrupted too

    moments = random.Random(0)
    kills = 0
    for number in range(20):
        marker = home / f"begun{number}"
        process = Process(home, train_while, str(marker), CONFIG)
        process.wait_for(marker.exists)
        time.sleep(moments.uniform(0, whole / 3))
        process.kill()
        kills += not folder.exists()
        assert_nothing_half_written(home)
    assert kills >= 3  # it was really interrupted, several times
    Process(home, train, CONFIG).result()
    assert files_of(folder) == expected
    assert [path.name for path in folder.parent.iterdir()] == [CONFIG.run_id]
    assert not checkpoints.checkpoint_folder(CONFIG.run_id).exists()


def score_again(run_id: str) -> None:
    while True:
        record = load_record(run_id)
        scores = {**record.scores["val"], "again": time.time()}
        record.add_scores("test", scores, record.predictions("val"))


def test_adding_scores_killed_at_random_moments_keeps_the_record_whole(home: Path) -> None:
    run_id = train(dataclasses.replace(CONFIG, epochs=1))
    record = load_record(run_id)
    record.add_scores("test", record.scores["val"], record.predictions("val"))
    moments = random.Random(1)
    for _ in range(10):
        process = Process(home, score_again, run_id)
        time.sleep(moments.uniform(0.02, 0.2))
        process.kill()
        record = load_record(run_id)
        assert record.miou("test") == record.miou("val")
        assert list(record.predictions("test")) == list(record.predictions("val"))


def build_cache(root: str) -> list[str]:
    return load_cache(Path(root), "train", "fine", (24, 48), CITYSCAPES_19, False).names


def test_cache_building_killed_at_random_moments_ends_whole(home: Path, tiny_tree: Path) -> None:
    names = [scene.name for scene in list_scenes(tiny_tree, "train")]
    moments = random.Random(2)
    for _ in range(20):
        shutil.rmtree(paths.cache_dir(), ignore_errors=True)
        process = Process(home, build_cache, str(tiny_tree))
        time.sleep(moments.uniform(0, 0.06))
        process.kill()
        for folder in paths.cache_dir().glob("[!.]*-train-*/"):
            assert build_cache(str(tiny_tree)) == names, folder
        assert build_cache(str(tiny_tree)) == names
        left = [path.name for path in paths.cache_dir().iterdir() if path.suffix != ".lock"]
        assert len(left) == 1 and not left[0].startswith(".")


# --- full disks -------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """An empty file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "none", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system here")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def fill(disk: Path, left: int) -> None:
    """Leave `left` bytes of the disk."""
    (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - left))


def test_a_cache_on_a_full_disk_is_one_line(seglib_home, small_disk, tiny_tree, monkeypatch):
    monkeypatch.setenv("SEGLIB_HOME", str(small_disk))
    fill(small_disk, 20_000)  # 6 scenes of 24x48 need 27 KB
    process = Process(small_disk, build_cache, str(tiny_tree))
    with pytest.raises(AssertionError, match="No space left on device") as caught:
        process.result()
    assert len(str(caught.value).splitlines()) == 1
    left = [name for name in everything(small_disk) if not name.endswith(".lock")]
    assert left == ["ballast", "data", "data/cache"]
    (small_disk / "ballast").unlink()
    assert len(build_cache(str(tiny_tree))) == 6


@pytest.mark.parametrize("left", [0, 4096, 12_288, 20_480, 28_672])
def test_a_record_on_a_full_disk_is_one_line(seglib_home, small_disk, monkeypatch, left) -> None:
    monkeypatch.setenv("SEGLIB_RESULTS", str(small_disk / "results"))
    (small_disk / "results").mkdir()
    values = {
        "history": [{"epoch": 1}],
        "scores": {"val": {"miou": 0.5, "filling": "x" * 5000}},
        "environment": {},
        "state": {"weight": torch.zeros(5000)},
        "predictions": {"val": {"a": torch.arange(100, dtype=torch.uint8).numpy()[None]}},
    }
    fill(small_disk, left)
    with pytest.raises((OSError, SeglibError), match="(?i)no space left on device") as caught:
        save_record(CONFIG, **values)
    assert len(str(caught.value).splitlines()) == 1
    assert everything(small_disk) == ["ballast", "results"]
    (small_disk / "ballast").unlink()
    assert save_record(CONFIG, **values).miou() == 0.5


def test_more_scores_on_a_full_disk_keep_the_old_ones(seglib_home, small_disk, monkeypatch):
    monkeypatch.setenv("SEGLIB_RESULTS", str(small_disk / "results"))
    record = save_record(
        CONFIG,
        history=[],
        scores={"val": {"miou": 0.5}},
        environment={},
        state=None,
        predictions={},
    )
    before = everything(small_disk)
    fill(small_disk, 4096)
    with pytest.raises(OSError, match="No space left on device"):
        record.add_scores("test", {"miou": 0.25, "filling": "x" * 9000}, {})
    assert everything(small_disk) == sorted([*before, "ballast"])
    assert list(load_record(record.id).scores) == ["val"]


def test_a_checkpoint_on_a_full_disk_keeps_the_old_one(small_disk, monkeypatch) -> None:
    monkeypatch.setenv("SEGLIB_HOME", str(small_disk))
    checkpoints.save_checkpoint("run", {"next_epoch": 1, "weight": torch.zeros(100)})
    before = everything(small_disk)
    fill(small_disk, 8192)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.save_checkpoint("run", {"next_epoch": 2, "weight": torch.zeros(10_000)})
    assert everything(small_disk) == sorted([*before, "ballast"])
    assert checkpoints.load_checkpoint("run")[0]["next_epoch"] == 1


def test_the_command_reports_a_full_disk_in_one_line(tmp_path, small_disk, tiny_tree) -> None:
    tree = shutil.copytree(tiny_tree, tmp_path / "tree")
    write_json(tree / MARKER, {"name": "miniscapes", "version": VERSION, "options": {}})
    (small_disk / "data").mkdir()
    (small_disk / "data" / "miniscapes").symlink_to(tree)
    fill(small_disk, 24_576)  # the cache of the train split needs 49 KB
    command = "train --model fcn --width 4 --image-size 32 64 --epochs 1 --batch-size 2"
    result = subprocess.run(
        [sys.executable, "-m", "seglib", *command.split(), "--device", "cpu"],
        env={
            **os.environ,
            "SEGLIB_HOME": str(small_disk),
            "PYTHONPATH": str(Path(training.__file__).parent.parent),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith("seglib: error: ")
    assert "No space left on device" in result.stderr and "Traceback" not in result.stderr
