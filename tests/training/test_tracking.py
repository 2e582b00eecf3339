"""Tracking is optional, offline unless asked otherwise, and never asks a question."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from seglib.config import RunConfig
from seglib.errors import ConfigError
from seglib.training import tracking
from seglib.training.tracking import Tracker, check_tracker, start_tracker

CONFIG = RunConfig(model="fcn", width=4, image_size=(32, 64))


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch) -> None:
    """No settings and no credentials of the person who runs the tests."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb" / name.lower()))


def test_none_tracks_nothing(capsys) -> None:
    tracker = start_tracker("none", CONFIG)
    tracker.log({"epoch": 1})
    tracker.log_masks({"scene": np.zeros((2, 2), np.uint8)}, ("road",))
    tracker.finish(None)
    assert type(tracker) is Tracker and capsys.readouterr() == ("", "")


def test_an_unknown_tracker_is_refused() -> None:
    with pytest.raises(ConfigError, match="tracker 'mlflow' is unknown; .*: none, wandb"):
        start_tracker("mlflow", CONFIG)


def test_a_tracker_that_is_not_installed_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'wandb' is not installed; .*pip install 'seglib\[wa"):
        check_tracker("wandb")


def installed(monkeypatch) -> None:
    monkeypatch.setattr(tracking.importlib.util, "find_spec", lambda name: object())


def test_offline_is_the_default(monkeypatch) -> None:
    installed(monkeypatch)
    check_tracker("wandb")
    assert tracking.wandb_mode() == "offline"


def test_online_without_a_key_is_refused_instead_of_asking(monkeypatch, tmp_path: Path) -> None:
    installed(monkeypatch)
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(ConfigError, match="no API key; set WANDB_API_KEY or use 'offline'"):
        check_tracker("wandb")
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password key\n")
    assert tracking.wandb_mode() == "online"
    (tmp_path / "netrc").write_text("machine other.org login user password key\n")
    monkeypatch.setenv("WANDB_API_KEY", "key")
    assert tracking.wandb_mode() == "online"


def test_an_unknown_mode_is_refused(monkeypatch) -> None:
    installed(monkeypatch)
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(ConfigError, match="WANDB_MODE 'sometimes' is unknown; .*: online, offline"):
        check_tracker("wandb")


@pytest.mark.slow
def test_an_offline_run_holds_losses_masks_and_weights(
    seglib_home: Path, tiny_tree: Path, monkeypatch, capfd
) -> None:
    wandb = pytest.importorskip("wandb")
    from seglib.training.loop import fit

    (seglib_home / "data").mkdir()
    (seglib_home / "data" / "miniscapes").symlink_to(tiny_tree)
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # whoever asks gets no answer
    config = RunConfig(
        model="fcn", width=4, image_size=(32, 64), epochs=2, batch_size=2, precision="fp32"
    )
    record = fit(config, device="cpu", tracker="wandb", progress=False)
    output = capfd.readouterr()
    wandb.teardown()  # its process writes on after a run has finished, until it is told to end
    assert output.out == f"{record.id}: training 2 epochs on cpu\n"
    runs = list((seglib_home / "build" / "wandb").glob("offline-run-*"))
    assert len(runs) == 1
    log = next(runs[0].glob("run-*.wandb")).read_bytes()
    for text in (b"val_miou", b"train_loss", f"{record.id}-weights".encode(), b"prediction"):
        assert text in log
    staged = [path.read_bytes() for path in (seglib_home / "wandb" / "data").rglob("*")
              if path.is_file()]  # fmt: skip
    assert record.weights_path.read_bytes() in staged
