"""Checkpoints: the newest intact one is used, and none can run code."""

import hashlib
import io
import os
import pickle
from pathlib import Path

import pytest
import torch

from seglib.training.checkpoints import KEYS, checkpoint_folder, load_checkpoint, save_checkpoint

RUN = "miniscapes-unet-00000000"


def state(epoch: int) -> dict:
    parts = {key: None for key in KEYS}
    return {**parts, "next_epoch": epoch, "model": {"weight": torch.full((3,), float(epoch))}}


@pytest.fixture
def folder(seglib_home: Path) -> Path:
    """A run's folder with the checkpoints of epochs 1 and 2."""
    save_checkpoint(RUN, state(1))
    save_checkpoint(RUN, state(2))
    return checkpoint_folder(RUN)


def forge(path: Path, body: bytes) -> None:
    """Write `body` with a digest that fits, as an attacker would."""
    path.write_bytes(hashlib.sha256(body).digest() + body)


def test_the_last_one_is_loaded_and_the_one_before_is_kept(folder: Path) -> None:
    loaded, passed_over = load_checkpoint(RUN)
    assert loaded["next_epoch"] == 2 and not passed_over
    assert torch.equal(loaded["model"]["weight"], torch.full((3,), 2.0))
    assert sorted(path.name for path in folder.iterdir()) == ["last.ckpt", "previous.ckpt"]
    save_checkpoint(RUN, state(3))
    (folder / "last.ckpt").unlink()
    assert load_checkpoint(RUN)[0]["next_epoch"] == 2


def test_when_all_are_damaged_the_run_starts_over(folder: Path) -> None:
    for path in folder.iterdir():
        path.write_bytes(b"damaged")
    loaded, passed_over = load_checkpoint(RUN)
    assert loaded is None and len(passed_over) == 2


class Malicious:
    """Unpickling this runs a command that makes a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self):
        return os.system, (f"touch {self.victim}",)


@pytest.mark.parametrize("writer", ["pickle", "torch"])
def test_a_malicious_pickle_is_refused_and_runs_nothing(folder, tmp_path, writer) -> None:
    victim = tmp_path / "victim"
    buffer = io.BytesIO()
    bad = {"next_epoch": Malicious(victim)}
    pickle.dump(bad, buffer, protocol=2) if writer == "pickle" else torch.save(bad, buffer)
    forge(folder / "last.ckpt", buffer.getvalue())
    loaded, passed_over = load_checkpoint(RUN)
    assert loaded["next_epoch"] == 1
    assert len(passed_over) == 1 and "last.ckpt" in passed_over[0] and "\n" not in passed_over[0]
    assert not victim.exists()


@pytest.mark.parametrize("value", [[1, 2, 3], {}, {"next_epoch": 5}])
def test_something_else_than_a_state_is_passed_over(folder: Path, value) -> None:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    forge(folder / "last.ckpt", buffer.getvalue())
    loaded, passed_over = load_checkpoint(RUN)
    assert loaded["next_epoch"] == 1
    assert "does not hold a run's state" in passed_over[0]
