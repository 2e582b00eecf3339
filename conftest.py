"""How `pytest --nbval` runs notebooks: what it leaves out, how long it waits, where it writes."""

import functools
import os
import time
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

ROOT = Path(__file__).parent


def pytest_configure(config: pytest.Config) -> None:
    """Keep a test run away from the committed figures and from the user's own settings."""
    if not getattr(config.option, "nbval", False):
        return
    os.environ["SEGLIB_FIGURES"] = str(ROOT / "build" / "figures")
    # A profile or a backend of the user would change what cells print and show.
    profile = ROOT / "build" / "ipython"
    profile.mkdir(parents=True, exist_ok=True)
    os.environ["IPYTHONDIR"] = str(profile)
    os.environ.pop("MPLBACKEND", None)
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    from tools.notebooks import SILENCE

    config.option.nbval_kernel_startup_timeout = SILENCE


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Leave stderr out of the comparison: progress bars and their speeds are written there."""
    if type(collector).__name__ == "IPyNbFile":
        collector.skip_compare += ("stderr",)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let a cell be silent for as long as the notebook runner lets it."""
    if type(item).__name__ == "IPyNbCell":
        item.output_timeout = item.config.option.nbval_kernel_startup_timeout


def pytest_runtest_call(item: pytest.Item) -> None:
    """Limit a cell's silence, not its length: a busy machine is no mistake.

    nbval gives a cell 2000 s until its reply, and reads what it has printed after that. Without
    the wait for the reply it reads what comes, up to the end, and waits for each message anew.
    """
    if type(item).__name__ == "IPyNbCell":
        item.parent.kernel.await_reply = lambda *_, **__: None
        item.parent.get_kernel_message = functools.partial(_message, item.parent)


def _message(notebook: pytest.Collector, timeout: float, stream: str = "iopub") -> dict[str, Any]:
    """The kernel's next message, for which nbval would wait though it is dead."""
    end = time.monotonic() + timeout
    while True:
        try:
            return notebook.kernel.get_message(stream, timeout=min(5, timeout))
        except Empty:
            if not notebook.kernel.is_alive():
                notebook.timed_out = True  # the cells that follow fail at once
                raise RuntimeError("the kernel died") from None
            if time.monotonic() > end:
                raise
