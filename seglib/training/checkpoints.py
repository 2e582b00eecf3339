"""Resume state of unfinished runs: written between epochs, trusted only when its digest holds.

A checkpoint is 32 bytes of sha256 and what `torch.save` writes, and is read with `weights_only`: a
file that would run code is refused.
"""

import hashlib
import io
import shutil
import time
from pathlib import Path
from typing import Any

import torch

from ..files import atomic_path
from ..paths import checkpoint_folder
from ..provenance import RESULTS_VERSION

NAMES = ("last.ckpt", "previous.ckpt")
KEYS = ("model optimizer scheduler scaler average data history machines epoch_seconds best "
        "next_epoch").split()


def save_checkpoint(run_id: str, state: dict[str, Any]) -> float:
    """Write the state as the last checkpoint, keep the one before it; returns the seconds."""
    began = time.monotonic()
    last, previous = (checkpoint_folder(run_id) / name for name in NAMES)
    buffer = io.BytesIO()
    torch.save({**state, "results_version": RESULTS_VERSION}, buffer)
    with atomic_path(last) as temporary:
        with open(temporary, "wb") as file:
            file.write(hashlib.sha256(buffer.getbuffer()).digest())
            file.write(buffer.getbuffer())
        if last.exists():
            last.replace(previous)
    return time.monotonic() - began


def load_checkpoint(
    run_id: str, data: dict[str, str] | None = None
) -> tuple[dict[str, Any] | None, list[str]]:
    """The newest state that serves, or None, and one line for each file that is passed over.

    `data`: fingerprints by split of the masks that are here; a state of others does not serve.
    """
    passed_over = []
    files = [checkpoint_folder(run_id) / name for name in NAMES]
    for path in filter(Path.exists, files):
        try:
            state = _read(path)
            if data is not None and state["data"] != data:
                raise ValueError("it was made on other data")
            return state, passed_over
        except (OSError, ValueError) as problem:
            passed_over.append(f"{path.name} of {run_id} is passed over: {problem}")
    return None, passed_over


def _read(path: Path) -> dict[str, Any]:
    content = path.read_bytes()
    if hashlib.sha256(content[32:]).digest() != content[:32]:
        raise ValueError("it is damaged: its digest does not match its content")
    try:
        state = torch.load(io.BytesIO(content[32:]), map_location="cpu", weights_only=True)
    except Exception:  # foreign bytes can raise almost anything
        raise ValueError("it is no file of tensors and plain values") from None
    if not isinstance(state, dict) or not state.keys() >= set(KEYS):
        raise ValueError("it does not hold a run's state")
    if state.get("results_version") != RESULTS_VERSION:
        raise ValueError("another results version made it")
    return state


def remove_checkpoint(run_id: str) -> None:
    """Remove a run's checkpoints, once its record is complete."""
    shutil.rmtree(checkpoint_folder(run_id), ignore_errors=True)
