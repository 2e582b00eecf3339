"""Experiment tracking, optional: none, or Weights & Biases, offline unless asked otherwise."""

import importlib.util
import os
from contextlib import AbstractContextManager, nullcontext

from .. import paths
from ..config import RunConfig
from ..errors import ConfigError, choose


def check_tracker(name: str) -> None:
    """Raise `ConfigError` unless `name` is a tracker that starts without asking a question."""
    if choose("tracker", name, ("none", "wandb")) == "none":
        return
    if importlib.util.find_spec("wandb") is None:
        raise ConfigError("tracker 'wandb' is not installed: pip install 'seglib[wandb]'")
    import wandb  # optional
    mode = os.environ.get("WANDB_MODE", "offline")  # such a run can be synchronised later
    choose("WANDB_MODE", mode, ("online", "offline", "disabled"))
    if mode == "online" and not wandb.login(prompt=False, verify=False):
        raise ConfigError("WANDB_MODE 'online' needs a WANDB_API_KEY; or use 'offline'")


def start_tracker(name: str, config: RunConfig) -> AbstractContextManager:
    """A context: the tracked run, whose `log` takes a row of the history, or None."""
    if name == "none":
        return nullcontext()
    import wandb  # optional
    paths.build_dir().mkdir(parents=True, exist_ok=True)
    try:
        return wandb.init(
            project="seglib", group=config.run_id, name=config.run_id,  # a group of sessions
            dir=paths.build_dir(), mode=os.environ.get("WANDB_MODE", "offline"),
            config=config.to_dict(), settings=wandb.Settings(silent=True, console="off"),
        )
    except wandb.Error as problem:
        reason = " ".join(str(problem).split())
        raise ConfigError(f"tracker 'wandb' did not start: {reason}") from None
