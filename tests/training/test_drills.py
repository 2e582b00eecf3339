"""Fault drills: `kill -9` at random moments and full disks, after which nothing is lost."""

import os
import random
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from processes import Process
from runs import bytes_of, contents, train

from seglib import paths
from seglib.config import RunConfig
from seglib.data.cache import load_cache
from seglib.data.datasets import prepare
from seglib.data.tree import list_scenes
from seglib.errors import SeglibError
from seglib.labels import CITYSCAPES_19
from seglib.records import Record, save_record
from seglib.training import checkpoints

pytestmark = pytest.mark.slow

CONFIG = RunConfig(
    model="unet", width=4, image_size=(32, 64), epochs=12, batch_size=2, dropout=0.2, jitter=0.3,
    schedule="one_cycle", precision="fp32",
)


def train_while(marker: str, config: RunConfig) -> Record:
    """Train; first the file `marker` is made, so that a killer knows that work has begun."""
    Path(marker).touch()
    return train(config)


def kill_at_random(home: Path, function, arguments: tuple, whole: float, times: int) -> Iterator:
    """Run and kill `function(marker, *arguments)` again and again; yields after each kill."""
    moments = random.Random(times)
    for number in range(times):
        marker = home / f"begun{number}"
        process = Process(home, function, str(marker), *arguments)
        process.wait_for(marker.exists)
        time.sleep(moments.uniform(0, whole))
        process.kill()
        yield


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
    expected = bytes_of(Record(folder))
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

    kills = 0
    for _ in kill_at_random(home, train_while, (CONFIG,), whole / 5, 20):
        kills += not folder.exists()
        assert_nothing_half_written(home)
    assert kills >= 3  # it was really interrupted, several times
    Process(home, train, CONFIG).result()
    assert bytes_of(Record(folder)) == expected
    assert [path.name for path in folder.parent.iterdir()] == [CONFIG.run_id]
    assert not checkpoints.checkpoint_folder(CONFIG.run_id).exists()


def build_cache(root: str) -> list[str]:
    return load_cache(list_scenes(root, "train"), (24, 48), CITYSCAPES_19, False).names


OPTIONS = {"size": (64, 128), "counts": {"train": 4, "val": 2, "test": 2}, "workers": 1}


def generate(marker: str = "") -> str:
    """Make a small MiniScapes; first the file `marker`, so that a killer knows of the beginning."""
    if marker:
        Path(marker).touch()
    return str(prepare("miniscapes", progress=False, **OPTIONS))


def test_generation_killed_at_random_moments_ends_with_the_same_bytes(seglib_home: Path) -> None:
    begin = time.monotonic()
    root = Path(generate())
    whole = time.monotonic() - begin
    expected, kills = contents(root), 0
    shutil.rmtree(root)
    # A machine that has become faster needs more tries.
    for _ in kill_at_random(seglib_home, generate, (), 0.8 * whole, 60):
        kills += not root.exists()
        assert not root.exists() or contents(root) == expected
        shutil.rmtree(root, ignore_errors=True)
        if kills == 10:
            break
    assert kills == 10
    Process(seglib_home, generate).result()
    assert contents(root) == expected
    left = sorted(path.name for path in root.parent.iterdir())
    assert left == [f".{root.name}.lock", root.name]  # nothing of those before


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


def test_a_checkpoint_on_a_full_disk_keeps_the_old_one(small_disk, monkeypatch) -> None:
    monkeypatch.setenv("SEGLIB_HOME", str(small_disk))
    state = dict.fromkeys(checkpoints.KEYS)
    checkpoints.save_checkpoint("run", state | {"next_epoch": 1, "model": torch.zeros(100)})
    before = everything(small_disk)
    fill(small_disk, 8192)
    with pytest.raises(OSError, match="No space left on device"):
        checkpoints.save_checkpoint("run", state | {"next_epoch": 2, "model": torch.zeros(10_000)})
    assert everything(small_disk) == sorted([*before, "ballast"])
    assert checkpoints.load_checkpoint("run")[0]["next_epoch"] == 1


def write_record(disk: Path) -> None:
    save_record(
        CONFIG, history=[{"epoch": 1}], scores={"val": {"miou": 0.5, "filling": "x" * 5000}},
        environment={}, state={"weight": torch.zeros(5000)}, results=disk / "results",
        predictions={"val": {"a": np.arange(100, dtype=np.uint8)[None]}},
    )


@pytest.mark.parametrize(
    ("write", "places"),
    [
        (lambda disk: prepare("miniscapes", progress=False, **OPTIONS), [0, 4096]),
        (lambda disk: build_cache(disk.parent / "tree"), [0, 20_000]),  # 6 scenes of 24x48: 27 KB
        (write_record, [0, 4096, 12_288, 20_480, 28_672]),
    ],
    ids=["dataset", "cache", "record"],
)
def test_what_does_not_fit_on_a_disk_is_one_line_and_leaves_nothing_half(
    small_disk, tiny_tree, monkeypatch, write, places
) -> None:
    monkeypatch.setenv("SEGLIB_HOME", str(small_disk))
    (small_disk.parent / "tree").symlink_to(tiny_tree)
    for left in places:
        fill(small_disk, left)
        with pytest.raises((OSError, SeglibError), match="(?i)no space left on device") as caught:
            write(small_disk)
        assert len(str(caught.value).splitlines()) == 1
        files = [path.name for path in small_disk.rglob("*") if path.is_file()]
        assert [name for name in files if not name.endswith(".lock")] == ["ballast"]
        (small_disk / "ballast").unlink()
    if write is write_record:
        write(small_disk)
        assert Record(small_disk / "results" / CONFIG.run_id).miou() == 0.5
