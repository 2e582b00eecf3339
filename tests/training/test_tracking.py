"""Tracking is optional, offline unless asked otherwise, and never asks a question."""

import importlib.util
import io
import os
import sys
from pathlib import Path

import pytest
from runs import train

from seglib.errors import ConfigError
from seglib.training.tracking import check_tracker


@pytest.fixture(autouse=True)
def nobody(tmp_path: Path, monkeypatch) -> None:
    """No settings and no credentials of the person who runs the tests, and no answer from them."""
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    for name in ("DATA", "CACHE", "CONFIG"):
        monkeypatch.setenv(f"WANDB_{name}_DIR", str(tmp_path / "wandb" / name.lower()))
    monkeypatch.setattr(sys, "stdin", io.StringIO())


def test_a_tracker_that_is_not_installed_says_how_to_get_it(monkeypatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"'wandb' is not installed: pip install 'seglib\[wa"):
        check_tracker("wandb")


def test_what_would_ask_or_fail_later_is_refused(monkeypatch) -> None:
    pytest.importorskip("wandb")
    check_tracker("wandb")
    assert "WANDB_MODE" not in os.environ  # and offline is what it means
    monkeypatch.setenv("WANDB_MODE", "online")
    with pytest.raises(ConfigError, match="needs a WANDB_API_KEY; or use 'offline'"):
        check_tracker("wandb")
    monkeypatch.setenv("WANDB_MODE", "sometimes")
    with pytest.raises(ConfigError, match="WANDB_MODE 'sometimes' is unknown; .*: online, offline"):
        check_tracker("wandb")


@pytest.mark.slow
def test_an_offline_run_holds_the_history(home: Path, capfd) -> None:
    wandb = pytest.importorskip("wandb")
    record = train(tracker="wandb")
    output = capfd.readouterr()
    wandb.teardown()  # its process writes on after a run has finished, until it is told to end
    assert output.out == f"{record.id}: training 3 epochs on cpu\n"
    (run,) = (home / "build" / "wandb").glob("offline-run-*")
    log = next(run.glob("run-*.wandb")).read_bytes()
    for text in (b"val_miou", b"train_loss", record.id.encode()):
        assert text in log
