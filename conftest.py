"""How `pytest --nbval` runs notebooks: what it leaves out, how long it waits, where it writes."""

import os
from pathlib import Path

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


def pytest_collectstart(collector: pytest.Collector) -> None:
    """Leave stderr out of the comparison: progress bars and their speeds are written there."""
    if type(collector).__name__ == "IPyNbFile":
        collector.skip_compare += ("stderr",)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Wait longer than nbval's 5 s for a cell's last output: two busy cores can need it."""
    if type(item).__name__ == "IPyNbCell":
        item.output_timeout = 60
