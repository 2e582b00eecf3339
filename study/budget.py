"""Working within a given time: durations such as "2h", and training that stops at the end of one.

A run is stopped between two epochs, when the next one would not fit any more, so no work is lost.
"""

import itertools
import math
import re
import time
from typing import Any

from seglib.config import RunConfig
from seglib.errors import ConfigError
from seglib.provenance import RESULTS_VERSION
from seglib.records import Record
from seglib.training.checkpoints import load_checkpoint
from seglib.training.loop import OutOfTime, fit

UNITS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0}


def parse_duration(text: str) -> float:
    """Seconds in a duration such as "2h", "90m", "1h30m" or "45s"; `ConfigError` for others."""
    if not re.fullmatch(r"(\d+(\.\d+)?[dhms])+", text):
        raise ConfigError(f"budget {text!r} must be a duration such as 2h, 90m or 1h30m")
    parts = re.findall(r"([\d.]+)([dhms])", text)
    return sum(float(number) * UNITS[unit] for number, unit in parts)


def format_duration(seconds: float) -> str:
    """Seconds as text of two units at most, such as "2h05m", "3m20s" or "12s"; NaN as "?"."""
    if not math.isfinite(seconds):
        return "?"
    whole = round(seconds)
    for big, small in itertools.pairwise(UNITS):
        if whole >= UNITS[big]:
            rest = whole % UNITS[big] // UNITS[small]
            return f"{whole // UNITS[big]:.0f}{big}{rest:02.0f}{small}"
    return f"{whole}s"


class Clock:
    """How much of a session's time is left; without a `budget` in seconds, any amount."""

    def __init__(self, budget: float | None = None) -> None:
        self.end = math.inf if budget is None else time.monotonic() + budget
        self.worked = False  # whether this session has trained an epoch already

    @property
    def left(self) -> float:
        """Seconds that are left, below 0 when they are overdrawn."""
        return self.end - time.monotonic()


def interrupted(config: RunConfig) -> tuple[int, float | None]:
    """How many epochs of an unfinished run today's code can go on from, and the seconds of one."""
    state, _ = load_checkpoint(config.run_id)
    if state is None or state.get("results_version") != RESULTS_VERSION:
        return 0, None
    seconds = state["epoch_seconds"]
    return state["next_epoch"], sum(seconds) / max(1, len(seconds))


def fit_within(config: RunConfig, clock: Clock, **options: Any) -> Record:
    """`training.fit` with `options`, which ends the session when `clock` has run down.

    A session trains at least one epoch, so that any budget gets on. Raises `OutOfTime`.
    """
    if clock.worked and clock.left <= 0:
        raise OutOfTime("the budget is used up")
    clock.worked = True
    return fit(config, deadline=clock.end, **options)
