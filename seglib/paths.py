"""Every folder the project reads or writes. Nothing here touches the disk.

`SEGLIB_HOME` moves everything at once; without it the checkout that holds this file is home,
and an installed package without a checkout uses the user's data folder.
"""

import os
from pathlib import Path


def home() -> Path:
    """The folder that holds data, results, checkpoints and figures."""
    checkout = Path(__file__).resolve().parent.parent
    if not (checkout / "pyproject.toml").exists():
        checkout = Path(os.environ.get("XDG_DATA_HOME", "~/.local/share")).expanduser() / "seglib"
    return chosen_folder("SEGLIB_HOME", checkout)


def data_dir() -> Path:
    """Datasets in the Cityscapes tree, one folder each (git-ignored)."""
    return home() / "data"


def cache_dir() -> Path:
    """Resized images and masks, rebuilt whenever they are missing (git-ignored)."""
    return data_dir() / "cache"


def results_dir() -> Path:
    """One folder per recorded run (committed); `SEGLIB_RESULTS` points elsewhere."""
    return chosen_folder("SEGLIB_RESULTS", home() / "results")


def checkpoints_dir() -> Path:
    """Resume state of unfinished runs (git-ignored)."""
    return home() / "checkpoints"


def checkpoint_folder(run_id: str) -> Path:
    """The folder of a run's checkpoints."""
    return checkpoints_dir() / run_id


def figures_dir() -> Path:
    """The figures that the notebooks make (committed); `SEGLIB_FIGURES` points elsewhere."""
    return chosen_folder("SEGLIB_FIGURES", home() / "figures")


def build_dir() -> Path:
    """Executed notebooks and their HTML (git-ignored)."""
    return home() / "build"


def chosen_folder(variable: str, otherwise: Path) -> Path:
    """The folder that an environment variable names, `~` resolved, or the other."""
    chosen = os.environ.get(variable)
    return Path(os.path.expanduser(chosen)).absolute() if chosen else otherwise
