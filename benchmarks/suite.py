"""How long the project's own tests and notebooks take."""

import subprocess
import sys

from tools.notebooks import execute

from .measuring import FOLDER, Comparison, seconds

ROOT = FOLDER.parent


def measure(repetitions: int) -> list[Comparison]:
    """Minutes of `make test`'s tests, and seconds of each notebook."""
    command = [sys.executable, "-m", "pytest", "-q"]
    minutes = [
        seconds(lambda: subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL))
        / 60
        for _ in range(repetitions)
    ]
    rows = [Comparison("All tests", "min", "lower", minutes, "pytest")]
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        took = [execute(path)[1] for _ in range(repetitions)]
        rows.append(Comparison(f"Notebook {path.stem}", "s", "lower", took, "top to bottom"))
    return rows
